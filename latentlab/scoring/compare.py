"""Clusterings of the same images compared: matched clusters, moved images, score differences.

Clusters are matched by the largest overlap in images (Hungarian method). The bootstrap of a score
difference is paired: it draws images together with their clusters in both and their class, so that
images which are easy or hard for both do not blur the difference. Purity and ACC of held-out images
keep the training maps of each clustering.

Reasons: docs/decisions/0052-paired-differences.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.errors import DataError
from latentlab.scoring import intervals, metrics
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import NamedCluster
from latentlab.storage.json_form import json_field, to_json

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("purity", "acc", "nmi", "ari")
LARGEST_FLOWS = 10


class Candidate(NamedTuple):
    """One clustering, before it is cut to the images that all clusterings have.

    Attributes
    ----------
    name : str
        As tables name it.
    assignments : Assignments
        Ids, splits and clusters of its images.
    k : int
        Number of clusters, with empty ones.
    edits : str
        Whether its clusters are as computed or with edits by hand.
    clusters : tuple of NamedCluster, or None
        The clusters that are shown, with their names; None for all, without names.
    """

    name: str
    assignments: Assignments
    k: int
    edits: str = ""
    clusters: tuple[NamedCluster, ...] | None = None


class Side(NamedTuple):
    """One clustering of the images that all sides have, in one order.

    Attributes
    ----------
    name : str
        As tables name it.
    clusters : ndarray of shape (n,), int
        Cluster of each image.
    k : int
        Number of clusters, with empty ones.
    shown : tuple of int, or None
        The clusters that can be matched; None for all.
    """

    name: str
    clusters: np.ndarray
    k: int
    shown: tuple[int, ...] | None = None

    @property
    def matchable(self) -> list[int]:
        """The numbers of the clusters that can be matched."""
        return list(range(self.k)) if self.shown is None else list(self.shown)


class CommonImages(NamedTuple):
    """The images that all clusterings have, and their clusters in each.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Sorted.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image.
    sides : list of Side
        The clusterings, in their order.
    """

    ids: np.ndarray
    splits: np.ndarray
    sides: list[Side]


@dataclass(frozen=True)
class Flow:
    """Images that lie in one cluster of the first side and another of the second.

    Attributes
    ----------
    source : int
        Cluster of the first side.
    target : int
        Cluster of the second side.
    images : int
        Their number.
    """

    source: int = json_field(key="from")
    target: int = json_field(key="to")
    images: int = json_field()


@dataclass(frozen=True)
class Difference:
    """The difference of one score between two sides.

    Attributes
    ----------
    metric, split : str
        As in `latentlab.scoring.scores.ScoreRow`.
    first, value : float
        Scores of the first and the second side.
    difference : float
        `value` minus `first`.
    low, high : float
        Ends of the paired 95% interval of the difference.
    """

    metric: str
    split: str
    first: float
    value: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether the difference is larger than the choice of images explains."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "no clear difference"


@dataclass(frozen=True)
class SideComparison:
    """One clustering compared with the first.

    Attributes
    ----------
    name : str
        As tables name it.
    overlap : tuple of tuples of int
        Images by cluster of the first (row) and of this side (column).
    partner : tuple of int or None
        The first side's cluster that each of its clusters is matched with.
    moved : float
        Share of images outside matched clusters.
    flows : tuple of Flow
        The largest groups of moved images.
    scores : tuple of Difference, or None
        Score differences; None without labels.
    """

    name: str
    overlap: tuple[tuple[int, ...], ...]
    partner: tuple[int | None, ...]
    moved: float
    flows: tuple[Flow, ...]
    scores: tuple[Difference, ...] | None = json_field(optional=True)


@dataclass(frozen=True)
class ComparedClusters:
    """The clusters of one side as they were compared.

    Attributes
    ----------
    name : str
        The side, as tables name it.
    edits : str
        "as computed", or "with 3 edits by hand".
    clusters : tuple of NamedCluster
        Every cluster that is shown.
    further : int
        Images in these clusters that are not compared, since not all others have them in a cluster.
    """

    name: str
    edits: str
    clusters: tuple[NamedCluster, ...]
    further: int = json_field(default=0)


@dataclass(frozen=True)
class Comparison:
    """What comparison.json holds.

    Attributes
    ----------
    first : str
        Name of the first clustering.
    images : int
        Number of images that all clusterings have.
    others : tuple of SideComparison
        The other clusterings, each compared with the first.
    pretraining : mapping of str to str, or None
        Labels used in the pretraining of each clustering's encoder: a data set's name, "none" or
        "unknown"; None in comparisons of older versions.
    sides : tuple of ComparedClusters
        The first clustering and the others; empty in comparisons of older versions.
    """

    first: str
    images: int
    others: tuple[SideComparison, ...]
    pretraining: Mapping[str, str] | None = json_field(optional=True)
    sides: tuple[ComparedClusters, ...] = json_field(optional=True, default=())

    def cluster_name(self, side: str, number: int) -> str:
        """Return number and name of a cluster, such as "3 cats"; the number alone without a name.

        Parameters
        ----------
        side : str
            Name of the side.
        number : int
            Number of its cluster.
        """
        for compared in self.sides:
            for cluster in compared.clusters if compared.name == side else ():
                if cluster.number == number and cluster.name != f"cluster {number}":
                    return f"{number} {cluster.name}"
        return str(number)


def common_images(candidates: Sequence[Candidate]) -> CommonImages:
    """Cut clusterings to the images that all of them have in a cluster.

    Parameters
    ----------
    candidates : sequence of Candidate
        Two clusterings or more.

    Returns
    -------
    CommonImages

    Raises
    ------
    DataError
        If they share no image, or an image was fitted on by one and held out by another.
    """
    # The images that all have.
    shared = set.intersection(*(set(item.assignments.ids.tolist()) for item in candidates))
    ids = np.array(sorted(shared))
    if not len(ids):
        names = " and ".join(item.name for item in candidates)
        raise DataError(f"{names} share no image. Compare runs on the same data.")

    # Their clusters and splits, in the order of the ids.
    sides = []
    splits = []
    for item in candidates:
        assignments = item.assignments
        order = np.argsort(assignments.ids)
        places = order[np.searchsorted(assignments.ids, ids, sorter=order)]
        shown = None
        if item.clusters is not None:
            shown = tuple(cluster.number for cluster in item.clusters)
        sides.append(Side(item.name, assignments.clusters[places], item.k, shown))
        splits.append(assignments.splits[places])
    if any((split != splits[0]).any() for split in splits):
        raise DataError(
            "the runs split the images differently, so that some were fitted on what others hold "
            "out. Fit them with one `held_out`."
        )
    return CommonImages(ids, splits[0], sides)


def overlap_of(first: Side, second: Side) -> SideComparison:
    """Match the clusters of two sides and return what moved.

    Parameters
    ----------
    first : Side
        The reference.
    second : Side
        The clustering that is compared with it.

    Returns
    -------
    SideComparison
        Without scores.

    Examples
    --------
    >>> first = Side("a", np.array([0, 0, 1, 1]), 2)
    >>> overlap_of(first, Side("b", np.array([1, 1, 0, 1]), 2)).moved
    0.25
    """
    table = metrics.contingency(first.clusters, second.clusters, first.k, second.k)
    rows, columns = np.array(first.matchable), np.array(second.matchable)
    matched = metrics.maps_of(table[np.ix_(rows, columns)].T).matched
    partner = np.full(second.k, -1)
    partner[columns] = np.where(matched < 0, -1, rows[matched])
    stayed = metrics.mapped_share(table.T, partner)
    return SideComparison(
        name=second.name,
        overlap=tuple(tuple(row) for row in table.tolist()),
        partner=tuple(None if cluster < 0 else int(cluster) for cluster in partner),
        moved=float(1 - stayed),
        flows=_largest_flows(table, partner),
    )


def score_differences(
    first: Side,
    second: Side,
    classes: np.ndarray,
    splits: np.ndarray,
    n_classes: int,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Return the score differences, second minus first, with paired bootstrap intervals.

    Held-out images are scored if any of them has a label, else training images.

    Parameters
    ----------
    first, second : Side
        Two clusterings of the same images.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image.
    n_classes : int
        Number of classes.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    tuple of Difference
        One for each of `SCORES`.
    """
    is_labelled = classes >= 0
    split = TEST if (is_labelled & (splits == TEST)).any() else TRAIN
    is_scored = is_labelled & (splits == split)
    training = is_labelled & (splits == TRAIN) if split == TEST else np.zeros(len(classes), bool)

    # A cell is a pair of clusters with a class. The bootstrap draws how many images each has.
    triples = np.stack([first.clusters[is_scored], second.clusters[is_scored], classes[is_scored]])
    cells, counts = np.unique(triples, axis=1, return_counts=True)
    rng = np.random.default_rng([seed, 12])
    total = counts.sum()
    drawn = rng.multinomial(total, counts / total, size=intervals.REPEATS)

    # Both sides are scored on the same draws.
    sampled = []
    for side, clusters in ((first, cells[0]), (second, cells[1])):
        shape = (side.k, n_classes)
        sampled.append(
            _Sample(
                maps=_training_maps(side, classes, training, n_classes),
                table=_tables(counts[None], clusters, cells[2], shape)[0],
                resampled=_tables(drawn, clusters, cells[2], shape),
            )
        )
    return tuple(_difference(name, split, sampled[0], sampled[1]) for name in SCORES)


def comparison_frame(comparison: Comparison) -> "pd.DataFrame":
    """Return a comparison as a pandas DataFrame, one row per clustering and score.

    Parameters
    ----------
    comparison : Comparison
        What `latentlab.pipeline.compare` returned.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    rows = []
    for side in comparison.others:
        facts = {
            "run": side.name,
            "against": comparison.first,
            "images moved": round(side.moved, 4),
        }
        for difference in side.scores or ():
            rows.append({**facts, **to_json(difference), "verdict": difference.verdict})
        if not side.scores:
            rows.append(facts)
    return pd.DataFrame(rows)


class _Sample(NamedTuple):
    """One side's training maps, its table, and its resampled tables."""

    maps: metrics.Maps | None
    table: np.ndarray
    resampled: np.ndarray


def _difference(name: str, split: str, first: _Sample, second: _Sample) -> Difference:
    values = []
    resampled = []
    for sample in (first, second):
        scorer = _scorer(name, sample.maps)
        values.append(float(scorer(sample.table)))
        resampled.append(scorer(sample.resampled))
    difference = values[1] - values[0]
    low, high = intervals.around(difference, resampled[1] - resampled[0], lowest=-1.0)
    return Difference(name, split, values[0], values[1], difference, low, high)


def _largest_flows(table: np.ndarray, partner: np.ndarray) -> tuple[Flow, ...]:
    """Return the largest cells outside matched clusters."""
    n_first, n_second = table.shape
    is_matched = partner[None, :] == np.arange(n_first)[:, None]
    moved = np.where(is_matched, 0, table)
    flows = []
    for cell in np.argsort(-moved, axis=None, kind="stable")[:LARGEST_FLOWS]:
        if moved.flat[cell]:
            source, target = divmod(int(cell), n_second)
            flows.append(Flow(source, target, int(moved.flat[cell])))
    return tuple(flows)


def _training_maps(
    side: Side, classes: np.ndarray, training: np.ndarray, n_classes: int
) -> metrics.Maps | None:
    """Return the classes that the training images give the clusters; None without such images."""
    if not training.any():
        return None
    table = metrics.contingency(side.clusters[training], classes[training], side.k, n_classes)
    return metrics.maps_of(table)


def _scorer(name: str, maps: metrics.Maps | None) -> Callable[[np.ndarray], np.ndarray]:
    if maps is None or name not in ("purity", "acc"):
        return intervals.SCORERS[name]
    class_of = maps.majority if name == "purity" else maps.matched
    return lambda tables: metrics.mapped_share(tables, class_of)


def _tables(
    counts: np.ndarray, clusters: np.ndarray, classes: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return tables, int64 (repeats, k, n_classes), of cells with one cluster and class each.

    `counts`, of shape (repeats, cells), has the images of each cell; `clusters` and `classes`, of
    shape (cells,), say where it belongs.
    """
    k, n_classes = shape
    tables = np.zeros((k * n_classes, len(counts)), np.int64)
    np.add.at(tables, clusters.astype(np.int64) * n_classes + classes, counts.T)
    return tables.T.reshape(len(counts), k, n_classes)
