"""Parquet files, written atomically; pandas, Hugging Face datasets and viewers open them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.errors import RunError
from latentlab.storage import guard
from latentlab.storage.files import atomic_path
from latentlab.storage.memory_budget import allowed_for
from latentlab.storage.parquet_reading import ParquetReader

EXPANSION = 1000  # times its own size that a table of a run may take: some hold mostly zeros
LARGEST = 1e15  # magnitude of a vector's numbers: their squares must fit into float32

_sound: dict[str, tuple[int, int]] = {}  # path -> time and size when it was written or checked


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
    status = target.stat()
    _sound[str(target)] = (status.st_mtime_ns, status.st_size)
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
        If the file is missing or damaged, lacks a column, or would take far more memory than its
        size tells.
    """
    guard.reading(path)
    try:
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        if _sound.get(str(path)) != state:
            reader = ParquetReader(path, allowed_for(status.st_size, None, EXPANSION))
            reader.check_columns(columns)
            if columns is None:
                _sound[str(path)] = state
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


def schema(path: Path) -> pa.Schema:
    """Return the schema of a parquet file, which may be a run's.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pyarrow.Schema

    Raises
    ------
    OSError, pyarrow.ArrowException
        If the file is missing or damaged.
    RunError
        If it is reached by a link that leads out of its run.
    """
    guard.inside(path)
    return pq.read_schema(path)


def count_rows(path: Path) -> int:
    """Return the number of rows of a parquet file; errors as in `schema`.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    int
    """
    guard.inside(path)
    return pq.read_metadata(path).num_rows


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
