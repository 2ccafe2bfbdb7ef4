"""Measures of clusters of pictures: purity by their classes, and what reads no label."""

import itertools
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score, silhouette_score

from latentlab.features.neighbors import nearest_others
from latentlab.features.steps import unit

NEIGHBORS = 10


@dataclass(frozen=True)
class Measures:
    """Measures of one clustering.

    Attributes
    ----------
    purity : float
        Share of the pictures that are in the class of most of their cluster.
    silhouette : float
        In the encoder's own vectors of length 1, by the cosine; reads no label.
    neighbours : float
        How often nearest neighbours share a cluster, beyond chance (0) up to always (1); reads no
        label.
    """

    purity: float
    silhouette: float
    neighbours: float


def measures_of(clusters: np.ndarray, classes: np.ndarray, vectors: np.ndarray) -> Measures:
    """Return the measures of a clustering.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
    classes : ndarray of shape (n,), str
    vectors : ndarray of shape (n, d)
        The encoder's, before any other step.
    """
    scaled = unit(vectors.astype(np.float32))
    return Measures(
        purity(clusters, classes), _silhouette(scaled, clusters), _neighbours(scaled, clusters)
    )


def purity(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of pictures that are in the class of most of their cluster."""
    right = 0
    for cluster in np.unique(clusters):
        right += np.unique(classes[clusters == cluster], return_counts=True)[1].max()
    return right / len(clusters)


def agreement_between(clusterings: list[np.ndarray]) -> float:
    """Return the mean adjusted Rand index between every two clusterings; NaN of a single one."""
    pairs = [adjusted_rand_score(a, b) for a, b in itertools.combinations(clusterings, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def _silhouette(scaled: np.ndarray, clusters: np.ndarray) -> float:
    if not 1 < len(np.unique(clusters)) < len(clusters):
        return float("nan")
    return float(silhouette_score(scaled, clusters, metric="cosine"))


def _neighbours(scaled: np.ndarray, clusters: np.ndarray) -> float:
    shares = np.unique(clusters, return_counts=True)[1] / len(clusters)
    by_chance = float((shares**2).sum())
    neighbors = nearest_others(scaled, NEIGHBORS)
    together = float((clusters[neighbors] == clusters[:, None]).mean())
    return (together - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")
