"""Where a deep method starts from: the means of clusters that need no training, k-means' or N2D's."""

import dataclasses

import numpy as np

from latentlab import features, plugins
from latentlab.clustering import Centers, Vectors
from latentlab.config import ClusterOptions
from latentlab.encoders import Model
from latentlab.features import Features
from latentlab.refinement import Start


def start_from(matrix: np.ndarray, model: Model, fitted: Features, options: ClusterOptions, by: str) -> tuple[Start, Centers]:
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
    centers = _manifold_means(matrix, options) if by == "n2d" else _kmeans(matrix, options)
    spread = float(np.square(centers.assign(matrix).distance).mean())
    return Start(model, fitted, centers.centers, spread, options.seed), centers


def _kmeans(matrix: np.ndarray, options: ClusterOptions) -> Centers:
    plain = dataclasses.replace(options, method="kmeans")
    return plugins.load("clustering", "kmeans").fit(_as_vectors(matrix), plain)


def _manifold_means(matrix: np.ndarray, options: ClusterOptions) -> Centers:
    """Return the means, in the space of the features (n, d), of the clusters that N2D finds there."""
    n2d = plugins.load("clustering", "n2d")
    mapped = features.fit(n2d.FEATURES.format(k=options.k), [matrix], (matrix.shape[1],), options.seed).transform(matrix)
    labels = n2d.fit(_as_vectors(mapped), options).assign(mapped).cluster
    means = [matrix[labels == c].mean(axis=0) if (labels == c).any() else matrix[c] for c in range(options.k)]
    return Centers(np.stack(means).astype(np.float32))


def _as_vectors(matrix: np.ndarray) -> Vectors:
    return Vectors(len(matrix), matrix.shape[1], lambda: iter([matrix]))
