"""How many of several things are in use, by the entropy of their shares."""

from typing import Any

import numpy as np

SMALLEST_SHARE = 1e-9  # added to shares before their logarithm on the device


def effective_number(weights: np.ndarray) -> float:
    """Return how many equal shares have the same entropy as these: its exponential.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Sizes or variances, at least 0, in any unit; one of them is above 0.

    Returns
    -------
    float
        Between 1, where one holds everything, and n, where all are equal.

    Examples
    --------
    >>> import numpy as np
    >>> effective_number(np.array([5, 0, 0]))
    1.0
    >>> round(effective_number(np.array([2.0, 2.0, 2.0])), 6)
    3.0
    """
    shares = weights[weights > 0] / weights.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def effective_number_of(shares: Any) -> Any:
    """Return the same for a tensor of shares inside a loss, as a scalar tensor.

    Parameters
    ----------
    shares : tensor of shape (n,)
        At least 0; they sum to 1.

    Returns
    -------
    tensor of shape ()
    """
    from keras import ops

    return ops.exp(-ops.sum(shares * ops.log(shares + SMALLEST_SHARE)))
