"""Parquet files, written atomically; pandas, Hugging Face datasets and viewers open them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.errors import DataError, RunError
from latentlab.storage.files import atomic_path

LARGEST = 1e15  # magnitude of a vector's numbers: their squares must fit into float32
EMBEDDING_COLUMN = "embedding"  # preferred if a file has several columns of vectors


def write(target: Path, table: pa.Table) -> Path:
    """Write a table to one file, atomically and with checksums.

    Parameters
    ----------
    target : Path
        The file; its folder is created.
    table : pyarrow.Table
        The table.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    with atomic_path(target) as path:
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    return target


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table that a run holds.

    Parameters
    ----------
    path : Path
        The file.
    columns : list of str or None
        The columns to read; None reads all.

    Returns
    -------
    pyarrow.Table

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
        reason = " ".join(str(error).split())
        raise RunError(
            f"{path} cannot be read ({reason}). Remove it and run its stage again."
        ) from error


def vectors(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """Return the rows of a matrix as a column.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)
        The vectors; they are stored as float32.

    Returns
    -------
    pyarrow.FixedSizeListArray of length n

    Examples
    --------
    >>> vectors(np.eye(2)).to_pylist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of vectors as a matrix: the way back from `vectors`.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of length n
        Vectors of one length d.

    Returns
    -------
    ndarray of shape (n, d), float32

    Examples
    --------
    >>> matrix(pa.chunked_array([vectors(np.eye(2))]))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    width = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).reshape(-1, width) if parts else np.empty((0, width), np.float32)


def read_vectors(path: Path) -> tuple[list[Any], np.ndarray]:
    """Read the vectors of any parquet file: a column of lists of numbers.

    Parameters
    ----------
    path : Path
        The file. A column "embedding" is preferred to other columns of vectors, and a column "id"
        names them.

    Returns
    -------
    ids : list
        Ids of the n vectors; their numbers from 0 if the file has none.
    vectors : ndarray of shape (n, d), float32

    Raises
    ------
    DataError
        If there is no such file or column, or its vectors differ in length or are not finite.
    """
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        name = _vector_column(path, table)
        rows = _stacked(path, name, table[name])
        _require_moderate(path, name, rows)
        return _unique_ids(path, table), rows
    except DataError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        # Among them UnicodeDecodeError, for names and ids that are not UTF-8.
        reason = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as parquet ({reason}).") from error


def _vector_column(path: Path, table: pa.Table) -> str:
    """Return the name of the column of vectors to read."""
    names = [field.name for field in table.schema if _is_vector(field.type)]
    if not names:
        columns = ", ".join(table.column_names) or "none"
        raise DataError(
            f"{path} has no column of vectors: it has {columns}. Write one as lists of numbers."
        )
    return EMBEDDING_COLUMN if EMBEDDING_COLUMN in names else names[0]


def _is_vector(kind: pa.DataType) -> bool:
    types = pa.types
    is_list = types.is_list(kind) or types.is_fixed_size_list(kind) or types.is_large_list(kind)
    if not is_list:
        return False
    return types.is_floating(kind.value_type) or types.is_integer(kind.value_type)


def _stacked(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of lists as a matrix, float32 (n, d)."""
    rows = column.to_pylist()
    lengths = {-1 if row is None else len(row) for row in rows}
    if len(lengths) != 1 or not rows[0]:
        raise DataError(f"{path}: the vectors of column {name!r} are missing or differ in length.")
    with np.errstate(over="ignore"):  # too large numbers become infinite, and are refused later
        return np.asarray(rows, np.float64).astype(np.float32)


def _require_moderate(path: Path, name: str, rows: np.ndarray) -> None:
    """Refuse vectors with numbers that are infinite, not numbers, or too large to be squared."""
    is_off = ~(np.abs(rows) <= LARGEST).all(axis=1)
    if not is_off.any():
        return
    fault = f"above {LARGEST:g} in size" if np.isfinite(rows).all() else "not finite"
    first = int(np.flatnonzero(is_off)[0])
    raise DataError(
        f"{path}: column {name!r} holds numbers that are {fault}, first in row {first}."
    )


def _unique_ids(path: Path, table: pa.Table) -> list[Any]:
    ids = table["id"].to_pylist() if "id" in table.column_names else list(range(table.num_rows))
    if None in ids or len(set(map(str, ids))) != len(ids):
        raise DataError(
            f"{path}: the ids are not unique, or some are missing. Give every vector its own."
        )
    return ids
