"""Read NumPy files from untrusted sources: no pickles, no oversized arrays, no silent damage.

`numpy.load` reads as many bytes as an array's header asks for. If one flipped bit makes the header
ask for fewer, the checksum of the .npz is never compared, and half an array comes back.
"""

import errno
import io
import struct
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from numpy.lib import format as npy

from latentlab.errors import RunError
from latentlab.storage import guard, memory_budget
from latentlab.storage.memory_budget import TooLargeError, check_shape

LIMIT = 4 << 30  # bytes of all arrays of one file, unless the caller sets another limit
PIECE = 1 << 20  # bytes that are read at once
LONGEST_HEADER = 10_000  # bytes; NumPy's own limit, which it compares once they are read
MOST_ARRAYS = 10_000  # of a file
Content = TypeVar("Content")


@dataclass(frozen=True)
class ArrayHeader:
    """What an array's header announces.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    dtype : numpy.dtype
        Its numbers.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


def read_npz(
    path: Path, names: Collection[str] | None = None, limit: int | None = None
) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file.

    Parameters
    ----------
    path : Path
        The file.
    names : collection of str or None
        Names of the arrays to read, of which some may be missing; None reads all.
    limit : int or None
        Largest number of bytes of these arrays together, unpacked; None is `LIMIT`, and less for a
        small file, see `memory_budget.allowed_bytes`.

    Returns
    -------
    dict of str to ndarray
        Arrays by name.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TooLargeError
        If the arrays are larger than `limit`.
    ValueError
        If the file is damaged, or holds anything but arrays of plain numbers or text.
    """
    guard.reading(path)
    allowed = memory_budget.allowed_bytes(path, limit, LIMIT)
    return _of_archive(path, lambda archive: _read_members(archive, names, allowed))


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """Read what the arrays of an .npz file are, without reading them.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to ArrayHeader
        Headers by name.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If the file is damaged.
    """

    def read(archive: zipfile.ZipFile) -> dict[str, ArrayHeader]:
        headers = {}
        if len(archive.infolist()) > MOST_ARRAYS:
            raise ValueError(f"it has more than {MOST_ARRAYS:,} arrays")
        for member in archive.infolist():
            with archive.open(member) as file:
                shape, _, dtype = _header(file)
            headers[member.filename.removesuffix(".npy")] = ArrayHeader(shape, dtype)
        return headers

    guard.reading(path)
    return _of_archive(path, read)


def read_header(path: Path) -> ArrayHeader:
    """Read what the array of an .npy file is, without reading it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If the file is damaged.
    """
    guard.reading(path)
    with path.open("rb") as file:
        try:
            shape, _, dtype = _header(file)
        except OSError:
            raise
        except Exception as error:  # damage makes NumPy raise nearly every kind of error
            raise ValueError(_reason(error)) from error
    return ArrayHeader(shape, dtype)


def _of_archive(path: Path, read: Callable[[zipfile.ZipFile], Content]) -> Content:
    """Return read(opened file); whatever damage raises becomes a ValueError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return read(archive)
    except (TooLargeError, MemoryError):
        raise
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset in the archive leads before its start
            raise ValueError("an offset leads out of the file") from error
        raise
    except Exception as error:
        # Damage makes zipfile and NumPy raise nearly every kind of error.
        raise ValueError(_reason(error)) from error


def read_stored(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file that a run holds.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to ndarray
        Arrays by name.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return read_npz(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged ({error}). Run its stage again.") from error


def read_stored_array(path: Path) -> np.ndarray:
    """Read the array of an .npy file that a run holds.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    ndarray

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return np.array(open_npy(path))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged ({error}). Run its stage again.") from error


def open_npy(path: Path) -> np.ndarray:
    """Open the array of an .npy file without reading it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    numpy.memmap
        The array, memory-mapped and read-only.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If the file is damaged, or holds anything but one array of plain numbers or text.
    """
    guard.reading(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(_reason(error)) from error
    if not isinstance(array, np.memmap):
        raise ValueError("it is no array")
    check_shape(array.shape, array.dtype.itemsize)
    announced = int(array.offset) + array.nbytes
    size = path.stat().st_size
    if announced != size:
        raise ValueError(f"its header announces {announced} bytes and it has {size}")
    return array


def _reason(error: Exception) -> str:
    """Return the text of an error on one line, or the name of its class."""
    return " ".join(str(error).split()) or type(error).__name__


def _read_members(
    archive: zipfile.ZipFile, names: Collection[str] | None, limit: int
) -> dict[str, np.ndarray]:
    """Read the arrays with these names, once their sizes have been checked."""
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise ValueError("it has two arrays of one name")
    if names is not None:
        members = {name: member for name, member in members.items() if name in names}
    total = sum(member.file_size for member in members.values())
    memory_budget.check(total, limit, "its arrays")
    return {name: _read_member(archive, member) for name, member in members.items()}


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one array and compare its size with its header."""
    with archive.open(member) as file:
        # The header must announce plain numbers or text, and exactly the bytes that follow.
        shape, is_fortran, dtype = _header(file)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(f"{member.filename} holds {dtype}, not plain numbers or text")
        count = int(np.prod(shape, dtype=object))
        if file.tell() + count * dtype.itemsize != member.file_size:
            raise ValueError(
                f"{member.filename} has {member.file_size} bytes, "
                "which is not what its header announces"
            )
        # Reading to the end makes zipfile compare the checksum.
        array = np.empty(count, dtype)
        _fill(file, array.view(np.uint8).data if count else memoryview(b""))
        if file.read(1):
            raise ValueError(f"{member.filename} is longer than announced")
    return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    form = {(1, 0): "<H", (2, 0): "<I"}.get(version)
    if form is None:
        raise ValueError(f"its arrays have the format {version}")
    # NumPy takes what a header says of its own length; a packed one may say 4 GiB.
    start = file.read(struct.calcsize(form))
    (length,) = struct.unpack(form, start)
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {length} bytes")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read(io.BytesIO(start + file.read(length)))
    check_shape(shape, dtype.itemsize)
    if any(length < 0 for length in shape):
        raise ValueError(f"its header announces the shape {shape}")
    return shape, is_fortran, dtype


def _fill(file: IO[bytes], view: memoryview) -> None:
    """Read as many bytes as the view has."""
    done = 0
    while done < len(view):
        piece = file.read(min(PIECE, len(view) - done))
        if not piece:
            raise ValueError(f"it ends after {done} of {len(view)} bytes")
        view[done : done + len(piece)] = piece
        done += len(piece)
