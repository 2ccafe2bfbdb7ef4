"""Classes of parquet files: a column named label, labels, class, target or fine_label.

`label_column` names another one. The class names are those that the file's metadata declares, as
Hugging Face datasets writes it, or else the distinct values.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.parquet_files import column_values, parquet_paths, schema_of
from latentlab.data.source import Source
from latentlab.errors import ConfigError, DataError
from latentlab.scoring.labels import Labels, encode_labels, first_labels

LABEL_COLUMNS = ("label", "labels", "class", "target", "fine_label")


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every row of `data`, None without such a column."""
    source = Source.named("parquet")
    files = parquet_paths(source.path(data))
    column = _label_column(files[0], data.label_column)
    if column is None:
        return None
    values: list[Any] = []
    for file in files:
        values += column_values(file, column)
    class_numbers, class_names = _encode(values, files[0], column)
    index = source.index(data, source.parse_options(data.source_options))
    return first_labels(class_numbers, class_names, index, data)


def _encode(values: list[Any], file: Path, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class numbers and names, by the names that the file declares if it does."""
    class_numbers, class_names = encode_labels(values)  # refuses values that are no labels
    declared = _declared_names(file, column)
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


def _label_column(file: Path, wanted: str | None) -> str | None:
    columns = schema_of(file).names
    if wanted is None:
        return next((name for name in LABEL_COLUMNS if name in columns), None)
    if wanted not in columns:
        raise ConfigError(
            f": {file} has no such column; it has {', '.join(columns)}",
            field="label_column",
            value=wanted,
        )
    return wanted


def _declared_names(file: Path, column: str) -> tuple[str, ...] | None:
    """Return the class names that Hugging Face datasets wrote into the file's metadata."""
    try:
        metadata = json.loads((schema_of(file).metadata or {})[b"huggingface"])
        return tuple(metadata["info"]["features"][column]["names"])
    except (KeyError, TypeError, ValueError):
        return None
