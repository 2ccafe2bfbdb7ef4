"""How wide Student's t kernel is on a code for which nobody published it: as wide as leaves the assignments unsure enough.

The papers have ten numbers, where alpha and scale are 1. On a large code the distances of an image to all centers are nearly
the same, and a kernel with heavy tails cannot tell them apart at any scale: q stays near uniform. Degrees of freedom that
grow with the dimension cure that (van der Maaten, "Learning a parametric embedding by preserving local structure", AISTATS
2009, takes d - 1), and the scale then follows from a wanted perplexity by bisection, as in t-SNE (van der Maaten and
Hinton, "Visualizing data using t-SNE", JMLR 2008). No label takes part.

Features that are made of a code have alpha 1 and their own mean squared distance as unit. The kernel for large codes is too sure
of them: on whitened vectors of unit length, which are nearly equidistant, six of ten clusters lost their images within two rounds.
"""

import numpy as np

SMALL = 32  # numbers of a code for which the published kernel stands
# Mean entropy of q in units of log k. The published kernel starts there on ten numbers: 0.885 on MNIST, 0.869 on the digits.
UNCERTAINTY = 0.88
WIDEST, NARROWEST = (
    1e3,
    1e-8,
)  # in units of the mean squared distance of the images to their centers
HALVINGS = 40


def kernel_for(
    squared: np.ndarray,
    spread: float,
    n_dims: int,
    is_code: bool,
    alpha: float | None,
    scale: float | None,
) -> tuple[float, float]:
    """Return (alpha, scale) of the kernel; those that are given stand.

    Parameters
    ----------
    squared : ndarray of shape (n, k)
        Squared distances of the training images to the starting centers.
    spread : float
        Mean squared distance to their own centers.
    n_dims : int
        d, numbers of a vector.
    is_code : bool
        Whether the vectors are the code as the encoder makes it; at most 32 numbers of one get the published kernel.
    """
    if scale is not None or (is_code and n_dims <= SMALL):
        return alpha or 1.0, scale or 1.0
    if not is_code:
        return alpha or 1.0, max(spread, 1e-12)
    alpha = alpha or max(1.0, n_dims - 1.0)
    return alpha, fitted_scale(squared, alpha)


def fitted_scale(squared: np.ndarray, alpha: float, wanted: float = UNCERTAINTY) -> float:
    """Return the scale at which the mean entropy of q is `wanted`, or the narrowest where even that is less sure.

    The entropy of each row grows with the scale: the search is a bisection of its logarithm.
    """
    spread = max(float(squared.min(axis=1).mean()), 1e-12)
    low, high = np.log([NARROWEST * spread, WIDEST * spread])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if uncertainty(squared, alpha, float(np.exp(middle))) < wanted
            else (low, middle)
        )
    return float(np.exp(high))


def uncertainty(squared: np.ndarray, alpha: float, scale: float) -> float:
    """Return the mean entropy of q in units of log k: 1 where q is uniform, 0 where it is sure; 0 for one cluster."""
    from scipy.special import log_softmax

    if squared.shape[1] == 1:
        return 0.0
    log_q = log_softmax(
        -(alpha + 1) / 2 * np.log1p(squared.astype(np.float64) / (alpha * scale)), axis=1
    )
    return float(-(np.exp(log_q) * log_q).sum(axis=1).mean() / np.log(squared.shape[1]))
