"""Groups from feature vectors: one file a method, found by its name.

A method file defines

    fit(vectors: Vectors, options: ClusterOptions) -> Clusterer
    load(arrays) -> Clusterer           from what the clusterer's `to_arrays` gave
    FEATURES                            optional: the feature steps where --features is not given; {k} is replaced
    REQUIRED_STEP                       optional: the feature step without which it would be another method
    FINDS_K                             optional: true where the method finds the number of clusters and takes none
    NEEDS_PROTOTYPES                    optional: true where the method reads `Vectors.prototype_shares`

and nothing else has to be touched. No argument can carry a label.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

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
    prototype_shares : callable or None
        prototype_shares() gives, float32 (n_images, prototypes), how much of each prototype of the encoder's training an image is;
        None where the vectors are not of a run.
    """

    n_images: int
    n_dims: int
    parts: Callable[[], Iterator[np.ndarray]] = field(repr=False)
    prototype_shares: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, matrix: np.ndarray, prototype_shares: Callable[[], np.ndarray] | None = None
    ) -> "Vectors":
        """Return the rows of a matrix in memory, float32 (n_images, n_dims)."""
        return cls(len(matrix), matrix.shape[1], lambda: iter([matrix]), prototype_shares)

    def matrix(self) -> np.ndarray:
        """Return all vectors, float32 (n_images, n_dims), in memory."""
        return np.concatenate(list(self.parts()))


class Assigned(NamedTuple):
    """Where vectors belong.

    Attributes
    ----------
    cluster : ndarray of shape (n,), int32
        Number of the cluster.
    distance : ndarray of shape (n,), float32
        Euclidean distance to its center.
    margin : ndarray of shape (n,), float32
        How clear the choice is; small is ambiguous. Of centers: distance to the second nearest minus `distance`, infinite
        where k is 1. Of probabilities: the largest minus the second largest.
    soft : ndarray of shape (n, k), float32, or None
        Probability of each cluster, where the method has one; rows sum to 1.
    noise : ndarray of shape (n,), bool, or None
        Images that the method would rather leave out, where it says so.
    """

    cluster: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    soft: np.ndarray | None = None
    noise: np.ndarray | None = None


class Clusterer(Protocol):
    """Fitted clusters."""

    @property
    def centers(self) -> np.ndarray:
        """Their centers, float32 (k, d), in the order of the cluster numbers."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the method has to tell: algorithm, inertia, n_iter and more."""

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors of shape (n, d)."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as named arrays, for an .npz file."""


@dataclass(frozen=True)
class Centers:
    """Clusters that are their centers; an image belongs to the nearest."""

    centers: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors of shape (n, d) to the nearest centers."""
        distances = distances_to(self.centers, vectors)
        cluster = distances.argmin(axis=1).astype(np.int32)
        if len(self.centers) == 1:
            return Assigned(cluster, distances[:, 0], np.full(len(vectors), np.inf, np.float32))
        nearest, second = np.partition(distances, 1, axis=1)[:, :2].T
        return Assigned(cluster, nearest, second - nearest)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the centers by name."""
        return {"centers": self.centers}


def distances_to(centers: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances, float32 (n, k), of vectors (n, d) to centers (k, d)."""
    squared = (
        np.square(vectors).sum(1)[:, None]
        - 2 * vectors @ centers.T
        + np.square(centers).sum(1)[None]
    )
    return np.sqrt(np.maximum(squared, 0)).astype(np.float32)


def cluster_means(vectors: np.ndarray, labels: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return the mean vector of each cluster, float32 (k, d), of vectors (n, d) with labels (n,); row c of `empty`, (k, d), where c has none."""
    means = [
        vectors[labels == c].mean(axis=0) if (labels == c).any() else empty[c]
        for c in range(len(empty))
    ]
    return np.stack(means).astype(np.float32)


def assigned_softly(soft: np.ndarray, distances: np.ndarray) -> Assigned:
    """Return the most probable clusters of probabilities (n, k), with the distances (n, k) to the centers."""
    cluster = soft.argmax(axis=1).astype(np.int32)
    top = (
        np.partition(soft, -2, axis=1)[:, -2:]
        if soft.shape[1] > 1
        else np.pad(soft, ((0, 0), (1, 0)))
    )
    return Assigned(
        cluster,
        distances[np.arange(len(cluster)), cluster],
        top[:, 1] - top[:, 0],
        soft.astype(np.float32),
    )


def canonical_order(labels: np.ndarray, k: int) -> np.ndarray:
    """Return the old number of each new cluster: the largest first, ties by their first member.

    So two runs that find the same groups number them alike.
    """
    sizes = np.bincount(labels, minlength=k)
    first = np.full(k, len(labels))
    np.minimum.at(first, labels, np.arange(len(labels)))
    return np.lexsort((first, -sizes))
