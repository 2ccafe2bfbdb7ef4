"""Groups from feature vectors: one file a method, found by its name.

A method file defines

    fit(vectors: Vectors, options: ClusterOptions) -> Clusterer

and nothing else has to be touched. No argument can carry a label.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Vectors:
    """The training images' feature vectors, read in parts.

    Attributes
    ----------
    n_images, n_dims : int
        Shape of the whole matrix.
    parts : callable
        parts() yields float32 matrices of shape (m, n_dims) that make up the whole; it can be called again.
    """

    n_images: int
    n_dims: int
    parts: Callable[[], Iterator[np.ndarray]] = field(repr=False)

    def matrix(self) -> np.ndarray:
        """Return all vectors, float32 (n_images, n_dims), in memory."""
        return np.concatenate(list(self.parts()))


@dataclass(frozen=True)
class Clusterer:
    """Fitted centers; an image belongs to the nearest.

    Attributes
    ----------
    centers : ndarray of shape (k, d), float32
        In the order of the cluster numbers.
    facts : dict
        algorithm, inertia, n_iter and whatever else the method has to tell.
    """

    centers: np.ndarray
    facts: dict[str, Any]

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Return the Euclidean distances, float32 (n, k), of feature vectors (n, d) to all centers."""
        squared = np.square(vectors).sum(1)[:, None] - 2 * vectors @ self.centers.T + np.square(self.centers).sum(1)[None]
        return np.sqrt(np.maximum(squared, 0)).astype(np.float32)

    def assign(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Assign feature vectors of shape (n, d).

        Returns
        -------
        cluster : ndarray of shape (n,), int32
            Number of the nearest center.
        distance : ndarray of shape (n,), float32
            Euclidean distance to it.
        margin : ndarray of shape (n,), float32
            Distance to the second nearest center minus `distance`; small is ambiguous. Infinite where k is 1.
        """
        distances = self.distances(vectors)
        cluster = distances.argmin(axis=1).astype(np.int32)
        if len(self.centers) == 1:
            return cluster, distances[:, 0], np.full(len(vectors), np.inf, np.float32)
        nearest, second = np.partition(distances, 1, axis=1)[:, :2].T
        return cluster, nearest, second - nearest


def canonical_order(labels: np.ndarray, k: int) -> np.ndarray:
    """Return the old number of each new cluster: the largest first, ties by their first member.

    So two runs that find the same groups number them alike.
    """
    sizes = np.bincount(labels, minlength=k)
    first = np.full(k, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    return np.lexsort((first, -sizes))
