"""A pandas DataFrame as CSV, Markdown and LaTeX: for papers, pages and spreadsheets."""

from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd


def write(table: "pd.DataFrame", folder: Path, stem: str) -> list[Path]:
    """Write a table as CSV with all digits, and as Markdown and LaTeX with three decimals.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.
    folder : Path
        Where the files go.
    stem : str
        File name without its suffix.

    Returns
    -------
    list of Path
        <stem>.csv, <stem>.md and <stem>.tex.
    """
    text_of = {
        "csv": table.to_csv(index=False),
        "md": markdown(table),
        "tex": table.to_latex(index=False, float_format="%.3f", na_rep="", escape=True),
    }
    paths = []
    for suffix, text in text_of.items():
        target = folder / f"{stem}.{suffix}"
        with atomic_path(target) as path:
            path.write_text(text, encoding="utf-8")
        paths.append(target)
    return paths


def markdown(table: "pd.DataFrame") -> str:
    """Return a table as Markdown, numbers with three decimals.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> print(markdown(pd.DataFrame({"run": ["a"], "nmi": [0.5]})), end="")
    | run | nmi |
    | --- | --- |
    | a | 0.500 |
    """
    lines = [list(table.columns), ["---"] * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append([_cell(value) for value in row])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: object) -> str:
    """Return a value as a cell: NaN is empty, and a bar in a name does not end the cell."""
    if isinstance(value, float):
        is_nan = value != value
        return "" if is_nan else f"{value:.3f}"
    return str(value).replace("|", "\\|")
