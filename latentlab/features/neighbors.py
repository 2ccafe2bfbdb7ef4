"""Exact nearest neighbours by scikit-learn, for features, clusters and audits."""

import numpy as np

from latentlab import backend
from latentlab.progress import announce_import

MOST_EXACT = 100_000  # vectors that are all compared with each other

COSINE_BLOCK = 1024  # rows of products at once


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


def nearest_by_cosine(unit: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest other vectors of each vector, by the cosine.

    All products are computed, in blocks of rows: exact, and quadratic in n.

    Parameters
    ----------
    unit : ndarray of shape (n, d), float32
        Vectors of length 1.
    count : int
        Neighbours of each vector, at most n - 1.

    Returns
    -------
    ndarray of shape (n, count), int
        Rows of `unit`, the nearest first; never the vector itself.

    Examples
    --------
    >>> nearest_by_cosine(np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), 1).tolist()
    [[1], [0], [1]]
    """
    parts = []
    for start in range(0, len(unit), COSINE_BLOCK):
        similarity = unit[start : start + COSINE_BLOCK] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf  # a vector is not its own neighbour
        nearest_first = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(similarity, nearest_first, axis=1), axis=1)
        parts.append(np.take_along_axis(nearest_first, order, axis=1))
    return np.concatenate(parts)


def nearest_others(vectors: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest other vectors of each vector of a set.

    Exact up to 100,000 vectors; above, by PyNNDescent's approximate search.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    count : int
        Neighbours of each vector; all n - 1 others if there are fewer.

    Returns
    -------
    ndarray of shape (n, count), int32
        Rows of `vectors`, the nearest first.

    Examples
    --------
    >>> nearest_others(np.array([[0.0], [1.0], [5.0]]), 1).tolist()
    [[1], [0], [1]]
    """
    count = min(count, len(vectors) - 1)
    if len(vectors) > MOST_EXACT:
        return _approximate_others(vectors, count)
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(vectors)
    return search.kneighbors(return_distance=False).astype(np.int32)


def _approximate_others(vectors: np.ndarray, count: int) -> np.ndarray:
    announce_import("pynndescent")
    with backend.frameworks_hidden():
        from pynndescent import NNDescent

    # The first neighbour of each vector is the vector itself.
    search = NNDescent(vectors, n_neighbors=count + 1, random_state=0)
    return np.asarray(search.neighbor_graph[0][:, 1:], np.int32)
