"""Pixels of many images: in memory, in memory-mapped files or in a temporary file."""

import hashlib
import mmap
import tempfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from latentlab.data.places import cache_folder
from latentlab.errors import DataError

MEMORY_LIMIT = 2 << 30  # bytes; more pixels than this go to a temporary file
PART_BYTES = 64 << 20  # single images are joined to arrays of about this size
HASHED_AT_ONCE = 4096  # images


class PixelParts:
    """Images in one or several arrays, in order, with random access.

    Parameters
    ----------
    parts : sequence of ndarray of shape (m, height, width, channels), uint8
        At least one array. Views of memory-mapped files are read from disk when they are needed.

    Examples
    --------
    >>> zeros, ones = np.zeros((2, 1, 1, 1), np.uint8), np.ones((3, 1, 1, 1), np.uint8)
    >>> PixelParts([zeros, ones]).read(np.array([4, 0, 2])).ravel().tolist()
    [1, 0, 1]
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self._parts = list(parts)
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._mappings = _distinct([_mapping(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self._parts[0].shape[1:]
        return height, width, channels

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return a copy of some images.

        Parameters
        ----------
        indices : ndarray of int
            Positions of the images.

        Returns
        -------
        ndarray of shape (len(indices), height, width, channels), uint8
            The images, in the order of `indices`.
        """
        if len(self._parts) == 1:
            images = self._parts[0][indices]
        else:
            images = self._read_from_parts(np.asarray(indices))
        self._release()
        return images

    def _read_from_parts(self, indices: np.ndarray) -> np.ndarray:
        positions = as_positions(indices, len(self))
        images = np.empty((len(positions), *self.image_shape), np.uint8)
        part_numbers = np.searchsorted(self._starts, positions, side="right") - 1
        for number in np.unique(part_numbers):
            rows = np.flatnonzero(part_numbers == number)
            images[rows] = self._parts[number][positions[rows] - self._starts[number]]
        return images

    def fingerprint(self) -> str:
        """Return the SHA-256 of the shape and of all pixels, hexadecimal."""
        shape = (len(self), *self.image_shape)
        digest = hashlib.sha256(repr(shape).encode())
        for part in self._parts:
            for start in range(0, len(part), HASHED_AT_ONCE):
                piece = part[start : start + HASHED_AT_ONCE]
                digest.update(np.ascontiguousarray(piece).data)
                self._release()
        return digest.hexdigest()

    def _release(self) -> None:
        """Give the pages of mapped files back, so that memory stays flat."""
        for mapping in self._mappings:
            _give_back(mapping)


class PixelWriter:
    """Collects images in order, without holding more than a limit in memory.

    Views of memory-mapped files stay where they are. Other pixels stay in memory until there are
    more than `memory_limit` bytes of them, and all move to a temporary file then. The file has no
    name, or is deleted when it is closed, so that a killed process leaves nothing behind.

    Parameters
    ----------
    memory_limit : int
        Bytes.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._memory_limit = memory_limit
        self._in_memory = 0  # bytes
        self._entries: list[np.ndarray | range] = []  # arrays, or rows of the file
        self._singles: list[np.ndarray] = []
        self._file: IO[bytes] | None = None
        self._rows_in_file = 0
        self._image_shape: tuple[int, ...] = ()

    def append_image(self, image: np.ndarray) -> None:
        """Add one image.

        Parameters
        ----------
        image : ndarray of shape (height, width, channels), uint8
            Its pixels.
        """
        self._singles.append(image)
        if len(self._singles) * image.nbytes >= PART_BYTES:
            self._join_singles()

    def append(self, pixels: np.ndarray) -> None:
        """Add images.

        Parameters
        ----------
        pixels : ndarray of shape (m, height, width, channels), uint8
            Their pixels. The array is kept, not copied, while memory allows.

        Raises
        ------
        DataError
            If the disk has no room for them.
        """
        self._join_singles()
        self._add(pixels)

    def finish(self) -> PixelParts:
        """Return all images for random access.

        Returns
        -------
        PixelParts
            The images in the order in which they were added.
        """
        self._join_singles()
        if self._file is None:
            return PixelParts([entry for entry in self._entries if isinstance(entry, np.ndarray)])
        with self._file as file:
            file.flush()
            shape = (self._rows_in_file, *self._image_shape)
            mapped = np.memmap(file, dtype=np.uint8, mode="r", shape=shape)
        return PixelParts([self._pixels_of(entry, mapped) for entry in self._entries])

    def _pixels_of(self, entry: np.ndarray | range, mapped: np.ndarray) -> np.ndarray:
        if isinstance(entry, range):
            return mapped[entry.start : entry.stop]
        return entry

    def _join_singles(self) -> None:
        if self._singles:
            pixels = np.stack(self._singles)
            self._singles.clear()
            self._add(pixels)

    def _add(self, pixels: np.ndarray) -> None:
        shape = self._image_shape or pixels.shape[1:]
        if pixels.shape[1:] != shape:
            raise DataError(
                f"images of one set need one shape, not {shape} and {pixels.shape[1:]}",
                hint="Choose a `size`.",
            )
        self._image_shape = shape
        if _mapping(pixels) is None:
            self._in_memory += pixels.nbytes
        self._entries.append(pixels)
        if self._in_memory > self._memory_limit:
            self._move_to_file()

    def _move_to_file(self) -> None:
        """Write all arrays that are in memory to the temporary file."""
        folder = cache_folder("decoded")
        try:
            if self._file is None:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # `finish` closes it
            for number, entry in enumerate(self._entries):
                if isinstance(entry, np.ndarray) and _mapping(entry) is None:
                    self._entries[number] = self._write(entry, self._file)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(
                f"cannot hold the images in {folder}: {reason}",
                hint="Free the disk or use `limit`.",
            ) from error

    def _write(self, pixels: np.ndarray, file: IO[bytes]) -> range:
        file.write(np.ascontiguousarray(pixels).data)
        rows = range(self._rows_in_file, self._rows_in_file + len(pixels))
        self._rows_in_file = rows.stop
        return rows


def as_positions(indices: np.ndarray, count: int) -> np.ndarray:
    """Return positions from 0 of NumPy indices, which may be negative or a mask.

    Parameters
    ----------
    indices : ndarray of int or bool
        What an array would take between brackets.
    count : int
        Number of images.

    Raises
    ------
    IndexError
        If there is no such image.

    Examples
    --------
    >>> as_positions(np.array([0, -1]), 5).tolist()
    [0, 4]
    """
    if indices.dtype == bool:
        return np.flatnonzero(indices)
    positions = np.where(indices < 0, indices + count, indices)
    if np.any(positions < 0) or np.any(positions >= count):
        raise IndexError(f"an index is out of range for {count} images")
    return positions


def release(pixels: np.ndarray) -> None:
    """Give the pages of a memory-mapped file back, of which an array is a view.

    Parameters
    ----------
    pixels : ndarray
        Any array; nothing happens if it is in memory.
    """
    mapping = _mapping(pixels)
    if mapping is not None:
        _give_back(mapping)


def _mapping(pixels: np.ndarray) -> mmap.mmap | None:
    """Return the memory-mapped file that an array is a view of."""
    base: Any = pixels
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base


def _distinct(mappings: Sequence[mmap.mmap | None]) -> list[mmap.mmap]:
    by_id = {id(mapping): mapping for mapping in mappings if mapping is not None}
    return list(by_id.values())


def _give_back(mapping: mmap.mmap) -> None:
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)
