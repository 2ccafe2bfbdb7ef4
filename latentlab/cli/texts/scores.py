"""The text of `latentlab evaluate`."""

from collections.abc import Sequence

from latentlab.scoring.purity_gap import gap_text
from latentlab.scoring.scores import ALL, MethodScores, ScoreRow, Scores, group_rows, main_split
from latentlab.scoring.tables import (
    SHOWN,
    TITLES,
    note,
    pretraining_text,
    seeds_text,
    with_interval,
)


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
        scores.labels or "",
        pretraining_text(scores.pretraining),
        score_table(scores.rows),
        seeds_text(scores.over_seeds or (), split),
        gap_text(scores.gap.get(split), scores.class_names),
    ]
    return "\n".join(part for part in parts if part)


def score_table(rows: Sequence[ScoreRow]) -> str:
    """Return methods by metrics as a table, with the chance of purity and ACC and a note below.

    The last columns are the purity over all images, and its chance.

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
    over_all = group_rows(rows, ALL)
    titles = [f"{split} split", *TITLES.values(), "chance: purity", "chance: ACC"]
    lines = [[*titles, "purity (all)", "chance"] if over_all else titles]
    lines += [_cells(scores, over_all.get(method)) for method, scores in by_method.items()]
    first = next(iter(by_method.values()))
    return f"{_aligned(lines)}\n\n{note(first)}"


def _cells(scores: MethodScores, over_all: MethodScores | None) -> list[str]:
    values = [with_interval(scores.headline(metric)) for metric in SHOWN]
    chances = [f"{scores.headline(metric).chance:.3f}" for metric in ("purity", "acc")]
    purity = over_all.headline("purity") if over_all is not None else None
    over_all_cells = [with_interval(purity), f"{purity.chance:.3f}"] if purity is not None else []
    return [scores.method, *values, *chances, *over_all_cells]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as text in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)
