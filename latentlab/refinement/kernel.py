"""Choose the width of Student's t kernel, which turns distances into soft assignments.

The published kernel (alpha 1, scale 1) suits codes of about ten numbers. On a large code all
distances of an image are nearly equal, and a kernel with heavy tails leaves q near uniform at any
scale. More degrees of freedom help [1]_. The scale then follows from a wanted perplexity, by
bisection as in t-SNE [2]_. Features computed from a code use alpha 1 and their own spread.
See docs/decisions/0020-kernel-width.md for the measurements.

References
----------
.. [1] van der Maaten, "Learning a parametric embedding by preserving local structure",
   AISTATS 2009.
.. [2] van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008.
"""

import numpy as np

SMALL_CODE = 32  # largest number of dimensions for which the published kernel is used
UNCERTAINTY = 0.88  # wanted mean entropy of q, in units of log k
WIDEST = 1e3  # largest scale that the search tries, in mean squared distances to the centers
NARROWEST = 1e-8  # smallest scale, in the same unit
HALVINGS = 40  # steps of the bisection
LEAST_SPREAD = 1e-12  # keeps the scale above 0 for identical vectors


def kernel_for(
    squared: np.ndarray,
    spread: float,
    n_dims: int,
    is_code: bool,
    alpha: float | None,
    scale: float | None,
) -> tuple[float, float]:
    """Return the kernel's parameters, keeping those that the user has set.

    Parameters
    ----------
    squared : ndarray of shape (n, k)
        Squared distances of the training images to the starting centers.
    spread : float
        Mean squared distance of the images to the centers of their clusters.
    n_dims : int
        Number of dimensions of a vector.
    is_code : bool
        Whether the vectors are the encoder's code, rather than features computed from it.
    alpha : float or None
        Degrees of freedom set by the user.
    scale : float or None
        Squared distance that counts as 1, set by the user.

    Returns
    -------
    alpha, scale : float
        Degrees of freedom and scale of the kernel.

    Examples
    --------
    >>> kernel_for(np.ones((3, 2)), 1.0, n_dims=10, is_code=True, alpha=None, scale=None)
    (1.0, 1.0)
    """
    if scale is not None:
        return alpha or 1.0, scale
    if not is_code:
        return alpha or 1.0, max(spread, LEAST_SPREAD)
    if n_dims <= SMALL_CODE:
        return alpha or 1.0, 1.0
    degrees = alpha or max(1.0, n_dims - 1.0)
    return degrees, fitted_scale(squared, degrees)


def fitted_scale(squared: np.ndarray, alpha: float, target: float = UNCERTAINTY) -> float:
    """Find the scale at which the mean entropy of q reaches a target.

    The entropy grows with the scale, so that bisection of the scale's logarithm finds it.

    Parameters
    ----------
    squared : ndarray of shape (n, k)
        Squared distances of the training images to the centers.
    alpha : float
        Degrees of freedom of the kernel.
    target : float
        Wanted mean entropy in units of log k, between 0 and 1.

    Returns
    -------
    float
        The scale, or the narrowest one tried when even that leaves q less certain.
    """
    spread = max(float(squared.min(axis=1).mean()), LEAST_SPREAD)
    low, high = np.log([NARROWEST * spread, WIDEST * spread])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if uncertainty(squared, alpha, float(np.exp(middle))) < target:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def uncertainty(squared: np.ndarray, alpha: float, scale: float) -> float:
    """Measure how uncertain the soft assignments are.

    Parameters
    ----------
    squared : ndarray of shape (n, k)
        Squared distances of the training images to the centers.
    alpha, scale : float
        Parameters of the kernel.

    Returns
    -------
    float
        Mean entropy of q in units of log k: 1 for uniform rows, 0 for certain ones. 0 when k is 1.

    Examples
    --------
    >>> round(uncertainty(np.ones((5, 3)), alpha=1.0, scale=1.0), 6)
    1.0
    """
    from scipy.special import log_softmax

    n_clusters = squared.shape[1]
    if n_clusters == 1:
        return 0.0
    log_kernel = -(alpha + 1) / 2 * np.log1p(squared.astype(np.float64) / (alpha * scale))
    log_q = log_softmax(log_kernel, axis=1)
    entropy = -(np.exp(log_q) * log_q).sum(axis=1)
    return float(entropy.mean() / np.log(n_clusters))
