"""Labels that are probably wrong: the image lies among others of another class, and its cluster stands for that class too.

For every labelled image, the shares of the classes among its `NEIGHBORS` nearest images by their features are looked at,
as edited nearest neighbours do (Wilson 1972), itself and its duplicates left out. Its label is suspected where

- another class has at least `LEAST` of the neighbours, the label itself at most `MOST`, and
- that class is the one that the image's cluster stands for on the training split: clusters never saw a label.

The suspicion is the first share less the second. How often it is right depends on how well the features separate
classes: `scripts/audit_record.py` measures that with planted errors. Part of the judge: it reads labels.
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
    label, suggested : ndarray, int
        Its class, and the one that its neighbours and its cluster have.
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
    """Return the suspected labels.

    Parameters
    ----------
    neighbors : ndarray of shape (n, m), int
        Positions of each image's nearest ones, itself not among them.
    classes : ndarray of shape (n,), int
        -1 where an image has no label.
    cluster_class : ndarray of shape (n,), int
        The class that the image's cluster stands for, -1 where it stands for none.
    groups : ndarray of shape (n,), int
        Group of duplicates of each image, -1 where it has none.
    """
    shares = class_shares(neighbors, classes, groups, n_classes)
    rows = np.arange(len(classes))
    own = np.where(classes >= 0, shares[rows, classes], 1.0)
    suggested = shares.argmax(axis=1)
    top = shares[rows, suggested]
    suspected = np.flatnonzero(
        (classes >= 0)
        & (suggested != classes)
        & (top >= LEAST)
        & (own <= MOST)
        & (cluster_class == suggested)
    )
    order = suspected[np.argsort(-(top - own)[suspected], kind="stable")]
    return Suspects(order, classes[order], suggested[order], (top - own)[order])


def class_shares(
    neighbors: np.ndarray, classes: np.ndarray, groups: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return the share of each class among every image's labelled neighbours, (n, n_classes); duplicates of the image do not count."""
    theirs = classes[neighbors]
    same = (groups[neighbors] == groups[:, None]) & (groups[:, None] >= 0)
    counted = (theirs >= 0) & ~same
    flat = np.arange(len(neighbors))[:, None] * n_classes + np.maximum(theirs, 0)
    counts = np.bincount(flat[counted], minlength=len(neighbors) * n_classes).reshape(-1, n_classes)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def conflicts(first: np.ndarray, second: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which pairs of duplicates carry different labels, bool (m,)."""
    return (classes[first] >= 0) & (classes[second] >= 0) & (classes[first] != classes[second])
