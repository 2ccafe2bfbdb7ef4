"""Bootstrap intervals for scores: what other held-out images of the same kind, as many of them, would give.

What is resampled is the contingency table (multinomial), not the images: every score depends on it alone, so that a
thousand resamples of 10,000 images take milliseconds. Two things are done about the bias that such scores have:

- Purity and ACC of held-out images keep the maps of the training split. Were the maps made anew on each resample, every
  resample would score too well.
- The other scores do grow with chance agreement, NMI most of all: by about (k - 1)(classes - 1) / 2n nats of mutual
  information for n images, and in each resample once more. So the resamples are moved until their mean is the observed
  score, and the interval is for the mean score of sets of n images, to which the chance score beside it belongs too.

Cells of the table that happen to be empty are not impossible. They share the mass that Good and Turing give to what was
not seen, the share of images that are alone in their cell (Good 1953; Chao and Shen 2003), in proportion to their margins.
Without it the intervals of NMI are too narrow for some hundred images. `scripts/bootstrap_coverage.py` measures all this.
"""

from collections.abc import Callable

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


def of_scores(
    table: np.ndarray, maps: Maps | None = None, seed: int = 0, level: float = LEVEL
) -> dict[str, tuple[float, float]]:
    """Return metric -> (low, high) for purity, acc, nmi, ari and, with the maps of the training split, those under them.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images of each cluster by class.
    """
    scorers = dict(SCORERS)
    if maps is not None:
        scorers["purity_train_map"] = lambda tables: metrics.mapped_share(tables, maps.majority)
        scorers["acc_train_map"] = lambda tables: metrics.mapped_share(tables, maps.matched)
    drawn = resample(table, REPEATS, seed)
    return {
        name: around(float(scorer(table)), scorer(drawn), level, -1.0 if name == "ari" else 0.0)
        for name, scorer in scorers.items()
    }


def resample(table: np.ndarray, repeats: int, seed: int) -> np.ndarray:
    """Return tables of as many images drawn from `table`, int64 (repeats, k, n_classes)."""
    rng = np.random.default_rng([seed, 11])
    return rng.multinomial(table.sum(), seen_and_unseen(table).ravel(), size=repeats).reshape(
        repeats, *table.shape
    )


def seen_and_unseen(table: np.ndarray) -> np.ndarray:
    """Return the probability of each cell, (k, n_classes): its share of the images, less what goes to the empty cells.

    At least one image's worth goes to them, since a table without confusion does not show that there is none.
    """
    n = table.sum()
    empty = np.outer(table.sum(axis=1), table.sum(axis=0)) * (table == 0)
    if not empty.any():
        return table / n
    unseen = max(np.count_nonzero(table == 1), 1) / (n + 1)
    return (1 - unseen) * table / n + unseen * empty / empty.sum()


def around(
    observed: float, drawn: np.ndarray, level: float = LEVEL, lowest: float = 0.0
) -> tuple[float, float]:
    """Return the percentile interval of `drawn`, moved until its mean is `observed` and cut to [lowest, 1]."""
    tail = (1 - level) / 2
    low, high = observed + np.quantile(drawn - drawn.mean(), [tail, 1 - tail])
    return max(float(low), lowest), min(float(high), 1.0)
