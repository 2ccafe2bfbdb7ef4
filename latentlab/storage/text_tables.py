"""A pandas DataFrame as CSV, Markdown and LaTeX, for papers, pages and spreadsheets."""

from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd


def write(table: "pd.DataFrame", folder: Path, stem: str) -> list[Path]:
    """Write <stem>.csv with every digit, and <stem>.md and .tex with three after the point, into `folder`; return their paths."""
    texts = {
        "csv": table.to_csv(index=False),
        "md": markdown(table),
        "tex": table.to_latex(index=False, float_format="%.3f", na_rep="", escape=True),
    }
    for suffix, text in texts.items():
        with atomic_path(folder / f"{stem}.{suffix}") as path:
            path.write_text(text, encoding="utf-8")
    return [folder / f"{stem}.{suffix}" for suffix in texts]


def markdown(table: "pd.DataFrame") -> str:
    """Return the table as Markdown."""
    rows = [[_cell(cell) for cell in row] for row in table.itertuples(index=False)]
    return (
        "\n".join(
            f"| {' | '.join(cells)} |"
            for cells in [list(table.columns), ["---"] * len(table.columns), *rows]
        )
        + "\n"
    )


def _cell(value: object) -> str:
    """Return a value as a cell; a bar in a name must not end it, and NaN is empty."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value).replace("|", "\\|")
