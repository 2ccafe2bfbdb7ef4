"""Labels that are probably wrong: neighbours and cluster agree on another class.

Every labelled image is compared with its nearest images by features, as edited nearest neighbours
do (Wilson 1972). The image itself and its duplicates are left out. A label is suspected if

- another class has at least `LEAST` of the neighbours, and the label itself at most `MOST`;
- the cluster of the image stands for that class too, and clusters never saw a label.

The suspicion is the first share minus the second. How often it is right depends on how well the
features separate the classes: `scripts/audit_record.py` measures that with planted errors.
"""

from typing import NamedTuple

import numpy as np

NEIGHBORS = 20
LEAST = 0.6
MOST = 0.2


class Suspects(NamedTuple):
    """Suspected labels, the most suspected first; arrays of shape (m,).

    Attributes
    ----------
    image : ndarray, int
        Position of the image.
    label : ndarray, int
        Its class.
    suggested : ndarray, int
        The class of its neighbours and its cluster.
    suspicion : ndarray, float
        In (0, 1].
    """

    image: np.ndarray
    label: np.ndarray
    suggested: np.ndarray
    suspicion: np.ndarray


def find(
    neighbors: np.ndarray,
    classes: np.ndarray,
    cluster_class: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
) -> Suspects:
    """Return the labels that are probably wrong.

    Parameters
    ----------
    neighbors : ndarray of shape (n, m), int
        Positions of the nearest images of each image, without itself.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    cluster_class : ndarray of shape (n,), int
        The class that the image's cluster stands for, -1 for none.
    groups : ndarray of shape (n,), int
        Group of duplicates of each image, -1 for images without duplicates.
    n_classes : int
        Number of classes.

    Returns
    -------
    Suspects

    Examples
    --------
    >>> neighbors = np.array([[1, 2], [2, 3], [1, 3], [1, 2]])
    >>> classes, alone = np.array([0, 1, 1, 1]), np.full(4, -1)
    >>> find(neighbors, classes, np.ones(4, int), alone, n_classes=2).image
    array([0])
    """
    shares = class_shares(neighbors, classes, groups, n_classes)
    rows = np.arange(len(classes))
    label_share = np.where(classes >= 0, shares[rows, classes], 1.0)
    suggested = shares.argmax(axis=1)
    suggested_share = shares[rows, suggested]

    # Neighbours speak for another class, and so does the cluster.
    is_suspect = (classes >= 0) & (suggested != classes) & (cluster_class == suggested)
    is_suspect &= (suggested_share >= LEAST) & (label_share <= MOST)

    # The most suspected come first.
    suspicion = suggested_share - label_share
    suspects = np.flatnonzero(is_suspect)
    order = suspects[np.argsort(-suspicion[suspects], kind="stable")]
    return Suspects(order, classes[order], suggested[order], suspicion[order])


def class_shares(
    neighbors: np.ndarray, classes: np.ndarray, groups: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return the share of each class among the labelled neighbours of every image.

    Duplicates of the image do not count, since they would vouch for it.

    Parameters
    ----------
    neighbors : ndarray of shape (n, m), int
        Positions of the nearest images of each image, without itself.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.
    groups : ndarray of shape (n,), int
        Group of duplicates of each image, -1 for images without duplicates.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (n, n_classes), float
        Rows sum to 1, or to 0 for an image without such neighbours.

    Examples
    --------
    >>> neighbors = np.array([[1, 2], [0, 2], [0, 1]])
    >>> class_shares(neighbors, np.array([0, 1, 1]), np.full(3, -1), n_classes=2)
    array([[0. , 1. ],
           [0.5, 0.5],
           [0.5, 0.5]])
    """
    neighbor_classes = classes[neighbors]
    is_duplicate = (groups[neighbors] == groups[:, None]) & (groups[:, None] >= 0)
    counted = (neighbor_classes >= 0) & ~is_duplicate
    cells = np.arange(len(neighbors))[:, None] * n_classes + np.maximum(neighbor_classes, 0)
    counts = np.bincount(cells[counted], minlength=len(neighbors) * n_classes)
    counts = counts.reshape(-1, n_classes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def conflicts(first: np.ndarray, second: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which pairs of duplicates carry different labels.

    Parameters
    ----------
    first, second : ndarray of shape (m,), int
        Positions of the images of each pair.
    classes : ndarray of shape (n,), int
        Class of each image, -1 without a label.

    Returns
    -------
    ndarray of shape (m,), bool

    Examples
    --------
    >>> conflicts(np.array([0, 0]), np.array([1, 2]), np.array([3, 3, 4]))
    array([False,  True])
    """
    both = (classes[first] >= 0) & (classes[second] >= 0)
    return both & (classes[first] != classes[second])
