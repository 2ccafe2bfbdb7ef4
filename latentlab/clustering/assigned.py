"""Where feature vectors belong: cluster, distance and margin of each."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class Assigned:
    """The clusters of n vectors.

    Attributes
    ----------
    cluster : ndarray of shape (n,), int32
        Number of the cluster.
    distance : ndarray of shape (n,), float32
        Euclidean distance to the cluster's center.
    margin : ndarray of shape (n,), float32 or float64
        How clear the choice is; small means ambiguous. With centers: the distance to the second
        nearest minus `distance`, infinite if k is 1. With probabilities: the largest minus the
        second largest.
    soft : ndarray of shape (n, k), float32, or None
        Probability of each cluster, if the method has one; rows sum to 1.
    noise : ndarray of shape (n,), bool, or None
        Images that the method would rather leave out, if it says so.
    """

    cluster: np.ndarray
    distance: np.ndarray
    margin: np.ndarray
    soft: np.ndarray | None = None
    noise: np.ndarray | None = None

    @classmethod
    def from_distances(cls, distances: np.ndarray) -> "Assigned":
        """Choose the nearest centers.

        Parameters
        ----------
        distances : ndarray of shape (n, k), float32
            Distance of each vector to each center.

        Examples
        --------
        >>> assigned = Assigned.from_distances(np.array([[1.0, 3.0]], np.float32))
        >>> int(assigned.cluster[0]), float(assigned.margin[0])
        (0, 2.0)
        """
        cluster = distances.argmin(axis=1).astype(np.int32)
        if distances.shape[1] == 1:
            return cls(cluster, distances[:, 0], np.full(len(distances), np.inf, np.float32))
        nearest, second = np.partition(distances, 1, axis=1)[:, :2].T
        return cls(cluster, nearest, second - nearest)

    @classmethod
    def from_probabilities(cls, soft: np.ndarray, distances: np.ndarray) -> "Assigned":
        """Choose the most probable clusters.

        Parameters
        ----------
        soft : ndarray of shape (n, k)
            Probability of each cluster.
        distances : ndarray of shape (n, k), float32
            Distance of each vector to each center.
        """
        cluster = soft.argmax(axis=1).astype(np.int32)
        if soft.shape[1] > 1:
            top_two = np.partition(soft, -2, axis=1)[:, -2:]
        else:
            top_two = np.pad(soft, ((0, 0), (1, 0)))
        distance = distances[np.arange(len(cluster)), cluster]
        return cls(cluster, distance, top_two[:, 1] - top_two[:, 0], soft.astype(np.float32))


def grouped(assigned: Assigned, groups: np.ndarray) -> Assigned:
    """Return where vectors belong after some clusters were joined.

    Each vector follows its cluster, so that the clusters before lie within those after. The
    probability of a joined cluster is the sum of its parts'.

    Parameters
    ----------
    assigned : Assigned
        The clusters before.
    groups : ndarray of shape (k,), int
        New cluster of each cluster.

    Returns
    -------
    Assigned
        Distances stay those to the centers of the parts; so do margins without probabilities.

    Examples
    --------
    >>> soft = np.array([[0.4, 0.35, 0.25]], np.float32)
    >>> one = Assigned.from_probabilities(soft, np.ones((1, 3), np.float32))
    >>> joined = grouped(one, np.array([0, 1, 1]))
    >>> int(joined.cluster[0]), joined.soft.round(2).tolist(), float(joined.margin[0])
    (0, [[0.4000000059604645, 0.6000000238418579]], 0.0)
    """
    cluster = groups[assigned.cluster].astype(np.int32)
    if assigned.soft is None:
        return replace(assigned, cluster=cluster)
    soft = np.zeros((len(cluster), int(groups.max()) + 1), np.float32)
    np.add.at(soft.T, groups, assigned.soft.T)
    rows = np.arange(len(cluster))
    others = soft.copy()
    others[rows, cluster] = 0
    margin = np.maximum(soft[rows, cluster] - others.max(axis=1), 0)
    return replace(assigned, cluster=cluster, margin=margin, soft=soft)


def joined(parts: Sequence[Assigned]) -> Assigned:
    """Return the parts of an assignment as one; columns that the first lacks are left out.

    Parameters
    ----------
    parts : sequence of Assigned
        In the order of the vectors.
    """
    columns = {}
    for column in fields(Assigned):
        if getattr(parts[0], column.name) is not None:
            columns[column.name] = np.concatenate([getattr(part, column.name) for part in parts])
    return Assigned(**columns)


def distances_to(centers: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return Euclidean distances, float32 (n, k).

    Parameters
    ----------
    centers : ndarray of shape (k, d)
    vectors : ndarray of shape (n, d)

    Examples
    --------
    >>> distances_to(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).tolist()
    [[5.0]]
    """
    squared = (
        np.square(vectors).sum(1)[:, None]
        - 2 * vectors @ centers.T
        + np.square(centers).sum(1)[None]
    )
    return np.sqrt(np.maximum(squared, 0)).astype(np.float32)


def canonical_order(labels: np.ndarray, k: int) -> np.ndarray:
    """Return the old number of each new cluster: largest first, ties by their first member.

    Two runs that find the same groups then number them alike.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Cluster of each vector.
    k : int
        Number of clusters.

    Examples
    --------
    >>> canonical_order(np.array([1, 0, 0, 1, 1]), 2).tolist()
    [1, 0]
    """
    sizes = np.bincount(labels, minlength=k)
    first_member = np.full(k, len(labels))
    np.minimum.at(first_member, labels, np.arange(len(labels)))
    return np.lexsort((first_member, -sizes))
