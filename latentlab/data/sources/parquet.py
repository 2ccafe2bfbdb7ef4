"""Parquet with a column of pictures, as Hugging Face datasets keeps them: a struct of bytes and path, or plain bytes.

One file, or a folder of them. The column is found by its type (or --image-column). Splits: file names that begin with
train, and with test or val, where there are both; else a share (--held-out) drawn at random. Held-out labels: a column
named label, labels, class or target (or --label-column), with the class names that the file's metadata gives.
Files are read a row group at a time. A row whose picture cannot be read is listed in the run and skipped.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.config import DataOptions
from latentlab.data import common, decode
from latentlab.data.images import TEST, TRAIN, ImageSet, held_out_splits
from latentlab.data.opening import Labels
from latentlab.errors import ConfigError, DataError

LABEL_COLUMNS = ("label", "labels", "class", "target", "fine_label")
ROWS = 32  # read at once


def open_images(options: DataOptions) -> ImageSet:
    """Open the file or folder that `options.data` names.

    Raises
    ------
    DataError
        If it cannot be read, or holds no picture that can.
    ConfigError
        If --image-column names no column of pictures.
    """
    common.check(options)
    path = common.source_path(options, "parquet")
    files = _files(path)
    splits = _splits(files, options)
    wanted = common.first_of_each(splits, options.limit)
    column = _image_column(files[0], options)
    for file in files[1:]:
        if not (column in _schema(file).names and _is_picture(_schema(file).field(column).type)):
            raise DataError(
                f"{file} has no column {column} of pictures as {files[0].name} has. Fetch or write it again."
            )
    for file in files:
        _check_size(file, column, common.max_bytes(options))
    items = _pictures(files, column, set(wanted.tolist()))
    return decode.collect(
        path.name,
        len(wanted),
        items,
        lambda kept: splits[wanted[kept]],
        options,
        lambda position: _picture(files, column, int(wanted[position])),
    )


def read_labels(options: DataOptions) -> Labels | None:
    """Read the label column; None where there is none."""
    files = _files(common.source_path(options, "parquet"))
    column = _label_column(files[0], options)
    if column is None:
        return None
    values = [value for file in files for value in _values(file, column)]
    labels, names = common.encode_labels(values)
    declared = _declared_names(files[0], column)
    if declared and all(isinstance(value, int) for value in values if value is not None):
        if max((value for value in values if value is not None), default=0) >= len(declared):
            raise DataError(
                f"{files[0]}: the labels of column {column} go beyond the {len(declared)} class names that it declares. Write it again."
            )
        labels = np.array(
            [-1 if value is None else max(value, -1) for value in values], dtype=np.int32
        )
        names = declared
    splits = _splits(files, options)
    return common.collect_labels(
        labels, names, splits, options, ids=np.array([f"row-{i:07d}" for i in range(len(splits))])
    )


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no .parquet file. Check the path given to --data.")
    for file in files:
        _schema(file)
    return files


def _schema(file: Path) -> pa.Schema:
    return _metadata(file).schema.to_arrow_schema()


def _metadata(file: Path) -> pq.FileMetaData:
    if file.exists() and not file.is_file():
        raise DataError(f"{file} is no regular file. Check the path given to --data.")
    try:
        found = pq.read_metadata(file)
        _ = found.schema.to_arrow_schema().names  # of which some may be no UTF-8
        return found
    except FileNotFoundError:
        raise DataError(f"{file} does not exist. Check the path given to --data.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{file} cannot be read as parquet ({' '.join(str(error).split())}). Fetch or write it again."
        ) from error


def _check_size(file: Path, column: str, limit: int) -> None:
    """Refuse a file of which one row group's pictures would fill the memory."""
    metadata = _metadata(file)
    for group in range(metadata.num_row_groups):
        parts = [metadata.row_group(group).column(i) for i in range(metadata.num_columns)]
        size = sum(
            part.total_uncompressed_size
            for part in parts
            if part.path_in_schema.partition(".")[0] == column
        )
        if size > limit:
            raise DataError(
                f"{file} is refused: a row group of {column} has {size} bytes, more than {limit}. If you trust it, raise --max-bytes."
            )


def _splits(files: list[Path], options: DataOptions) -> np.ndarray:
    counts = [_metadata(file).num_rows for file in files]
    kinds = [
        TRAIN
        if file.name.startswith(TRAIN)
        else TEST
        if file.name.startswith(("test", "val"))
        else ""
        for file in files
    ]
    if set(kinds) == {TRAIN, TEST}:
        return np.repeat(kinds, counts)
    return held_out_splits(sum(counts), options.held_out)


def _is_picture(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_picture(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _image_column(file: Path, options: DataOptions) -> str:
    schema = _schema(file)
    found = [field.name for field in schema if _is_picture(field.type)]
    if options.image_column is not None:
        if options.image_column not in found:
            raise ConfigError(
                f"--image-column {options.image_column}: {file} has no such column of pictures; it has {', '.join(found) or 'none'}."
            )
        return options.image_column
    if not found:
        raise DataError(
            f"{file} has no column of pictures (bytes, or a struct of bytes and path); its columns are {', '.join(schema.names)}."
        )
    return found[0]


def _label_column(file: Path, options: DataOptions) -> str | None:
    names = _schema(file).names
    if options.label_column is not None:
        if options.label_column not in names:
            raise ConfigError(
                f"--label-column {options.label_column}: {file} has no such column; it has {', '.join(names)}."
            )
        return options.label_column
    return next((name for name in LABEL_COLUMNS if name in names), None)


def _declared_names(file: Path, column: str) -> tuple[str, ...] | None:
    """Return the class names that Hugging Face datasets wrote into the file's metadata."""
    try:
        metadata = json.loads((_schema(file).metadata or {})[b"huggingface"])
        return tuple(metadata["info"]["features"][column]["names"])
    except (KeyError, TypeError, ValueError):
        return None


def _pictures(
    files: list[Path], column: str, wanted: set[int]
) -> Iterator[tuple[str, bytes | None]]:
    """Yield (id, bytes) of the wanted rows, a row group at a time."""
    row = 0
    for file in files:
        for value in _values(file, column):
            if row in wanted:
                yield f"row-{row:07d}", value.get("bytes") if isinstance(value, dict) else value
            row += 1


def _picture(files: list[Path], column: str, row: int) -> bytes:
    """Return the bytes of the picture of one row, counted through all files.

    Raises
    ------
    DataError
        If the files have changed.
    """
    for file in files:
        metadata = _metadata(file)
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            if row < count:
                value = (
                    pq.ParquetFile(file, page_checksum_verification=True)
                    .read_row_group(group, columns=[column])
                    .column(0)[row]
                    .as_py()
                )
                return value["bytes"] if isinstance(value, dict) else value
            row -= count
    raise DataError(f"{files[0].name} has fewer rows than it had. Fit again into another --run.")


def _values(file: Path, column: str) -> Iterator[Any]:
    """Yield the values of a column, few rows at a time: a dictionary may unpack to many large pictures."""
    announced, found = _metadata(file).num_rows, 0
    try:
        for batch in pq.ParquetFile(file, page_checksum_verification=True).iter_batches(
            batch_size=ROWS, columns=[column]
        ):
            found += batch.num_rows
            for value in batch.column(0):
                yield value.as_py()
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException) as error:
        raise DataError(
            f"{file} is damaged ({' '.join(str(error).split())}). Fetch or write it again."
        ) from error
    if found != announced:
        raise DataError(
            f"{file} is damaged: it has {found} rows of {column}, not the {announced} that it announces. Fetch or write it again."
        )
