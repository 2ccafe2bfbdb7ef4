"""Has the embedding collapsed? Its effective number of dimensions."""

import math

import numpy as np

from latentlab.features.fitted import unit
from latentlab.nets.entropy import effective_number

SMALLEST_VARIANCE = 1e-6  # of vectors of length 1; below, they are all the same


def effective_rank(vectors: np.ndarray) -> float:
    """Return the effective number of dimensions of vectors, which are scaled to length 1 first.

    It is the exponential of the entropy of the variances along the principal axes (Roy and
    Vetterli, "The effective rank", EUSIPCO 2007).

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        Embeddings of n images.

    Returns
    -------
    float
        At most d; 0 if all vectors are the same, NaN if a number is not finite.

    Examples
    --------
    >>> effective_rank(np.ones((50, 8)))
    0.0
    >>> round(effective_rank(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
    2.0
    """
    if not np.isfinite(vectors).all():
        return math.nan
    vectors = unit(vectors)
    centered = vectors - vectors.mean(axis=0)
    # Both products have the same eigenvalues above 0; the smaller matrix is cheaper.
    wide = len(centered) < centered.shape[1]
    products = centered @ centered.T if wide else centered.T @ centered
    variances = np.linalg.eigvalsh(products.astype(np.float64)).clip(0)
    if variances.sum() < SMALLEST_VARIANCE * len(vectors):
        return 0.0
    return effective_number(variances)
