"""Is a clustering still sound? Empty and collapsed clusters, and how they are filled again; no label takes part."""

import numpy as np

from latentlab import backend

SMALLEST = 0.1  # of an even share; a cluster below is called collapsed


def collapsed(sizes: np.ndarray) -> np.ndarray:
    """Return the numbers of the clusters with less than a tenth of an even share, for sizes (k,)."""
    return np.flatnonzero(sizes < SMALLEST * sizes.sum() / len(sizes))


def effective_clusters(sizes: np.ndarray) -> float:
    """Return the exponential of the entropy of the shares: k where all are equal, 1 where one holds everything."""
    shares = sizes[sizes > 0] / sizes.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def reseed(
    centers: np.ndarray, z: np.ndarray, labels: np.ndarray, dead: np.ndarray, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Split the most spread clusters in two and give each dead cluster one of the halves.

    Parameters
    ----------
    centers : ndarray of shape (k, d)
    z, labels : ndarray of shape (n, d) and (n,)
        The training images' vectors and clusters.
    dead : ndarray of int
        Clusters to fill.

    Returns
    -------
    ndarray of shape (k, d), list of int
        New centers, and the cluster that was split for each dead one.
    """
    from sklearn.cluster import KMeans

    centers, labels, donors = centers.copy(), labels.copy(), []
    for cluster in dead:
        spread = np.array(
            [
                np.square(z[labels == c] - centers[c]).sum() if (labels == c).sum() > 1 else 0.0
                for c in range(len(centers))
            ]
        )
        spread[dead] = 0.0
        donor = int(spread.argmax())
        members = np.flatnonzero(labels == donor)
        if len(members) < 2:
            continue
        with backend.ordered_sums():
            halves = KMeans(2, n_init=3, random_state=seed).fit(z[members])
        centers[donor], centers[cluster] = halves.cluster_centers_
        labels[members[halves.labels_ == 1]] = cluster
        donors.append(donor)
    return centers.astype(np.float32), donors
