"""idx files: two zero bytes, a type, the number of axes, their lengths (big-endian), the values."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np

from latentlab.errors import DataError
from latentlab.storage import memory_budget

UNSIGNED_BYTES = 8  # the type
_GZIP = b"\x1f\x8b"


def read_idx(path: Path, max_bytes: int | None = None) -> np.ndarray:
    """Read an idx file of unsigned bytes, compressed by gzip or not.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int or None
        Largest number of bytes of the array; see `latentlab.storage.memory_budget`.

    Returns
    -------
    ndarray of uint8
        With the axes that the file announces.

    Raises
    ------
    DataError
        If it is no such file, or truncated, longer than its header says, or too large.
    """
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP
            raw.seek(0)
            file = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_packed else raw
            return _parse(file, memory_budget.allowed_bytes(path, max_bytes))
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DataError(
            f"cannot read {path}: {error}. It is no idx file or damaged: fetch it again."
        ) from error


def _parse(file: IO[bytes], limit: int) -> np.ndarray:
    zero, kind, axes = struct.unpack(">HBB", file.read(4))
    if zero != 0 or kind != UNSIGNED_BYTES:
        raise ValueError("it has no idx header of unsigned bytes")
    shape = struct.unpack(f">{axes}I", file.read(4 * axes))
    size = int(np.prod(shape, dtype=object))
    memory_budget.check_shape(shape, 1)
    taken = max(size, memory_budget.ROW_BYTES * max(shape[:1], default=0))
    if taken > limit:
        raise ValueError(
            f"its header announces the shape {shape}, which takes {taken} bytes, more than"
            f" {limit}; if you trust it, raise `max_bytes`"
        )
    content = file.read(size + 1)
    if len(content) != size:
        actual = "more than" if len(content) > size else len(content)
        raise ValueError(f"it has {actual} of the {size} bytes announced")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
