"""Scores as tables and sentences: one choice of contents for the command line and the report."""

import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from latentlab.scoring.scores import TRAIN_MAP_OF, MethodScores, ScoreRow, SeedSpread

if TYPE_CHECKING:
    import pandas as pd

SHOWN = ("purity", "acc", "nmi", "ari")
TITLES = {"purity": "purity", "acc": "ACC", "nmi": "NMI", "ari": "ARI"}


class WithInterval(Protocol):
    """A value with the ends of its interval: a row of scores, or of a probe."""

    @property
    def value(self) -> float:
        """The value."""

    @property
    def low(self) -> float | None:
        """The lower end; None without an interval."""

    @property
    def high(self) -> float | None:
        """The upper end; None without an interval."""


def with_interval(row: WithInterval) -> str:
    """Return a score as text, with its interval if it has one.

    Parameters
    ----------
    row : ScoreRow or ProbeRow
        The score.

    Returns
    -------
    str

    Examples
    --------
    >>> row = ScoreRow(method="a", split="test", metric="nmi", value=0.5, low=0.4, high=0.6)
    >>> with_interval(row)
    '0.500 [0.400, 0.600]'
    """
    if row.low is None:
        return f"{row.value:.3f}"
    return f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"


def frame(rows: Sequence[ScoreRow]) -> "pd.DataFrame":
    """Return scores as a pandas DataFrame, one row per split, method and metric.

    Parameters
    ----------
    rows : sequence of ScoreRow
        The scores; a column `k` is added if the first one has it.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> frame([ScoreRow(method="kmeans", split="test", metric="nmi", value=0.5)]).shape
    (1, 8)
    """
    import pandas as pd

    numbers = ["value", "low", "high", "chance"]
    columns = ["split", "method", "metric", *numbers, "n"]
    if rows[0].k is not None:
        columns.insert(0, "k")
    cells = [operator.attrgetter(*columns)(row) for row in rows]
    return pd.DataFrame(cells, columns=columns).astype(dict.fromkeys(numbers, float))


def seeds_text(spread: Sequence[SeedSpread], split: str) -> str:
    """Return how the scores of one split spread over the seeds, as a sentence.

    Parameters
    ----------
    spread : sequence of SeedSpread
        The spread of each score.
    split : str
        "train" or "test".

    Returns
    -------
    str
        "" without seeds.

    Examples
    --------
    >>> seeds_text([SeedSpread("test", m, 0.5, 0.1, 0.4, 0.6, 2) for m in SHOWN], "test")[:39]
    'Over its 2 seeds, each by itself: purit'
    """
    by_metric = {row.metric: row for row in spread if row.split == split}
    if not by_metric:
        return ""
    parts = []
    for metric in SHOWN:
        row = by_metric.get(TRAIN_MAP_OF.get(metric, ""), by_metric[metric])
        parts.append(f"{TITLES[metric]} {row.mean:.3f} ± {row.std:.3f}")
    seeds = by_metric["purity"].seeds
    values = ", ".join(parts)
    return f"Over its {seeds} seeds, each by itself: {values} (mean and standard deviation)."


def pretraining_text(pretraining: str | None) -> str:
    """Return which labels the encoder has seen before, as a phrase.

    Parameters
    ----------
    pretraining : str or None
        From `latentlab.encoders.model_files.describe`; None in runs of older versions.

    Examples
    --------
    >>> pretraining_text("ImageNet-1k")
    'labels used in pretraining: ImageNet-1k'
    """
    return f"labels used in pretraining: {pretraining}" if pretraining else ""


def pretraining_of_each(by_name: Mapping[str, str]) -> str:
    """Return the same of several clusterings, which are named where they differ.

    Parameters
    ----------
    by_name : mapping of str to str
        Labels used in pretraining, by the name of the clustering.

    Examples
    --------
    >>> pretraining_of_each({"a": "none", "b": "unknown"})
    'labels used in pretraining: none (a), unknown (b)'
    """
    labels = list(dict.fromkeys(by_name.values()))
    if len(labels) == 1:
        return pretraining_text(labels[0])
    return pretraining_text(", ".join(f"{used} ({name})" for name, used in by_name.items()))


def note(scores: MethodScores) -> str:
    """Return how the scores of a method were made, in sentences.

    Parameters
    ----------
    scores : MethodScores
        Scores of one method on the split that is shown.

    Returns
    -------
    str
    """
    sentences = ["Intervals are 95% bootstrap intervals over images; another seed can change more."]
    if scores.purity_by_train_map is not None:
        purity = scores.purity_matched_on_split.value
        acc = scores.acc_matched_on_split.value
        sentences.append(
            "Purity and ACC use the classes that the training split gave the clusters; "
            f"matched on the split itself they are {purity:.3f} and {acc:.3f}."
        )
    if scores.has("balanced_purity"):
        balanced = scores.headline("balanced_purity").value
        sentences.append(f"With every class counted alike the purity is {balanced:.3f}.")
    return " ".join(sentences)
