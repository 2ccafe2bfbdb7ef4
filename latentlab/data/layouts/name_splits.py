"""Splits of pictures whose list, table or archive may say splits and labels by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.layouts.arrangement import arrange, draw_text
from latentlab.data.layouts.policies import AUTO, NONE, class_policy, split_policy, would_score
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
    """Return the splits of pictures; what the user asks for comes first, then what is known.

    Parameters
    ----------
    names : sequence of str
        Their paths, with "/".
    data : DataOptions
        Holds `held_out`, `labels` and `split`.
    labels : str
        Where the data have labels of their own, in a clause; "" if only folders can be classes.
    known : tuple of ndarray and str, or None
        Splits that the data say themselves, and a clause on it.
    """
    arrangement = arrange(names, data, None)
    has_own = bool(labels) and class_policy(data).kind == AUTO
    labels_text = labels if has_own else arrangement.classes_text
    kind = split_policy(data).kind
    if known is not None and kind == AUTO:
        return NameSplits(*known, labels_text)
    is_drawn = kind == NONE or (kind == AUTO and arrangement.layout.splits is None)
    if not (is_drawn and has_own):
        return NameSplits(arrangement.splits, arrangement.splits_text, labels_text)
    drawn = held_out_splits(len(names), data.held_out, would_score(data, has_own))
    return NameSplits(drawn, draw_text(drawn), labels_text)


def name_classes(names: Sequence[str], data: DataOptions) -> list[str] | None:
    """Return the folder that is the class of each picture, for scoring only; None if none is.

    Parameters
    ----------
    names : sequence of str
        Paths of the pictures.
    data : DataOptions
        Holds `labels`, which may name the depth of the folders.
    """
    layout = arrange(names, data, None).layout
    depth = class_policy(data).depth
    return layout.class_folders(depth) if depth or layout.has_classes else None
