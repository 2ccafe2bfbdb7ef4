"""The rows of parquet files as images: pictures in a column, or files that a column names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns, telling_columns
from latentlab.data.formats.file_sets import file_splits
from latentlab.data.formats.frames_in_rows import further_frames
from latentlab.data.formats.listed_paths import listed_pictures
from latentlab.data.formats.parquet_columns import (
    ParquetTable,
    find_label_column,
    find_picture_column,
    find_split_column,
    home_of,
    parquet_files_of,
    plain_columns,
)
from latentlab.data.formats.parquet_files import (
    ColumnReader,
    all_values,
    check_sizes,
    row_counts,
    row_ids,
)
from latentlab.data.formats.path_tables import table_splits
from latentlab.data.intake import Intake
from latentlab.data.layouts.name_splits import name_splits
from latentlab.data.listed_source import ListedSet, listed_set
from latentlab.data.source import SHARD_IMAGES, ImageIndex, Shard

MOST_READ = 100  # columns
NO_LABELS = "no labels, since no column is named as labels are"


@dataclass(frozen=True)
class PictureRows:
    """Rows with a picture each.

    Attributes
    ----------
    files : tuple of Path
        The parquet files.
    column : str
        The column of pictures.
    splits : ndarray of shape (n,), str
        "train" or "test" of each row.
    intake : Intake
        Where splits and labels come from.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.
    """

    files: tuple[Path, ...]
    column: str
    splits: np.ndarray
    intake: Intake
    max_bytes: int | None = None

    def shards(self) -> Iterator[Shard]:
        """Yield the rows of one file after the other."""
        first = 0  # number of the shard's first row, counted through all files
        for file in self.files:
            reader = ColumnReader(file, self.column, self.max_bytes)
            for pictures in reader.parts(SHARD_IMAGES):
                ids = row_ids(len(pictures), first)
                splits = self.splits[first : first + len(pictures)]
                yield Shard(ids, splits, pictures=pictures)
                first += len(pictures)

    def index(self) -> ImageIndex:
        """Return the numbers of the rows and their splits."""
        return ImageIndex(row_ids(len(self.splits)), self.splits)


def parquet_rows(path: Path, data: DataOptions) -> PictureRows | ListedSet:
    """Return the images of parquet files.

    Parameters
    ----------
    path : Path
        See `parquet_files_of`.
    data : DataOptions
        Holds the names of columns, and what is held out.

    Raises
    ------
    DataError
        If a file is missing or damaged, or no column holds pictures or names them.
    """
    files = parquet_files_of(path)
    home = home_of(path, files)
    column = find_picture_column(files, data.image_column, data.max_bytes, home)
    labels = find_label_column(files[0], column.name, data.label_column)
    text = f"labels by the column {labels}" if labels else ""
    if column.holds_paths:
        table = ParquetTable(files, home, data.max_bytes)
        return _listed_rows(table, column.name, text, data)
    check_sizes(files, column.name, data.max_bytes)
    return _picture_rows(files, column.name, text, data)


def _picture_rows(
    files: Sequence[Path], column: str, labels: str, data: DataOptions
) -> PictureRows:
    counts = row_counts(files)
    known = file_splits(files, counts) or _column_splits(files, column, data)
    splits = name_splits(row_ids(sum(counts)).tolist(), data, labels, known)
    has_none = not labels and data.labels == "auto"
    intake = Intake(
        passed_over=further_frames(files, column, data.max_bytes),
        splits=splits.splits_text,
        labels=NO_LABELS if has_none else splits.labels_text,
    )
    return PictureRows(tuple(files), column, splits.splits, intake, data.max_bytes)


def _listed_rows(table: ParquetTable, column: str, labels: str, data: DataOptions) -> ListedSet:
    pictures = listed_pictures(table.path, table.texts(column), data.follow_links, table.home)
    known = file_splits(table.files, row_counts(table.files))
    known = known or _column_splits(table.files, column, data)
    if known is not None:
        known = known[0][pictures.rows], known[1]
    return listed_set(pictures, data, labels, known)


def _column_splits(
    files: Sequence[Path], column: str, data: DataOptions
) -> tuple[np.ndarray, str] | None:
    """Return the splits that a column of the files says, None if there is none."""
    name = find_split_column(files[0], column)
    if name is None:
        return None
    return table_splits(all_values(files, name, data.max_bytes), name)


def columns_of_parquet(path: Path, data: DataOptions) -> ImageColumns:
    """Return what parquet files say of their images beside pictures, labels and splits.

    Parameters
    ----------
    path : Path
        See `parquet_files_of`.
    data : DataOptions
        As for `parquet_rows`.

    Raises
    ------
    DataError
        If a file is missing or damaged, or no column holds pictures or names them.
    """
    rows = parquet_rows(path, data)
    files = parquet_files_of(path)
    home = home_of(path, files)
    image = find_picture_column(files, data.image_column, data.max_bytes, home).name
    used = [
        image,
        find_label_column(files[0], image, data.label_column),
        find_split_column(files[0], image),
    ]
    values = {}
    for name in plain_columns(files[0])[:MOST_READ]:
        if name not in used:
            values[name] = all_values(files, name, data.max_bytes)
    if isinstance(rows, PictureRows):
        return telling_columns(rows.index().ids.tolist(), values, used)
    chosen = rows.pictures.rows
    values = {name: [column[row] for row in chosen] for name, column in values.items()}
    return telling_columns(rows.pictures.ids, values, used)
