"""Learning rates over the steps of a training."""

import math

from latentlab.config import FitOptions


def half_cosine(progress: float) -> float:
    """Return the height of half a cosine, which falls from 1 to 0.

    Parameters
    ----------
    progress : float
        Share of the training that is over, in [0, 1].

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> half_cosine(0.0), round(half_cosine(0.5), 12), half_cosine(1.0)
    (1.0, 0.5, 0.0)
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def learning_rate(options: FitOptions, step: int, n_steps: int) -> float:
    """Return the learning rate of one step: constant, or half a cosine down to 0.

    Parameters
    ----------
    options : FitOptions
        `learning_rate` is the rate at the start, `schedule` how it goes on.
    step : int
        Number of the step, from 0.
    n_steps : int
        Steps of the whole training.

    Returns
    -------
    float
    """
    if options.schedule == "constant":
        return options.learning_rate
    return options.learning_rate * half_cosine(step / n_steps)
