"""The table of scripts/bench_folders.py as a CSV file, and the tables of its page."""

import csv
import math
import statistics
import typing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from latentlab.storage import files


@dataclass(frozen=True)
class Row:
    """One clustering of one folder.

    Attributes
    ----------
    folder, encoder, head, features : str
    images, classes, clusters, seed : int
        `clusters` are those that were found.
    purity, silhouette, neighbours : float
        See `_folder_measures`.
    agreement : float
        Mean adjusted Rand index between the seeds of this head; reads no label.
    seconds : float
        Of fitting and assigning, without the encoder.
    """

    folder: str
    encoder: str
    head: str
    features: str
    images: int
    classes: int
    clusters: int
    seed: int
    purity: float
    agreement: float
    silhouette: float
    neighbours: float
    seconds: float


TYPES: dict[str, Any] = typing.get_type_hints(Row)  # each makes a value of the text in a cell


class Table:
    """The rows of table.csv, which is written again after every group of rows.

    Parameters
    ----------
    path : pathlib.Path
        The file; its rows are read if it is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = []
        if path.exists():
            with path.open(encoding="utf-8", newline="") as file:
                self.rows = [_read(record) for record in csv.DictReader(file)]

    def has(self, folder: str, encoder: str, head: str, seeds: list[int]) -> bool:
        """Return whether all seeds of a head are there."""
        there = {row.seed for row in self.rows if _key(row) == (folder, encoder, head)}
        return there >= set(seeds)

    def add(self, rows: list[Row]) -> None:
        """Put rows in the place of those of the same head, and write the file."""
        new = {_key(row) for row in rows}
        self.rows = [row for row in self.rows if _key(row) not in new] + rows
        self.rows.sort(key=lambda row: (*_key(row), row.seed))
        with files.atomic_path(self.path) as path, path.open("w", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)

    def means(self, name: str) -> dict[tuple[str, str, str], tuple[float, float | None]]:
        """Return (folder, encoder, head) -> mean and standard deviation over seeds of a column.

        There is no deviation (None) of a single seed.
        """
        values: dict[tuple[str, str, str], list[float]] = {}
        for row in self.rows:
            values.setdefault(_key(row), []).append(getattr(row, name))
        return {
            key: (statistics.mean(each), statistics.stdev(each) if len(each) > 1 else None)
            for key, each in values.items()
        }


def markdown(table: Table, name: str, heads: list[tuple[str, str]], folders: list[str]) -> str:
    """Return a Markdown table: encoder and head by folder.

    Parameters
    ----------
    table : Table
    name : str
        The column of it that is shown.
    heads : list of (encoder, head)
        The rows, in order.
    folders : list of str
        The columns, in order.
    """
    means = table.means(name)
    lines = [f"| encoder | head | {' | '.join(folders)} |", "| --- " * (2 + len(folders)) + "|"]
    for encoder, head in heads:
        cells = [_cell(means.get((folder, encoder, head)), name) for folder in folders]
        lines.append(f"| {encoder} | {head} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: tuple[float, float | None] | None, name: str) -> str:
    if value is None or math.isnan(value[0]):  # a single seed agrees with no other
        return ""
    mean, deviation = value
    if name != "purity":
        return f"{mean:.3f}"
    return f"{mean:.3f}, one seed" if deviation is None else f"{mean:.3f} ± {deviation:.3f}"


def _key(row: Row) -> tuple[str, str, str]:
    return row.folder, row.encoder, row.head


def _read(record: dict[str, str]) -> Row:
    values: dict[str, Any] = {}
    for field in fields(Row):
        values[field.name] = TYPES[field.name](record[field.name])
    return Row(**values)
