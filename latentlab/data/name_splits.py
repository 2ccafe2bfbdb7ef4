"""Splits of pictures that are named by paths: by their folders, or drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.file_sets import drawn_text
from latentlab.data.layout import layout_of
from latentlab.data.policies import AUTO, FOLDER, NONE, class_policy, split_policy, would_score
from latentlab.data.splits import held_out_splits


@dataclass(frozen=True)
class NameSplits:
    """The splits of a set of pictures, and where scoring would look for labels.

    Attributes
    ----------
    splits : ndarray of shape (n,), str
        "train" or "test" of each picture.
    splits_text, labels_text : str
        Clauses for the account.
    """

    splits: np.ndarray
    splits_text: str
    labels_text: str


def name_splits(
    names: Sequence[str],
    data: DataOptions,
    labels: str,
    known: tuple[np.ndarray, str] | None = None,
) -> NameSplits:
    """Return the splits of pictures.

    Parameters
    ----------
    names : sequence of str
        Their paths, with "/".
    data : DataOptions
        Holds `held_out`, `labels` and `split`.
    labels : str
        Where else there are labels, in a clause; "" if only folders can be classes.
    known : tuple of ndarray and str, or None
        Splits that something else than a folder says, and a clause on it.
    """
    layout = layout_of(names)
    has_own = bool(labels) or layout.has_classes
    is_scored = would_score(data, has_own)
    labels_text = labels or layout.classes_text
    if not is_scored:
        labels_text = labels_text if class_policy(data).kind == AUTO else "no labels wanted"
    if split_policy(data).kind != NONE:
        if known is not None and split_policy(data).kind != FOLDER:
            return NameSplits(known[0], known[1], labels_text)
        if layout.splits is not None:
            return NameSplits(layout.splits, layout.splits_text, labels_text)
    drawn = held_out_splits(len(names), data.held_out, is_scored)
    texts = (layout.splits_text, drawn_text(drawn))
    return NameSplits(drawn, "; ".join(text for text in texts if text), labels_text)


def name_classes(names: Sequence[str], data: DataOptions) -> list[str] | None:
    """Return the folder that is the class of each picture, for scoring only; None if none is.

    Parameters
    ----------
    names : sequence of str
        Paths of the pictures.
    data : DataOptions
        Holds `labels`, which may name the depth of the folders.
    """
    layout = layout_of(names)
    depth = class_policy(data).depth
    return layout.class_folders(depth) if depth or layout.has_classes else None
