"""Which labels of a clustering to trust, by confidence and neighbours, and how sure it is at all.

The filter is that of RUC (Park et al., CVPR 2021) and SPICE (Niu et al., TIP 2022): an image is
trusted if its assignment is confident and most of its neighbours have the same label.
"""

import numpy as np

LEAST_SHARE = 0.05  # of a cluster's images, trusted in any case: no cluster goes without
SHARPEST = 1000.0  # largest factor on the logits that is tried
BISECTIONS = 40
SMALLEST_PROBABILITY = 1e-12


def agreement_with_neighbors(labels: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """Return the share of each image's neighbours that have its label.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Cluster of each image.
    neighbors : ndarray of shape (n, m), int
        Positions of each image's neighbours.

    Returns
    -------
    ndarray of shape (n,), float32

    Examples
    --------
    >>> agreement_with_neighbors(np.array([0, 0, 1]), np.array([[1, 2], [0, 2], [0, 1]])).tolist()
    [0.5, 0.5, 0.0]
    """
    return (labels[neighbors] == labels[:, None]).mean(axis=1, dtype=np.float32)


def trusted_images(
    q: np.ndarray, neighbors: np.ndarray, least_confidence: float, least_agreement: float
) -> np.ndarray:
    """Return which images have a label to trust.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Probabilities of the clusters.
    neighbors : ndarray of shape (n, m), int
        Positions of each image's neighbours.
    least_confidence : float
        Smallest probability of the image's cluster.
    least_agreement : float
        Smallest share of neighbours with the image's label.

    Returns
    -------
    ndarray of shape (n,), bool
        In a cluster where fewer than a twentieth of the images pass, the twentieth with most
        agreement is trusted.
    """
    labels, confidence = q.argmax(axis=1), q.max(axis=1)
    agreement = agreement_with_neighbors(labels, neighbors)
    trusted = (confidence >= least_confidence) & (agreement >= least_agreement)
    for cluster in range(q.shape[1]):
        members = np.flatnonzero(labels == cluster)
        fewest = int(np.ceil(LEAST_SHARE * len(members)))
        if trusted[members].sum() < fewest:
            order = np.lexsort((-confidence[members], -agreement[members]))
            trusted[members[order[:fewest]]] = True
    return trusted


def fitting_sharpness(q: np.ndarray, confidence: float) -> float:
    """Return the factor on the logits that brings the mean confidence to a value.

    Parameters
    ----------
    q : ndarray of shape (n, k)
        Probabilities of the clusters.
    confidence : float
        Mean of the largest probabilities that is asked for.

    Returns
    -------
    float
        Between 0 and 1,000; the bound where the value is out of reach.

    Examples
    --------
    >>> q = np.array([[0.6, 0.4], [0.4, 0.6]])
    >>> round(fitting_sharpness(q, 0.6), 3)
    1.0
    """
    logits = np.log(np.maximum(q.astype(np.float64), SMALLEST_PROBABILITY))
    logits -= logits.max(axis=1, keepdims=True)
    low, high = 0.0, SHARPEST
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        mean = (1 / np.exp(middle * logits).sum(axis=1)).mean()
        low, high = (middle, high) if mean < confidence else (low, middle)
    return high
