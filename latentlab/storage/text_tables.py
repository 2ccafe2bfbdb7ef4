"""A pandas DataFrame as CSV, Markdown and LaTeX: for papers, pages and spreadsheets.

Names in cells come from outside. A spreadsheet takes a cell that begins with "=", "+", "-" or "@"
for a formula, also one in quotes; Markdown and LaTeX have signs of their own.
"""

import re
from collections.abc import Callable, Iterable
from csv import QUOTE_NONNUMERIC
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.plain_text import printable
from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

# What spreadsheets read as the beginning of a formula, also in the wide forms of East Asia, behind
# any number of blanks and of our own apostrophes.
_FORMULA = re.compile(r"['\s]*[=+\-@\t\r＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_GUARD = "'"
NUMBER_KINDS = "biuf"  # of NumPy: truth values, integers and floats
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$&!#])")


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
    text_of = {"csv": csv(table), "md": markdown(table), "tex": latex(table)}
    paths = []
    for suffix, text in text_of.items():
        target = folder / f"{stem}.{suffix}"
        with atomic_path(target) as path:
            path.write_text(text, encoding="utf-8")
        paths.append(target)
    return paths


def csv(table: "pd.DataFrame") -> str:
    r"""Return a table as CSV, with all digits, whose cells no spreadsheet takes for formulas.

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
    >>> csv(pd.DataFrame({"class": ["=1+1", "-1"], "nmi": [0.5, -0.5]}))
    "class,nmi\n'=1+1,0.5\n-1,-0.5\n"
    """
    shown = _with_texts(table, no_formula)
    text = shown.to_csv(index=False, lineterminator="\n")
    if "\r" not in text:
        return text
    # Python's writer leaves a lone "\r" without quotes, and readers take it for the end of a row.
    return shown.to_csv(index=False, lineterminator="\n", quoting=QUOTE_NONNUMERIC)


def latex(table: "pd.DataFrame") -> str:
    """Return a table as LaTeX, numbers with three decimals.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.

    Returns
    -------
    str
    """
    shown = _with_texts(table, printable)
    return shown.to_latex(index=False, float_format="%.3f", na_rep="", escape=True)


def markdown(table: "pd.DataFrame") -> str:
    r"""Return a table as Markdown, numbers with three decimals.

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
    >>> print(markdown(pd.DataFrame({"run": ["a|<b>"], "nmi": [0.5]})), end="")
    | run | nmi |
    | --- | --- |
    | a\|\<b\> | 0.500 |
    """
    lines = [list(map(_cell, table.columns)), ["---"] * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append([_cell(value) for value in row])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def no_formula(text: str) -> str:
    r"""Return a text that a spreadsheet does not take for a formula.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text, with "'" before it if it begins as a formula does and is no number. `plain_cell`
        takes that away.

    Examples
    --------
    >>> no_formula("=cmd|' /C calc'!A0"), no_formula("-1.5"), no_formula("a=b")
    ("'=cmd|' /C calc'!A0", '-1.5', 'a=b')
    """
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return _GUARD + text if is_formula else text


def no_formulas(texts: Iterable[str | None]) -> list[str | None]:
    """Return the cells of a column, with `no_formula` for each text.

    Parameters
    ----------
    texts : iterable of (str or None)
        Texts; None is an empty cell.
    """
    return [None if text is None else no_formula(text) for text in texts]


def plain_cell(text: str) -> str:
    """Return the text that `no_formula` was given.

    Parameters
    ----------
    text : str
        A cell.

    Examples
    --------
    >>> plain_cell("'=1+1"), plain_cell("'tis")
    ('=1+1', "'tis")
    """
    return text.removeprefix(_GUARD) if _FORMULA.match(text) else text


def _with_texts(table: "pd.DataFrame", change: Callable[[str], str]) -> "pd.DataFrame":
    """Return a table with its texts changed, those above the columns too."""

    def changed(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    shown = table.copy()
    for name in shown.columns:
        if shown[name].dtype.kind not in NUMBER_KINDS:
            shown[name] = shown[name].map(changed)
    return shown.rename(columns=changed)


def _cell(value: object) -> str:
    """Return a value as a cell: NaN is empty, and no sign of a name means anything."""
    if isinstance(value, float):
        is_nan = value != value
        return "" if is_nan else f"{value:.3f}"
    return _MARKDOWN.sub(r"\\\1", printable(str(value)))
