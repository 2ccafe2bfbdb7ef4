"""Scores of an assignment against held-out labels: pure functions on contingency tables, counts of images by cluster and class.

purity          share of images whose cluster's majority class is theirs; grows with k, so it stands beside its chance
acc             best one-to-one match of clusters and classes (Hungarian method, Kuhn 1955); at most the purity
nmi             normalised mutual information, arithmetic mean
ari             adjusted Rand index (Hubert and Arabie 1985)
homogeneity, completeness       Rosenberg and Hirschberg 2007
purity_train_map, acc_train_map     purity and ACC where each cluster keeps the class that the training split gave it
balanced_purity     the mean of the classes' recalls under the majority map, in which a rare class counts like a common one
                    (the balanced accuracy of that map, Brodersen and others 2010)

Functions that take "tables" take one table (k, n_classes) or a stack of them (..., k, n_classes), and give one value a table.
"""

from typing import Any, NamedTuple

import numpy as np

METRICS = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness", "balanced_purity")
TRAIN_MAP = ("purity_train_map", "acc_train_map")


class Maps(NamedTuple):
    """The class that each cluster stands for, int (k,); -1 where it stands for none.

    Attributes
    ----------
    majority : ndarray of shape (k,), int
        The commonest class of each cluster; several clusters may share one. For the purity.
    matched : ndarray of shape (k,), int
        The class of each cluster in the best one-to-one match. For ACC.
    """

    majority: np.ndarray
    matched: np.ndarray


def contingency(clusters: np.ndarray, classes: np.ndarray, k: int, n_classes: int) -> np.ndarray:
    """Return the counts, int64 (k, n_classes): images of each cluster by class.

    Parameters
    ----------
    clusters, classes : ndarray of shape (n,), int
        Cluster in 0..k-1 and class in 0..n_classes-1 of each image.
    """
    return np.bincount(
        clusters.astype(np.int64) * n_classes + classes, minlength=k * n_classes
    ).reshape(k, n_classes)


def maps_of(table: np.ndarray) -> Maps:
    """Return what each cluster of a table stands for; k may differ from the number of classes."""
    from scipy.optimize import linear_sum_assignment

    matched = np.full(len(table), -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched[rows] = columns
    return Maps(np.where(table.any(axis=1), table.argmax(axis=1), -1), matched)


def purity(tables: np.ndarray) -> np.ndarray:
    """Return the purity of tables, in [0, 1]."""
    return tables.max(axis=-1).sum(axis=-1) / tables.sum(axis=(-2, -1))


def accuracy(tables: np.ndarray) -> np.ndarray:
    """Return the share of the best one-to-one match of tables, in [0, 1]; k may differ from n_classes."""
    from scipy.optimize import linear_sum_assignment

    stack = tables.reshape(-1, *tables.shape[-2:])
    best = [table[linear_sum_assignment(table, maximize=True)].sum() for table in stack]
    return np.reshape(best, tables.shape[:-2]) / tables.sum(axis=(-2, -1))


def mapped_share(tables: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Return the share of images whose class is the one that `class_of` (k,) gives to their cluster, in [0, 1]."""
    known = np.flatnonzero(class_of >= 0)
    return tables[..., known, class_of[known]].sum(axis=-1) / tables.sum(axis=(-2, -1))


def nmi(tables: np.ndarray) -> np.ndarray:
    """Return the normalised mutual information of tables, in [0, 1]; 1 where there is one cluster and one class."""
    of_clusters, of_classes = _entropy(tables.sum(axis=-1), -1), _entropy(tables.sum(axis=-2), -1)
    mutual = of_clusters + of_classes - _entropy(tables, (-2, -1))
    return np.where(
        of_clusters + of_classes > 0,
        np.clip(2 * mutual / np.maximum(of_clusters + of_classes, 1e-300), 0, 1),
        1.0,
    )


def ari(tables: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index of tables, at most 1; 1 where there is one cluster and one class."""
    together = _pairs(tables).sum(axis=(-2, -1))
    in_clusters, in_classes = (
        _pairs(tables.sum(axis=-1)).sum(axis=-1),
        _pairs(tables.sum(axis=-2)).sum(axis=-1),
    )
    expected = in_clusters * in_classes / np.maximum(_pairs(tables.sum(axis=(-2, -1))), 1)
    span = (in_clusters + in_classes) / 2 - expected
    return np.where(span > 0, (together - expected) / np.where(span > 0, span, 1), 1.0)


def recalls(table: np.ndarray, class_of: np.ndarray) -> np.ndarray:
    """Return the share of each class's images in the clusters that `class_of` (k,) gives to it, (n_classes,); NaN where it has none."""
    found = np.where(class_of[:, None] == np.arange(table.shape[1]), table, 0).sum(axis=0)
    sizes = table.sum(axis=0)
    return np.where(sizes > 0, found / np.maximum(sizes, 1), np.nan)


def chance(
    table: np.ndarray, training: np.ndarray | None = None, repeats: int = 200, seed: int = 0
) -> dict[str, float]:
    """Return what random assignments reach with these cluster sizes and this class mix: purity, acc, nmi, balanced_purity.

    The mean over `repeats` tables drawn at random among those with the same row and column sums. The adjusted Rand index
    has 0 by construction. With the table of the training split, (k, n_classes), there are also the scores under the maps
    of random assignments there: each is the expected share of `table`'s images in the class of their random cluster.
    """
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
    sizes, mix = table.sum(axis=1) / table.sum(), table.sum(axis=0) / table.sum()
    shares = np.outer(sizes, mix)
    maps = [maps_of(drawn) for drawn in _random_tables(training, repeats, seed + 1)]
    values["balanced_purity"] = 1 / np.count_nonzero(mix)
    values["purity_train_map"] = float(
        np.mean([mapped_share(shares, one.majority) for one in maps])
    )
    values["acc_train_map"] = float(np.mean([mapped_share(shares, one.matched) for one in maps]))
    return values


def score(table: np.ndarray, training: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Return every metric of a table (k, n_classes) as {"metric", "value", "chance"}.

    Chance is None for ARI, where it is 0 by construction, and where it was not simulated. With the table of the training
    split there are also "purity_train_map" and "acc_train_map", and the balanced purity uses that split's majority map.
    """
    from sklearn import metrics as sk

    by_chance = chance(table, training)
    maps = maps_of(table if training is None else training)
    clusters, classes = (
        np.repeat(numbers.ravel(), table.ravel()) for numbers in np.indices(table.shape)
    )
    values = {
        "purity": purity(table),
        "acc": accuracy(table),
        "nmi": sk.normalized_mutual_info_score(classes, clusters),
        "ari": sk.adjusted_rand_score(classes, clusters),
        "homogeneity": sk.homogeneity_score(classes, clusters),
        "completeness": sk.completeness_score(classes, clusters),
        "balanced_purity": np.nanmean(recalls(table, maps.majority)),
    }
    if training is not None:
        values |= {
            "purity_train_map": mapped_share(table, maps.majority),
            "acc_train_map": mapped_share(table, maps.matched),
        }
    return [
        {"metric": name, "value": float(value), "chance": by_chance.get(name)}
        for name, value in values.items()
    ]


def _random_tables(table: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """Return tables with the row and column sums of `table`, int64 (repeats, k, n_classes), at random (Patefield 1981)."""
    from scipy.stats import random_table

    rows, columns = np.flatnonzero(table.sum(axis=1)), np.flatnonzero(table.sum(axis=0))
    drawn = np.zeros((repeats, *table.shape), np.int64)
    kept = table[np.ix_(rows, columns)]
    if 1 in kept.shape:
        drawn[:, rows[:, None], columns] = kept
    else:
        drawn[:, rows[:, None], columns] = random_table(
            kept.sum(axis=1), kept.sum(axis=0), seed=seed
        ).rvs(repeats)
    return drawn


def _entropy(counts: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    from scipy.special import entr

    return entr(counts / np.maximum(counts.sum(axis=axis, keepdims=True), 1)).sum(axis=axis)


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2
