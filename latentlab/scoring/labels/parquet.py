"""Classes of parquet files: a column named label, class, target, category, species, ...

`label_column` names another one. The class names are those that the file's metadata declares, as
Hugging Face datasets writes it, or else the distinct values. Pictures that are named by their paths
have the class of their folder if there is no such column.
"""

from pathlib import Path
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.parquet_columns import (
    declared_classes,
    find_label_column,
    parquet_files_of,
)
from latentlab.data.formats.parquet_files import all_values
from latentlab.data.listed_source import ListedSet
from latentlab.data.parquet_rows import parquet_rows
from latentlab.data.source import Source
from latentlab.errors import DataError
from latentlab.scoring.labels import Labels, encode_labels, first_labels
from latentlab.scoring.labels._listed import labels_of


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every row of `data`, None without such a column."""
    path = Source.named("parquet").path(data)
    rows = parquet_rows(path, data)
    files = parquet_files_of(path)
    image_column = data.image_column if isinstance(rows, ListedSet) else rows.column
    column = find_label_column(files[0], image_column, data.label_column)
    if column is None:
        return labels_of(rows, None, data) if isinstance(rows, ListedSet) else None
    values = all_values(files, column, data.max_bytes)
    if isinstance(rows, ListedSet):
        return labels_of(rows, _named(values, declared_classes(files[0], column)), data)
    class_numbers, class_names = _encode(values, files[0], column)
    return first_labels(class_numbers, class_names, rows.index(), data)


def _encode(values: list[Any], file: Path, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class numbers and names, by the names that the file declares if it does."""
    class_numbers, class_names = encode_labels(values)  # refuses values that are no labels
    declared = declared_classes(file, column)
    present = [value for value in values if value is not None]
    if not declared or not all(isinstance(value, int) for value in present):
        return class_numbers, class_names
    if max(present, default=0) >= len(declared):
        raise DataError(
            f"{file}: the labels of column {column} go beyond the {len(declared)} class names "
            "that it declares. Write it again."
        )
    numbers = [-1 if value is None else max(value, -1) for value in values]
    return np.array(numbers, dtype=np.int32), declared


def _named(values: list[Any], declared: tuple[str, ...]) -> list[Any]:
    """Return numbers as the names that are declared for them, where there are such names."""
    if not all(value is None or isinstance(value, int) for value in values):
        return values
    if not declared or max((value or 0 for value in values), default=0) >= len(declared):
        return values
    return [None if value is None or value < 0 else declared[value] for value in values]
