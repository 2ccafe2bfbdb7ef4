"""Parquet files that pandas, Hugging Face datasets and viewers open directly, written atomically."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.errors import DataError, RunError
from latentlab.storage.files import atomic_path

LARGEST = 1e15  # of a vector's numbers: their squares have to fit into float32


def write(target: Path, table: pa.Table) -> Path:
    """Write one table to one file, atomically and with checksums, and return its path."""
    with atomic_path(target) as path:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    return target


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        return pq.read_table(
            path, columns=columns, partitioning=None, page_checksum_verification=True
        )
    except FileNotFoundError:
        raise RunError(f"{path} is missing. Run the stage before it again.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(
            f"{path} cannot be read ({' '.join(str(error).split())}). Remove it and run its stage again."
        ) from error


def vectors(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """Return a float32 matrix of shape (n, d) as a column of n vectors."""
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of n vectors as a float32 matrix of shape (n, d)."""
    width = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).reshape(-1, width) if parts else np.empty((0, width), np.float32)


def read_vectors(path: Path) -> tuple[list[Any], np.ndarray]:
    """Return ids and vectors, float32 (n, d), of any parquet file with a column of vectors.

    Raises
    ------
    DataError
        If there is no file, no such column, or its vectors differ in length or hold numbers that are not finite.
    """
    try:
        return _read_vectors(path)
    except DataError:
        raise
    except (
        OSError,
        ValueError,
        pa.ArrowException,
    ) as error:  # UnicodeDecodeError too: of names and ids that are no UTF-8
        raise DataError(
            f"{path} cannot be read as parquet ({' '.join(str(error).split())})."
        ) from error


def _read_vectors(path: Path) -> tuple[list[Any], np.ndarray]:
    table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    lists = [field.name for field in table.schema if _is_vector(field.type)]
    if not lists:
        raise DataError(
            f"{path} has no column of vectors: it has {', '.join(table.column_names) or 'none'}. Write one as lists of numbers."
        )
    name = "embedding" if "embedding" in lists else lists[0]
    vectors = _stacked(path, name, table[name])
    rows_off = np.flatnonzero(~(np.abs(vectors) <= LARGEST).all(axis=1))
    if len(rows_off):
        what = f"above {LARGEST:g} in size" if np.isfinite(vectors).all() else "not finite"
        raise DataError(
            f"{path}: column {name!r} holds numbers that are {what}, first in row {int(rows_off[0])}."
        )
    ids = table["id"].to_pylist() if "id" in table.column_names else list(range(len(vectors)))
    if None in ids or len(set(map(str, ids))) != len(ids):
        raise DataError(
            f"{path}: the ids are not unique, or some are missing. Give every vector its own."
        )
    return ids, vectors


def _is_vector(kind: pa.DataType) -> bool:
    is_list = (
        pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)
    )
    return is_list and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )


def _stacked(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists as float32 (n, d)."""
    rows = column.to_pylist()
    if len({len(row) if row is not None else -1 for row in rows}) != 1 or not rows[0]:
        raise DataError(f"{path}: the vectors of column {name!r} are missing or differ in length.")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told of
        return np.asarray(rows, np.float64).astype(np.float32)


def read_assignment(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids (str), splits (str) and clusters (int32), each of shape (n,), of a table of assignments."""
    table = read(path, ["id", "split", "cluster"])
    ids, splits = (np.asarray(table[name].to_pylist(), dtype=str) for name in ("id", "split"))
    return ids, splits, np.asarray(table["cluster"], dtype=np.int32)
