"""Bootstrap intervals for scores: what other held-out images of the same kind would give.

The bootstrap draws contingency tables (multinomial) instead of images. Every score depends on the
table alone, so a thousand resamples of 10,000 images take milliseconds.

- Purity and ACC of held-out images keep the maps of the training split.
- The other scores grow in each resample, so the interval is moved until its mean is the score.
- Empty cells of the table get the share of images that Good and Turing give to unseen cells.

docs/decisions/0051-bootstrap-of-tables.md has the reasons; `scripts/bootstrap_coverage.py`
measures how often the intervals hold the true score.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from latentlab.scoring import metrics
from latentlab.scoring.metrics import Maps

REPEATS = 1000
LEVEL = 0.95
SCORERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "purity": metrics.purity,
    "acc": metrics.accuracy,
    "nmi": metrics.nmi,
    "ari": metrics.ari,
}


class Interval(NamedTuple):
    """The ends of an interval.

    Attributes
    ----------
    low : float
    high : float
    """

    low: float
    high: float


def of_scores(
    table: np.ndarray, maps: Maps | None = None, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the bootstrap interval of each score.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class of the split that is scored.
    maps : Maps or None
        Classes of the clusters by the training split; adds purity_train_map and acc_train_map.
    seed : int
        Seed of the resamples.
    level : float
        Probability that an interval covers, in (0, 1).

    Returns
    -------
    dict of str to Interval
        purity, acc, nmi and ari, and with `maps` the two scores under them.

    Examples
    --------
    >>> low, high = of_scores(np.array([[80, 20], [10, 90]]))["purity"]
    >>> low < 0.85 < high
    True
    """
    scorers = dict(SCORERS)
    if maps is not None:
        scorers["purity_train_map"] = lambda tables: metrics.mapped_share(tables, maps.majority)
        scorers["acc_train_map"] = lambda tables: metrics.mapped_share(tables, maps.matched)
    tables = resample(table, REPEATS, seed)
    ends = {}
    for name, scorer in scorers.items():
        lowest = -1.0 if name == "ari" else 0.0
        ends[name] = around(float(scorer(table)), scorer(tables), level, lowest)
    return ends


def resample(table: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """Draw tables with as many images as a table has.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class.
    repeats : int
        Number of tables.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of shape (repeats, k, n_classes), int64

    Examples
    --------
    >>> resample(np.array([[3, 0], [0, 4]]), repeats=5, seed=0).sum(axis=(1, 2))
    array([7, 7, 7, 7, 7])
    """
    rng = np.random.default_rng([seed, 11])
    drawn = rng.multinomial(table.sum(), seen_and_unseen(table).ravel(), size=repeats)
    return drawn.reshape(repeats, *table.shape)


def seen_and_unseen(table: np.ndarray) -> np.ndarray:
    """Return the probability of each cell, with some for cells that happen to be empty.

    The empty cells share the mass of unseen cells by Good and Turing: f1 / (n + 1), where f1 is
    the number of cells with a single image, at least one. They share it in proportion to the
    product of their row and column sums (Good 1953; Chao and Shen 2003).

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class.

    Returns
    -------
    ndarray of shape (k, n_classes), float
        Probabilities, summing to 1.

    Examples
    --------
    >>> seen_and_unseen(np.array([[4, 0], [0, 5]])).round(3)
    array([[0.4 , 0.05],
           [0.05, 0.5 ]])
    """
    n = table.sum()
    empty = np.outer(table.sum(axis=1), table.sum(axis=0)) * (table == 0)
    if not empty.any():
        return table / n
    unseen = max(np.count_nonzero(table == 1), 1) / (n + 1)
    return (1 - unseen) * table / n + unseen * empty / empty.sum()


def around(
    observed: float, drawn: np.ndarray, level: float = LEVEL, lowest: float = 0.0
) -> Interval:
    """Return the percentile interval of resampled scores, moved until their mean is the score.

    Parameters
    ----------
    observed : float
        The score.
    drawn : ndarray of shape (repeats,), float
        The same score of each resample.
    level : float
        Probability that the interval covers, in (0, 1).
    lowest : float
        Least value that the score can have; the interval is cut there, and at 1.

    Returns
    -------
    Interval

    Examples
    --------
    >>> around(0.5, np.linspace(0.4, 0.8, 101), level=0.5)
    Interval(low=0.4, high=0.6)
    """
    tail = (1 - level) / 2
    low, high = observed + np.quantile(drawn - drawn.mean(), [tail, 1 - tail])
    return Interval(max(float(low), lowest), min(float(high), 1.0))
