"""Scores of an assignment against held-out labels: pure functions on two label vectors.

purity          share of images whose cluster's majority class is theirs; grows with k, so it stands beside its chance
acc             best one-to-one match of clusters and classes (Hungarian method, Kuhn 1955); at most the purity
nmi             normalised mutual information, arithmetic mean
ari             adjusted Rand index (Hubert and Arabie 1985)
homogeneity, completeness       Rosenberg and Hirschberg 2007
"""

from typing import Any

import numpy as np

METRICS = ("purity", "acc", "nmi", "ari", "homogeneity", "completeness")


def contingency(clusters: np.ndarray, classes: np.ndarray, k: int, n_classes: int) -> np.ndarray:
    """Return the counts, int64 (k, n_classes): images of each cluster by class.

    Parameters
    ----------
    clusters, classes : ndarray of shape (n,), int
        Cluster in 0..k-1 and class in 0..n_classes-1 of each image.
    """
    return np.bincount(clusters.astype(np.int64) * n_classes + classes, minlength=k * n_classes).reshape(k, n_classes)


def purity(table: np.ndarray) -> float:
    """Return the purity of a contingency table (k, n_classes), in [0, 1]."""
    return float(table.max(axis=1).sum() / table.sum())


def accuracy(table: np.ndarray) -> float:
    """Return the best one-to-one match of a contingency table (k, n_classes), in [0, 1]; k may differ from n_classes."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def mapped_purity(table: np.ndarray, majority: np.ndarray) -> float:
    """Return the share of images whose class is the one that `majority` (k,) gives to their cluster, in [0, 1]."""
    return float(table[np.arange(len(table)), majority].sum() / table.sum())


def chance(table: np.ndarray, repeats: int = 200, seed: int = 0) -> dict[str, float]:
    """Return the purity and ACC that random assignments reach with these cluster sizes and this class mix.

    The mean over `repeats` tables drawn at random among those with the same row and column sums.
    """
    from scipy.stats import random_table

    kept = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if 1 in kept.shape:
        return {"purity": purity(kept), "acc": accuracy(kept)}
    tables = random_table(kept.sum(axis=1), kept.sum(axis=0), seed=seed).rvs(repeats).astype(np.int64)
    return {"purity": float(np.mean([purity(t) for t in tables])), "acc": float(np.mean([accuracy(t) for t in tables]))}


def score(clusters: np.ndarray, classes: np.ndarray, k: int, n_classes: int, majority: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Return every metric as {"metric", "value", "chance"}; chance is None where 0 is the chance level by construction.

    With `majority` (the majority class of each cluster on the training split) there is also "purity_train_map".
    """
    from sklearn import metrics as sk

    table = contingency(clusters, classes, k, n_classes)
    by_chance = chance(table)
    values = {
        "purity": purity(table),
        "acc": accuracy(table),
        "nmi": float(sk.normalized_mutual_info_score(classes, clusters)),
        "ari": float(sk.adjusted_rand_score(classes, clusters)),
        "homogeneity": float(sk.homogeneity_score(classes, clusters)),
        "completeness": float(sk.completeness_score(classes, clusters)),
    }
    if majority is not None:
        values["purity_train_map"] = mapped_purity(table, majority)
    return [{"metric": name, "value": value, "chance": by_chance.get(name)} for name, value in values.items()]
