"""Mean vector of each cluster: of a matrix in memory, or of parts that are read one by one."""

import numpy as np


def cluster_means(vectors: np.ndarray, labels: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return the mean vector of each cluster, float32 (k, d).

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    labels : ndarray of shape (n,), int
        Cluster of each vector.
    empty : ndarray of shape (k, d)
        Row c stands for cluster c if it has no member.

    Examples
    --------
    >>> cluster_means(np.array([[1.0], [3.0]]), np.array([0, 0]), np.zeros((2, 1))).tolist()
    [[2.0], [0.0]]
    """
    means = []
    for cluster, replacement in enumerate(empty):
        members = labels == cluster
        means.append(vectors[members].mean(axis=0) if members.any() else replacement)
    return np.stack(means).astype(np.float32)


class RunningMeans:
    """Mean vector of each cluster of vectors that arrive in parts.

    Parameters
    ----------
    k : int
        Number of clusters.
    n_dims : int
        Numbers in a vector.

    Examples
    --------
    >>> means = RunningMeans(2, 1)
    >>> means.add(np.array([[1.0], [3.0]]), np.array([0, 0]))
    >>> means.result().tolist()
    [[2.0], [0.0]]
    """

    def __init__(self, k: int, n_dims: int) -> None:
        self._sums = np.zeros((k, n_dims))
        self._counts = np.zeros(k)

    def add(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        """Add one part.

        Parameters
        ----------
        vectors : ndarray of shape (m, d)
        labels : ndarray of shape (m,), int
            Cluster of each vector.
        """
        np.add.at(self._sums, labels, vectors)
        np.add.at(self._counts, labels, 1)

    def result(self) -> np.ndarray:
        """Return the means, float64 (k, d); zeros for a cluster without members."""
        return self._sums / np.maximum(self._counts, 1)[:, None]
