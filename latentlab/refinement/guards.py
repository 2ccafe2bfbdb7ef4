"""Detect and refill collapsed clusters during refinement, without labels."""

import numpy as np

from latentlab import backend

SMALLEST_SHARE = 0.1  # of an even share; a smaller cluster counts as collapsed


def collapsed(sizes: np.ndarray) -> np.ndarray:
    """Find the clusters with less than a tenth of an even share of the images.

    Parameters
    ----------
    sizes : ndarray of shape (k,), int
        Number of images in each cluster.

    Returns
    -------
    ndarray of int
        Numbers of the collapsed clusters, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> collapsed(np.array([60, 38, 2]))
    array([2])
    """
    return np.flatnonzero(sizes < SMALLEST_SHARE * sizes.sum() / len(sizes))


def reseed(
    centers: np.ndarray, z: np.ndarray, labels: np.ndarray, dead: np.ndarray, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Refill collapsed clusters: split the most spread clusters and hand over one half each.

    Parameters
    ----------
    centers : ndarray of shape (k, d), float
        Present cluster centers.
    z : ndarray of shape (n, d), float32
        Vectors of the training images.
    labels : ndarray of shape (n,), int
        Cluster of each training image.
    dead : ndarray of int
        Numbers of the collapsed clusters.
    seed : int
        Seed of the k-means runs that split a cluster in two.

    Returns
    -------
    centers : ndarray of shape (k, d), float32
        Centers after the splits.
    donors : list of int
        The cluster that was split, for each refilled cluster.
    """
    from sklearn.cluster import KMeans

    centers = centers.copy()
    labels = labels.copy()
    donors = []
    for cluster in dead:
        # Split the cluster with the largest sum of squared distances.
        donor = _most_spread(centers, z, labels, dead)
        members = np.flatnonzero(labels == donor)
        if len(members) < 2:
            continue
        with backend.ordered_sums():
            halves = KMeans(2, n_init=3, random_state=seed).fit(z[members])

        # The donor keeps the first half; the collapsed cluster takes the second.
        centers[donor], centers[cluster] = halves.cluster_centers_
        labels[members[halves.labels_ == 1]] = cluster
        donors.append(donor)
    return centers.astype(np.float32), donors


def _most_spread(centers: np.ndarray, z: np.ndarray, labels: np.ndarray, dead: np.ndarray) -> int:
    """Return the living cluster of at least two images with the largest inertia."""
    k = len(centers)
    squared = np.square(z - centers[labels]).sum(axis=1)
    inertia = np.bincount(labels, weights=squared, minlength=k)
    inertia[np.bincount(labels, minlength=k) < 2] = 0.0
    inertia[dead] = 0.0
    return int(inertia.argmax())
