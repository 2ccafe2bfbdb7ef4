"""Scores of clusters against held-out labels, as pure functions of contingency tables.

A contingency table counts images by cluster (rows) and class (columns). Functions that take
`tables` take one table of shape (k, n_classes) or a stack of shape (..., k, n_classes), and return
one value per table.

=================== ==============================================================================
purity              share of images in the majority class of their cluster; it grows with k, so it
                    is shown next to its chance
acc                 share under the best one-to-one match of clusters and classes
nmi                 normalised mutual information, arithmetic mean
ari                 adjusted Rand index
homogeneity         how far each cluster holds one class only
completeness        how far each class lies in one cluster only
balanced_purity     mean over the classes of their recall: rare classes count like common ones
purity_train_map    purity where clusters keep the classes that the training split gave them
acc_train_map       the same for acc
=================== ==============================================================================

References
----------
H. W. Kuhn, The Hungarian method for the assignment problem, 1955 (acc).
L. Hubert and P. Arabie, Comparing partitions, 1985 (ari).
A. Rosenberg and J. Hirschberg, V-measure, 2007 (homogeneity, completeness).
K. H. Brodersen et al., The balanced accuracy and its posterior distribution, 2010.
W. M. Patefield, Algorithm AS 159, 1981 (random tables, for the chance).
"""

from typing import NamedTuple

import numpy as np

METRICS = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness", "balanced_purity")
TRAIN_MAP = ("purity_train_map", "acc_train_map")
RANDOM_TABLES = 200  # from which the chance is estimated


class Maps(NamedTuple):
    """The class that each cluster stands for; -1 where it stands for none.

    Attributes
    ----------
    majority : ndarray of shape (k,), int
        The most frequent class of each cluster, for the purity. Clusters may share a class.
    matched : ndarray of shape (k,), int
        The class of each cluster in the best one-to-one match, for ACC.
    """

    majority: np.ndarray
    matched: np.ndarray


class MetricValue(NamedTuple):
    """One score and its chance.

    Attributes
    ----------
    metric : str
        A name from `METRICS` or `TRAIN_MAP`.
    value : float
    chance : float or None
        Mean score of random assignments; None where it is 0 by definition, or was not simulated.
    """

    metric: str
    value: float
    chance: float | None


def contingency(clusters: np.ndarray, classes: np.ndarray, k: int, n_classes: int) -> np.ndarray:
    """Count images by cluster and class.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
        Cluster of each image, from 0 to k - 1.
    classes : ndarray of shape (n,), int
        Class of each image, from 0 to n_classes - 1.
    k : int
        Number of clusters.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (k, n_classes), int64

    Examples
    --------
    >>> contingency(np.array([0, 0, 1, 1]), np.array([0, 2, 2, 2]), k=2, n_classes=3)
    array([[1, 0, 1],
           [0, 0, 2]])
    """
    cells = clusters.astype(np.int64) * n_classes + classes
    return np.bincount(cells, minlength=k * n_classes).reshape(k, n_classes)


def maps_of(table: np.ndarray) -> Maps:
    """Return the class that each cluster stands for.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class; k may differ from n_classes.

    Returns
    -------
    Maps

    Examples
    --------
    >>> maps_of(np.array([[9, 1], [8, 0], [0, 5]]))
    Maps(majority=array([0, 0, 1]), matched=array([ 0, -1,  1]))
    """
    from scipy.optimize import linear_sum_assignment

    matched = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched[rows] = columns
    majority = np.where(table.any(axis=1), table.argmax(axis=1), -1)
    return Maps(majority, matched)


def purity(tables: np.ndarray) -> np.ndarray:
    """Return the share of images that belong to the majority class of their cluster.

    The purity is sum_i max_j t_ij / n, where t_ij counts the images of cluster i and class j.

    Parameters
    ----------
    tables : ndarray of shape (..., k, n_classes), int
        Images by cluster and class.

    Returns
    -------
    ndarray of shape (...), float
        In [0, 1].

    Examples
    --------
    >>> float(purity(np.array([[8, 2], [1, 9]])))
    0.85
    """
    return tables.max(axis=-1).sum(axis=-1) / tables.sum(axis=(-2, -1))


def accuracy(tables: np.ndarray) -> np.ndarray:
    """Return the clustering accuracy (ACC): the share of images under the best one-to-one match.

    The match is found by the Hungarian method (Kuhn 1955). With more clusters than classes, or
    more classes than clusters, the rest stays without a partner and counts as wrong.

    Parameters
    ----------
    tables : ndarray of shape (..., k, n_classes), int
        Images by cluster and class.

    Returns
    -------
    ndarray of shape (...), float
        In [0, 1], at most the purity.

    Examples
    --------
    >>> float(accuracy(np.array([[5, 0], [3, 0], [0, 2]])))
    0.7
    """
    from scipy.optimize import linear_sum_assignment

    stack = tables.reshape(-1, *tables.shape[-2:])
    best = [table[linear_sum_assignment(table, maximize=True)].sum() for table in stack]
    return np.reshape(best, tables.shape[:-2]) / tables.sum(axis=(-2, -1))


def mapped_share(tables: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Return the share of images that belong to the class which a fixed map gives their cluster.

    With a map of the training split this scores held-out images without fitting a map to them.

    Parameters
    ----------
    tables : ndarray of shape (..., k, n_classes)
        Images by cluster and class, or their shares.
    class_of : ndarray of shape (k,), int
        Class of each cluster; images of a cluster with -1 count as wrong.

    Returns
    -------
    ndarray of shape (...), float
        In [0, 1].

    Examples
    --------
    >>> float(mapped_share(np.array([[2, 8], [5, 5]]), np.array([1, -1])))
    0.4
    """
    clusters = np.flatnonzero(class_of >= 0)
    hits = tables[..., clusters, class_of[clusters]].sum(axis=-1)
    return hits / tables.sum(axis=(-2, -1))


def nmi(tables: np.ndarray) -> np.ndarray:
    """Return the normalised mutual information of clusters and classes.

    It is 2 I(clusters; classes) / (H(clusters) + H(classes)): the arithmetic mean normalises.

    Parameters
    ----------
    tables : ndarray of shape (..., k, n_classes), int
        Images by cluster and class.

    Returns
    -------
    ndarray of shape (...), float
        In [0, 1]; 1 for a single cluster of a single class.

    Examples
    --------
    >>> nmi(np.array([[[5, 0], [0, 5]], [[4, 4], [4, 4]]]))
    array([1., 0.])
    """
    cluster_entropy = _entropy(tables.sum(axis=-1), -1)
    class_entropy = _entropy(tables.sum(axis=-2), -1)
    total = cluster_entropy + class_entropy
    mutual = total - _entropy(tables, (-2, -1))
    ratio = np.clip(2 * mutual / np.maximum(total, 1e-300), 0, 1)
    return np.where(total > 0, ratio, 1.0)


def ari(tables: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index (Hubert and Arabie 1985): agreement on pairs beyond chance.

    It is (S - E) / ((A + B) / 2 - E). S counts the pairs of images in the same cell of the table,
    A those in the same cluster, B those in the same class, and E = A B / (n over 2).

    Parameters
    ----------
    tables : ndarray of shape (..., k, n_classes), int
        Images by cluster and class.

    Returns
    -------
    ndarray of shape (...), float
        At most 1, about 0 for random assignments; 1 for a single cluster of a single class.

    Examples
    --------
    >>> float(ari(np.array([[5, 0], [0, 5]])))
    1.0
    """
    together = _pairs(tables).sum(axis=(-2, -1))
    in_clusters = _pairs(tables.sum(axis=-1)).sum(axis=-1)
    in_classes = _pairs(tables.sum(axis=-2)).sum(axis=-1)
    expected = in_clusters * in_classes / np.maximum(_pairs(tables.sum(axis=(-2, -1))), 1)
    span = (in_clusters + in_classes) / 2 - expected
    return np.where(span > 0, (together - expected) / np.where(span > 0, span, 1), 1.0)


def recalls(table: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Return the recall of each class: the share of its images in clusters that stand for it.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class.
    class_of : ndarray of shape (k,), int
        Class of each cluster, -1 for none.

    Returns
    -------
    ndarray of shape (n_classes,), float
        In [0, 1]; NaN for a class without images.

    Examples
    --------
    >>> recalls(np.array([[6, 1], [2, 3]]), np.array([0, 1]))
    array([0.75, 0.75])
    """
    in_class_of_cluster = class_of[:, None] == np.arange(table.shape[1])
    hits = np.where(in_class_of_cluster, table, 0).sum(axis=0)
    sizes = table.sum(axis=0)
    return np.where(sizes > 0, hits / np.maximum(sizes, 1), np.nan)


def chance(
    table: np.ndarray,
    training: np.ndarray | None = None,
    repeats: int = RANDOM_TABLES,
    seed: int = 0,
) -> dict[str, float]:
    """Return the mean scores of random assignments with these cluster sizes and this class mix.

    Each score is averaged over random tables that have the row and column sums of `table`. With a
    training split, random assignments there make the maps, and each map is scored by the expected
    share of held-out images in the class of their random cluster. ARI is 0 by definition.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class of the split that is scored.
    training : ndarray of shape (k, n_classes), int, or None
        The same of the training split, if another split is scored.
    repeats : int
        Number of random tables.
    seed : int
        Seed of the random tables.

    Returns
    -------
    dict of str to float
        purity, acc, nmi and balanced_purity; with `training` also the names in `TRAIN_MAP`.

    Examples
    --------
    >>> by_chance = chance(np.array([[20, 20], [30, 30]]))
    >>> 0.5 < by_chance["purity"] < 0.6
    True
    """
    # Random assignments of the split itself.
    tables = _random_tables(table, repeats, seed)
    balanced = [np.nanmean(recalls(drawn, maps_of(drawn).majority)) for drawn in tables]
    values = {
        "purity": float(purity(tables).mean()),
        "acc": float(accuracy(tables).mean()),
        "nmi": float(nmi(tables).mean()),
        "balanced_purity": float(np.mean(balanced)),
    }
    if training is None:
        return values

    # Random maps of the training split, and independent clusters and classes here.
    cluster_shares = table.sum(axis=1) / table.sum()
    class_shares = table.sum(axis=0) / table.sum()
    shares = np.outer(cluster_shares, class_shares)
    maps = [maps_of(drawn) for drawn in _random_tables(training, repeats, seed + 1)]
    by_majority = [mapped_share(shares, random.majority) for random in maps]
    by_match = [mapped_share(shares, random.matched) for random in maps]
    values["balanced_purity"] = 1 / np.count_nonzero(class_shares)
    values["purity_train_map"] = float(np.mean(by_majority))
    values["acc_train_map"] = float(np.mean(by_match))
    return values


def score(table: np.ndarray, training: np.ndarray | None = None) -> list[MetricValue]:
    """Return every metric of one split, each with its chance.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class of the split that is scored.
    training : ndarray of shape (k, n_classes), int, or None
        The same of the training split, if another split is scored. Its maps then give the metrics
        in `TRAIN_MAP` and the balanced purity.

    Returns
    -------
    list of MetricValue

    Examples
    --------
    >>> values = {row.metric: row.value for row in score(np.array([[8, 2], [1, 9]]))}
    >>> values["purity"], values["acc"]
    (0.85, 0.85)
    """
    values = _values(table, maps_of(table if training is None else training))
    if training is None:
        del values["purity_train_map"], values["acc_train_map"]
    by_chance = chance(table, training)
    return [MetricValue(name, float(value), by_chance.get(name)) for name, value in values.items()]


def _values(table: np.ndarray, maps: Maps) -> dict[str, np.ndarray]:
    """Return metric -> value; four of them come from scikit-learn."""
    from sklearn import metrics as sk

    # scikit-learn wants a cluster and a class per image, so the counts are spelled out.
    indices = np.indices(table.shape)
    clusters = np.repeat(indices[0].ravel(), table.ravel())
    classes = np.repeat(indices[1].ravel(), table.ravel())
    return {
        "purity": purity(table),
        "acc": accuracy(table),
        "nmi": sk.normalized_mutual_info_score(classes, clusters),
        "ari": sk.adjusted_rand_score(classes, clusters),
        "homogeneity": sk.homogeneity_score(classes, clusters),
        "completeness": sk.completeness_score(classes, clusters),
        "balanced_purity": np.nanmean(recalls(table, maps.majority)),
        "purity_train_map": mapped_share(table, maps.majority),
        "acc_train_map": mapped_share(table, maps.matched),
    }


def _random_tables(table: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """Return random tables with the row and column sums of `table`, (repeats, k, n_classes)."""
    from scipy.stats import random_table

    # Empty rows and columns stay empty, and the generator refuses them.
    rows = np.flatnonzero(table.sum(axis=1))
    columns = np.flatnonzero(table.sum(axis=0))
    occupied = table[np.ix_(rows, columns)]
    drawn = np.zeros((repeats, *table.shape), np.int64)
    if 1 in occupied.shape:  # the sums allow this one table only
        drawn[:, rows[:, None], columns] = occupied
    else:
        generator = random_table(occupied.sum(axis=1), occupied.sum(axis=0), seed=seed)
        drawn[:, rows[:, None], columns] = generator.rvs(repeats)
    return drawn


def _entropy(counts: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    from scipy.special import entr

    return entr(counts / np.maximum(counts.sum(axis=axis, keepdims=True), 1)).sum(axis=axis)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2
