"""Where a deep method starts from: clusters that need no training, k-means' or N2D's."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from latentlab import features, plugins
from latentlab.clustering import Assigned, Centers, Clusterer, Vectors
from latentlab.config import ClusterOptions
from latentlab.encoders import Model
from latentlab.features import Features
from latentlab.refinement import Start


class First(Protocol):
    """The starting clusters."""

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign features (n, d) of the untrained start."""


@dataclass(frozen=True)
class _Manifold:
    """N2D's clusters: UMAP coordinates of the features, and the mixture in them."""

    mapping: Features
    mixture: Clusterer

    def assign(self, vectors: np.ndarray) -> Assigned:
        return self.mixture.assign(self.mapping.transform(vectors))


def start_from(matrix: np.ndarray, model: Model, fitted: Features, options: ClusterOptions, by: str) -> tuple[Start, First]:
    """Return what the method starts from, and the starting clusters.

    Parameters
    ----------
    matrix : ndarray of shape (n, d), float32
        Features of the training images' codes, by `fitted`.
    by : {"kmeans", "n2d"}
        See `LoopOptions.start`.

    Raises
    ------
    DataError
        If there are fewer images than clusters.
    """
    first: First = _manifold(matrix, options) if by == "n2d" else _kmeans(matrix, options)
    assigned = first.assign(matrix)
    centers = first.centers if isinstance(first, Centers) else _means(matrix, assigned.cluster, options.k)
    spread = float(np.square(matrix - centers[assigned.cluster]).sum(axis=1).mean())
    return Start(model, fitted, centers, spread, options.seed, assigned.soft), first


def _kmeans(matrix: np.ndarray, options: ClusterOptions) -> Centers:
    plain = dataclasses.replace(options, method="kmeans")
    return plugins.load("clustering", "kmeans").fit(_as_vectors(matrix), plain)


def _manifold(matrix: np.ndarray, options: ClusterOptions) -> _Manifold:
    n2d = plugins.load("clustering", "n2d")
    mapping = features.fit(n2d.FEATURES.format(k=options.k), [matrix], (matrix.shape[1],), options.seed)
    return _Manifold(mapping, n2d.fit(_as_vectors(mapping.transform(matrix)), options))


def _means(matrix: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the mean vector of each cluster, float32 (k, d)."""
    means = [matrix[labels == c].mean(axis=0) if (labels == c).any() else matrix[c] for c in range(k)]
    return np.stack(means).astype(np.float32)


def _as_vectors(matrix: np.ndarray) -> Vectors:
    return Vectors(len(matrix), matrix.shape[1], lambda: iter([matrix]))
