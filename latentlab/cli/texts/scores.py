"""The text of `latentlab evaluate`."""

from collections.abc import Sequence

from latentlab.scoring.purity_gap import gap_text
from latentlab.scoring.scores import MethodScores, ScoreRow, Scores, group_rows, main_split
from latentlab.scoring.tables import SHOWN, TITLES, note, seeds_text, with_interval


def scores_text(scores: Scores) -> str:
    """Return the table of scores, their spread over seeds, and why purity and ACC differ.

    Parameters
    ----------
    scores : Scores
        What `latentlab.pipeline.evaluate` returned.

    Returns
    -------
    str
    """
    split = scores.split
    parts = [
        score_table(scores.rows),
        seeds_text(scores.over_seeds or (), split),
        gap_text(scores.gap.get(split), scores.class_names),
    ]
    return "\n".join(part for part in parts if part)


def score_table(rows: Sequence[ScoreRow]) -> str:
    """Return methods by metrics as a table, with the chance of purity and ACC and a note below.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Scores of several methods; the held-out split is shown if there is one.

    Returns
    -------
    str
    """
    split = main_split(rows)
    by_method = group_rows(rows, split)
    lines = [[f"{split} split", *TITLES.values(), "chance: purity", "ACC"]]
    lines += [_cells(scores) for scores in by_method.values()]
    first = next(iter(by_method.values()))
    return f"{_aligned(lines)}\n\n{note(first)}"


def _cells(scores: MethodScores) -> list[str]:
    values = [with_interval(scores.headline(metric)) for metric in SHOWN]
    chances = [f"{scores.headline(metric).chance:.3f}" for metric in ("purity", "acc")]
    return [scores.method, *values, *chances]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as text in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)
