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
    lines += ["", f"chosen: {choices}", advice_text(choice)]
    return "\n".join(lines)


def advice_text(choice: KChoice) -> str:
    """Return the recommendation in a line; a hint is called one, and so is that there is none.

    Parameters
    ----------
    choice : KChoice
        What `latentlab.pipeline.choose_k` returned.
    """
    if not choice.has_structure:
        return f"recommended: none, since {choice.reason}"
    word = "a hint" if choice.is_hint else "recommended"
    return f"{word}: --k {choice.k}, since {choice.reason}"


def _cells(row: KScores, choice: KChoice) -> str:
    cells = []
    for name in CRITERIA:
        mark = "*" if choice.choices[name] == row.k else " "
        cells.append(f"{row.value(name):.3f}{mark}".rjust(WIDTH))
    return "".join(cells)
