"""Read NumPy files without trusting them: no pickles, nothing larger than allowed, and no damage that goes unnoticed.

`numpy.load` reads only as many bytes as an array's header asks for. Where one flipped bit makes the header ask for fewer,
the checksum of the .npz is never looked at, and half an array comes back without a word.
"""

import errno
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from latentlab.errors import RunError

LIMIT = (
    4 << 30
)  # bytes of all arrays of one file that are read where the caller does not say otherwise
PIECE = 1 << 20


class TooLargeError(ValueError):
    """A file holds more than is allowed."""


def read_npz(
    path: Path, names: Collection[str] | None = None, limit: int = LIMIT
) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file by name.

    Parameters
    ----------
    names : collection of str or None
        Read those arrays only, of which some may be missing; None: all.
    limit : int
        Largest number of bytes, of all arrays together and unpacked.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TooLargeError
        If the arrays are larger than `limit`.
    ValueError
        If the file is damaged in any way, or holds anything but arrays of plain numbers or text.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, names, limit)
    except (TooLargeError, MemoryError):
        raise
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset in the archive leads before its start
            raise ValueError("an offset leads out of the file") from error
        raise
    except Exception as error:  # zipfile and NumPy raise nearly every kind: BadZipFile, KeyError, EOFError, struct.error, ...
        raise ValueError(" ".join(f"{error}".split()) or type(error).__name__) from error


def kept(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file that a run holds.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return read_npz(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged ({error}). Run its stage again.") from error


def kept_array(path: Path) -> np.ndarray:
    """Return the array of an .npy file that a run holds; errors as in `kept`."""
    try:
        return np.array(open_npy(path))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged ({error}). Run its stage again.") from error


def open_npy(path: Path) -> np.ndarray:
    """Return the array of an .npy file, memory-mapped; errors as in `read_npz`."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(" ".join(f"{error}".split()) or type(error).__name__) from error
    if not isinstance(array, np.memmap):
        raise ValueError("it is no array")
    announced, there = int(array.offset) + array.nbytes, path.stat().st_size
    if announced != there:
        raise ValueError(f"its header announces {announced} bytes and it has {there}")
    return array


def _read_members(
    archive: zipfile.ZipFile, names: Collection[str] | None, limit: int
) -> dict[str, np.ndarray]:
    members = archive.infolist()
    if len({member.filename for member in members}) != len(members):
        raise ValueError("it has two arrays of one name")
    members = [
        member
        for member in members
        if names is None or member.filename.removesuffix(".npy") in names
    ]
    total = sum(member.file_size for member in members)
    if total > limit:
        raise TooLargeError(f"its arrays have {total} bytes, more than {limit}")
    return {
        member.filename.removesuffix(".npy"): _read_member(archive, member) for member in members
    }


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        shape, is_fortran, dtype = _header(file)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(f"{member.filename} holds {dtype}, not plain numbers or text")
        count = int(np.prod(shape, dtype=object))
        if file.tell() + count * dtype.itemsize != member.file_size:
            raise ValueError(
                f"{member.filename} has {member.file_size} bytes, which is not what its header announces"
            )
        array = np.empty(count, dtype)
        _fill(file, array.view(np.uint8).data if count else memoryview(b""))
        if file.read(1):  # at the end the checksum is compared
            raise ValueError(f"{member.filename} is longer than announced")
    return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its arrays have the format {version}")
    return (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)


def _fill(file: IO[bytes], view: memoryview) -> None:
    done = 0
    while done < len(view):
        piece = file.read(min(PIECE, len(view) - done))
        if not piece:
            raise ValueError(f"it ends after {done} of {len(view)} bytes")
        view[done : done + len(piece)] = piece
        done += len(piece)
