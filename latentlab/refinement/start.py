"""Where a deep method starts from: clusters on a network that stays as it is, k-means', N2D's or a head's."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from latentlab import plugins
from latentlab.clustering.base import Assigned, Clusterer, Vectors, cluster_means, distances_to
from latentlab.clustering.heads import Head
from latentlab.config import ClusterOptions
from latentlab.encoders.networks import Model
from latentlab.features import feature_steps
from latentlab.features.feature_steps import Features
from latentlab.progress import log
from latentlab.refinement.base import LoopOptions, Start
from latentlab.refinement.guards import effective_clusters

SAMPLE = 20_000  # images that UMAP is fitted to; others follow their neighbours, and training refines them all
TRIES = 5


class StartingClusters(Protocol):
    """Clusters of features before any training."""

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign features, float32 (n, d)."""


@dataclass(frozen=True)
class _Manifold:
    """N2D's clusters: UMAP coordinates of the features, and the mixture in them."""

    mapping: Features
    mixture: Clusterer

    def assign(self, vectors: np.ndarray) -> Assigned:
        return self.mixture.assign(self.mapping.transform(vectors))


def start_from(
    vectors: Vectors, model: Model, fitted: Features, options: ClusterOptions, own: LoopOptions
) -> tuple[Start, StartingClusters]:
    """Return what the method starts from, and the starting clusters.

    Parameters
    ----------
    vectors : Vectors
        Features of the training images' codes, by `fitted`.
    own : LoopOptions
        Says by which method, and with how many neighbours.

    Raises
    ------
    DataError
        If there are fewer images than clusters.
    """
    first: Any
    matrix = vectors.matrix()
    if own.start == "n2d":
        first, assigned = _manifold(matrix, options, own.neighbors)
        centers = cluster_means(matrix, assigned.cluster, matrix[: options.k])
    else:
        first = _fit_own(own.start, vectors, options)
        assigned, centers = first.assign(matrix), first.centers
    spread = float(np.square(matrix - centers[assigned.cluster]).sum(axis=1).mean())
    squared = np.square(distances_to(centers, matrix))
    head = (first.kernel, first.bias) if isinstance(first, Head) else None
    return Start(model, fitted, centers, spread, squared, options.seed, assigned.soft, head), first


def _fit_own(method: str, vectors: Vectors, options: ClusterOptions) -> Any:
    """Return the clusters of a method of latentlab/clustering, with its own settings."""
    return plugins.load("clustering", method).fit(
        vectors, dataclasses.replace(options, method=method, settings={})
    )


def _manifold(
    matrix: np.ndarray, options: ClusterOptions, neighbors: int
) -> tuple[_Manifold, Assigned]:
    """Return the most even of several N2D clusterings, and where it assigns the features `matrix`, (n, d).

    A mixture in UMAP's coordinates now and then spends a Gaussian on a small dense island and merges two groups for it. The
    likelihood rewards that, but the sizes show it; how the islands lie changes with UMAP's seed.
    """
    tries = [_manifold_once(matrix, options, neighbors, number) for number in range(TRIES)]
    assigned = [one.assign(matrix) for one in tries]
    best = most_even([one.cluster for one in assigned], options.k)
    return tries[best], assigned[best]


def most_even(clusterings: list[np.ndarray], k: int) -> int:
    """Return the position of the clustering, each of shape (n,), whose k clusters are nearest to equal sizes."""
    evenness = [effective_clusters(np.bincount(labels, minlength=k)) for labels in clusterings]
    log.info(
        "effective clusters of %d N2D starts: %s",
        len(evenness),
        ", ".join(f"{value:.2f}" for value in evenness),
    )
    return int(np.argmax(evenness))


def _manifold_once(
    matrix: np.ndarray, options: ClusterOptions, neighbors: int, number: int
) -> _Manifold:
    rng = np.random.default_rng([options.seed, 8, number])
    sample = matrix[np.sort(rng.permutation(len(matrix))[:SAMPLE])]
    n2d, seed = plugins.load("clustering", "n2d"), int(rng.integers(2**31))
    mapping = feature_steps.fit(
        n2d.FEATURES.format(k=options.k), [sample], (matrix.shape[1],), seed, neighbors
    )
    return _Manifold(
        mapping,
        n2d.fit(Vectors.of(mapping.transform(sample)), dataclasses.replace(options, seed=seed)),
    )
