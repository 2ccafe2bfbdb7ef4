"""Exact nearest neighbours by scikit-learn, for features, clusters and audits."""

import numpy as np


def nearest(
    reference: np.ndarray, vectors: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest reference vectors of each vector, by Euclidean distance.

    Parameters
    ----------
    reference : ndarray of shape (m, d)
        Vectors to search among.
    vectors : ndarray of shape (n, d)
        Vectors to search for.
    count : int
        Neighbours of each vector; all m of them if m is smaller.

    Returns
    -------
    distances : ndarray of shape (n, count)
        Euclidean distances, the nearest first.
    positions : ndarray of shape (n, count), int
        Rows of `reference`.

    Examples
    --------
    >>> distances, positions = nearest(np.array([[0.0], [5.0]]), np.array([[4.0]]), 2)
    >>> positions.tolist(), distances.tolist()
    ([[1, 0]], [[1.0, 4.0]])
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(count, len(reference))).fit(reference)
    return search.kneighbors(vectors)
