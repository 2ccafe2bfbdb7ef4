"""Scores as classes: the contents of scores.json and of by-k/<features>.json.

Rows have the form of results.json under reports/. `purity` and `acc` are matched on the split that
they score, as papers do. `purity_train_map` and `acc_train_map` use the classes that the training
split gave the clusters. The split "all" is every image with a label, matched on all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from latentlab.data.images import TEST, TRAIN
from latentlab.scoring.purity_gap import PurityGap
from latentlab.storage import json_form
from latentlab.storage.clustering import SCORES_NAME, Clustering
from latentlab.storage.json_form import json_field

ALL = "all"  # the split of scores over all images
TRAIN_MAP_OF = {"purity": "purity_train_map", "acc": "acc_train_map"}


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One score of one method on one split.

    Attributes
    ----------
    k : int or None
        Number of clusters, in a table over several k; None elsewhere.
    dataset : str
        Name of the data.
    method : str
        Encoder, feature steps and clustering, joined by "+".
    split : str
        "train", "test" or "all".
    metric : str
        A name from `latentlab.scoring.metrics`.
    value : float
    chance : float or None
        Mean score of random assignments with the same sizes.
    low, high : float or None
        Ends of the 95% interval; None for metrics without one.
    n : int
        Number of labelled images in the split.
    """

    k: int | None = json_field(optional=True)
    dataset: str = ""
    method: str
    split: str
    metric: str
    value: float
    chance: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True)
class SeedSpread:
    """How one score spreads over the seeds that a clustering is the consensus of.

    Attributes
    ----------
    split, metric : str
        As in `ScoreRow`.
    mean, std, min, max : float
        Over the seeds; `std` is the sample standard deviation.
    seeds : int
        Number of seeds.
    """

    split: str
    metric: str
    mean: float
    std: float | None
    min: float
    max: float
    seeds: int


@dataclass(frozen=True)
class MethodScores:
    """The scores of one method on one split.

    Attributes
    ----------
    method, split : str
        As in `ScoreRow`.
    rows : mapping of str to ScoreRow
        The rows by metric, as they stand in scores.json.
    """

    method: str
    split: str
    rows: Mapping[str, ScoreRow]

    @property
    def purity_matched_on_split(self) -> ScoreRow:
        """Purity with the majority classes of this split itself."""
        return self.rows["purity"]

    @property
    def purity_by_train_map(self) -> ScoreRow | None:
        """Purity with the majority classes of the training split; None without one."""
        return self.rows.get("purity_train_map")

    @property
    def acc_matched_on_split(self) -> ScoreRow:
        """ACC with the match of this split itself."""
        return self.rows["acc"]

    @property
    def acc_by_train_map(self) -> ScoreRow | None:
        """ACC with the match of the training split; None without one."""
        return self.rows.get("acc_train_map")

    def has(self, metric: str) -> bool:
        """Return whether there is such a score; older runs have fewer.

        Parameters
        ----------
        metric : str
            Name of the metric.
        """
        return metric in self.rows

    def headline(self, metric: str) -> ScoreRow:
        """Return the score that tables show: purity and ACC by the training map if there is one.

        Parameters
        ----------
        metric : str
            Name of the metric, such as "purity" or "nmi".

        Returns
        -------
        ScoreRow
        """
        by_train_map = self.rows.get(TRAIN_MAP_OF.get(metric, ""))
        return self.rows[metric] if by_train_map is None else by_train_map


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What scores.json holds: a clustering and its baselines against held-out labels.

    Runs of older versions lack some keys; those fields are then empty.

    Attributes
    ----------
    class_names : tuple of str
        Name of each class.
    k : int
        Number of clusters.
    contingency : mapping of str to tuple of tuples of int
        Images by cluster (row) and class (column), by split.
    majority_class, matched_class : tuple of int
        The class that each cluster stands for, see `latentlab.scoring.metrics.Maps`.
    gap : mapping of str to PurityGap or None
        Why purity and ACC differ, by split.
    recall : mapping of str to tuple of float or None
        Recall of each class by split; None for a class without images.
    unlabelled : int
        Number of images without a label.
    rows : tuple of ScoreRow
        Every score of every method; the clustering itself comes first, then the baselines.
    over_seeds : tuple of SeedSpread, or None
        Spread over the seeds of a consensus clustering; None for others.
    pretraining : str or None
        Labels used in the pretraining of the run's encoder: a data set's name, "none" or "unknown".
    labels : str or None
        Where the labels were read and what to know of them; None where a source always has them.
    """

    class_names: tuple[str, ...] = ()
    k: int
    contingency: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    majority_class: tuple[int, ...] = ()
    matched_class: tuple[int, ...] = ()
    gap: Mapping[str, PurityGap | None] = field(default_factory=dict)
    recall: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    unlabelled: int = 0
    rows: tuple[ScoreRow, ...]
    over_seeds: tuple[SeedSpread, ...] | None = json_field(optional=True)
    pretraining: str | None = json_field(optional=True)
    labels: str | None = json_field(optional=True)

    @property
    def split(self) -> str:
        """The split to report: held-out images if there are any."""
        return main_split(self.rows)

    def by_method(self, split: str) -> dict[str, MethodScores]:
        """Return the scores of one split by method, the clustering itself first.

        Parameters
        ----------
        split : str
            "train", "test" or "all".

        Returns
        -------
        dict of str to MethodScores
        """
        return group_rows(self.rows, split)


@dataclass(frozen=True)
class KScores:
    """Scores of k-means for several numbers of clusters: by-k/<features>.json.

    Attributes
    ----------
    class_names : tuple of str
        Name of each class.
    rows : tuple of ScoreRow
        Every score of every k; each row has its `k`.
    """

    class_names: tuple[str, ...]
    rows: tuple[ScoreRow, ...]

    @property
    def split(self) -> str:
        """The split to report: held-out images if there are any."""
        return main_split(self.rows)


def group_rows(rows: Sequence[ScoreRow], split: str) -> dict[str, MethodScores]:
    """Return the scores of one split by method, in the order of the rows.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Rows of several methods and splits.
    split : str
        "train" or "test".

    Returns
    -------
    dict of str to MethodScores

    Examples
    --------
    >>> row = ScoreRow(method="kmeans", split="test", metric="nmi", value=0.5)
    >>> group_rows([row], "test")["kmeans"].headline("nmi").value
    0.5
    """
    by_method: dict[str, dict[str, ScoreRow]] = {}
    for row in rows:
        if row.split == split:
            by_method.setdefault(row.method, {})[row.metric] = row
    return {
        method: MethodScores(method, split, by_metric) for method, by_metric in by_method.items()
    }


def main_split(rows: Sequence[ScoreRow]) -> str:
    """Return the split to report: "test" if there are held-out images with labels, else "train".

    Parameters
    ----------
    rows : sequence of ScoreRow
        Rows of several splits.

    Returns
    -------
    str

    Examples
    --------
    >>> main_split([ScoreRow(method="kmeans", split="train", metric="nmi", value=0.5)])
    'train'
    """
    return TEST if any(row.split == TEST for row in rows) else TRAIN


def read_scores(clustering: Clustering) -> Scores:
    """Return the scores of a clustering that has been evaluated.

    Parameters
    ----------
    clustering : Clustering
        The clustering, such as `run.clustering("kmeans-k10")`.

    Returns
    -------
    Scores

    Raises
    ------
    RunError
        If there are none, or the file is damaged.
    """
    return json_form.read(Scores, clustering.folder / SCORES_NAME)
