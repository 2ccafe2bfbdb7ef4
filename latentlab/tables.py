"""Parquet files that pandas, Hugging Face datasets and viewers open directly, written atomically."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.errors import RunError
from latentlab.files import atomic_path


def write(target: Path, table: pa.Table) -> Path:
    """Write one table to one file, atomically, and return its path."""
    with atomic_path(target) as path:
        pq.write_table(table, path, compression="zstd")
    return target


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except FileNotFoundError:
        raise RunError(f"{path} is missing. Run the stage before it again.") from None
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path} cannot be read ({error}). Remove it and run its stage again.") from error


def vectors(matrix: np.ndarray) -> pa.FixedSizeListArray:
    """Return a float32 matrix of shape (n, d) as a column of n vectors."""
    flat = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of n vectors as a float32 matrix of shape (n, d)."""
    width = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).reshape(-1, width) if parts else np.empty((0, width), np.float32)


def read_assignment(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids (str), splits (str) and clusters (int32), each of shape (n,), of a table of assignments."""
    table = read(path, ["id", "split", "cluster"])
    ids, splits = (np.asarray(table[name].to_pylist(), dtype=str) for name in ("id", "split"))
    return ids, splits, np.asarray(table["cluster"], dtype=np.int32)
