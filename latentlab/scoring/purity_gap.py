"""Why purity exceeds ACC: classes split over several clusters, and classes without a cluster.

ACC allows each class one cluster, purity allows several. They differ by the images in the further
clusters of split classes. With as many clusters as classes, each split class leaves another class
without a cluster of its own: it is merged into one that stands for something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.scoring import metrics
from latentlab.storage.json_form import json_field

LEAST_GAP = 0.01  # purity minus ACC; smaller differences are not explained
NAMED = 8  # split and merged classes that the text names; scores.json has all


@dataclass(frozen=True)
class SplitClass:
    """A class that several clusters stand for.

    Attributes
    ----------
    number : int
        The class.
    clusters : tuple of int
        Its clusters.
    """

    number: int = json_field(key="class")
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True)
class MergedClass:
    """A class that no cluster stands for.

    Attributes
    ----------
    number : int
        The class.
    cluster : int
        The cluster that holds most of it.
    cluster_class : int
        The class that this cluster stands for.
    """

    number: int = json_field(key="class")
    cluster: int = json_field()
    cluster_class: int = json_field(key="with")


@dataclass(frozen=True)
class PurityGap:
    """Why purity exceeds ACC.

    Attributes
    ----------
    gap : float
        Purity minus ACC.
    split : tuple of SplitClass
        The class with most images outside its best cluster comes first.
    merged : tuple of MergedClass
        In the order of the classes.
    """

    gap: float
    split: tuple[SplitClass, ...]
    merged: tuple[MergedClass, ...]


def find_gap(table: np.ndarray, training: np.ndarray | None = None) -> PurityGap | None:
    """Return why purity exceeds ACC, or None if it does so by `LEAST_GAP` at most.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class of the split that is scored.
    training : ndarray of shape (k, n_classes), int, or None
        The same of the training split, to use its maps; None uses the maps of `table`.

    Returns
    -------
    PurityGap or None

    Examples
    --------
    >>> find_gap(np.array([[0, 40], [30, 25], [0, 20]])).split
    (SplitClass(number=1, clusters=(0, 2)),)
    """
    reference = table if training is None else training
    maps = metrics.maps_of(reference)
    purity = metrics.mapped_share(table, maps.majority)
    gap = float(purity - metrics.mapped_share(table, maps.matched))
    if gap <= LEAST_GAP:
        return None
    return PurityGap(
        gap, _split_classes(reference, maps.majority), _merged_classes(reference, maps.majority)
    )


def gap_text(gap: PurityGap | None, class_names: Sequence[str]) -> str:
    """Return the reasons as a sentence.

    Parameters
    ----------
    gap : PurityGap or None
        What `find_gap` returned.
    class_names : sequence of str
        Name of each class.

    Returns
    -------
    str
        "" if there is nothing to explain.

    Examples
    --------
    >>> gap_text(PurityGap(0.25, (SplitClass(1, (0, 2)),), ()), ["cat", "dog"])
    'Purity is 0.250 above ACC: dog is split over clusters 0, 2.'
    """
    if gap is None:
        return ""
    parts = []
    for split in gap.split:
        clusters = ", ".join(map(str, split.clusters))
        parts.append(f"{class_names[split.number]} is split over clusters {clusters}")
    for merged in gap.merged:
        parts.append(
            f"{class_names[merged.number]} has no cluster of its own: most of it is in "
            f"cluster {merged.cluster} with {class_names[merged.cluster_class]}"
        )
    more = f"; {len(parts) - NAMED} more in scores.json" if len(parts) > NAMED else ""
    return f"Purity is {gap.gap:.3f} above ACC: {'; '.join(parts[:NAMED])}{more}."


def _split_classes(table: np.ndarray, majority: np.ndarray) -> tuple[SplitClass, ...]:
    """Return the classes with several clusters, that with most images beyond its best one first."""
    split = []
    outside = []
    for number in range(table.shape[1]):
        clusters = np.flatnonzero(majority == number)
        if len(clusters) > 1:
            split.append(SplitClass(number, tuple(clusters.tolist())))
            outside.append(np.sort(table[clusters, number])[:-1].sum())
    order = np.argsort(-np.array(outside, dtype=np.int64), kind="stable")
    return tuple(split[i] for i in order)


def _merged_classes(table: np.ndarray, majority: np.ndarray) -> tuple[MergedClass, ...]:
    """Return the classes that have images and no cluster."""
    merged = []
    for number in range(table.shape[1]):
        if not (majority == number).any() and table[:, number].any():
            cluster = int(table[:, number].argmax())
            merged.append(MergedClass(number, cluster, int(majority[cluster])))
    return tuple(merged)
