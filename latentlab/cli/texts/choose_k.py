"""The text of `latentlab choose-k`."""

from latentlab.clustering.choose_k import CRITERIA, KChoice, KScores

WIDTH = 20


def choice_text(choice: KChoice) -> str:
    """Return every criterion as a table, a star at its choice, and the recommendation below.

    Parameters
    ----------
    choice : KChoice
        What `latentlab.pipeline.choose_k` returned.
    """
    titles = "".join(f"{name:>{WIDTH}}" for name in CRITERIA)
    lines = [f"{'k':>4}{titles}"]
    lines += [f"{row.k:>4}{_cells(row, choice)}" for row in choice.rows]
    choices = ", ".join(f"{name} {k}" for name, k in choice.choices.items())
    lines += ["", f"chosen: {choices}", f"recommended: --k {choice.k}, since {choice.reason}"]
    return "\n".join(lines)


def _cells(row: KScores, choice: KChoice) -> str:
    cells = []
    for name in CRITERIA:
        mark = "*" if choice.choices[name] == row.k else " "
        cells.append(f"{row.value(name):.3f}{mark}".rjust(WIDTH))
    return "".join(cells)
