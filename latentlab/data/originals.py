"""Images as their source has them, before they are brought to one form."""

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from latentlab.data.pixels import PixelParts, PixelWriter
from latentlab.errors import DataError

AT_ONCE = 64  # images of an array that are read together


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a file that holds several, or one frame of an animation.

    Attributes
    ----------
    file : Path or bytes
        The file or its content.
    number : int
        Number of the page, from 1.
    offset : int
        Where the page begins in a TIFF; 0 if pages are counted to find it.
    """

    file: Path | bytes
    number: int
    offset: int = 0


class DamagedContent(bytes):
    """Stands for the content of a picture that its archive cannot give."""

    __slots__ = ()


Picture = Path | bytes | Page  # a picture file, its content, or a page of one
Pictures = Sequence[Picture | None]
Original = Picture | np.ndarray | None  # a picture, pixels, or nothing


class Originals(Protocol):
    """All images of a set, in order."""

    def entries(self, positions: np.ndarray) -> Iterator[Original]:
        """Yield some images.

        Parameters
        ----------
        positions : ndarray of int
            Their positions, from 0; neighbours in ascending order are read fastest.
        """
        ...


class PictureFiles:
    """The picture file of each image, looked up when it is asked for."""

    def __init__(self) -> None:
        self._shards: list[tuple[Pictures, np.ndarray]] = []
        self._starts: list[int] = []
        self._count = 0

    def add(self, pictures: Pictures, positions: np.ndarray) -> None:
        """Add the images that come from `positions` of a shard's pictures.

        Parameters
        ----------
        pictures : sequence of Path, bytes, Page or None
            All pictures of the shard.
        positions : ndarray of int
            Those to add.
        """
        if len(positions):
            self._shards.append((pictures, positions))
            self._starts.append(self._count)
            self._count += len(positions)

    def picture(self, index: int) -> Picture:
        """Return the path, the bytes or the page of the picture of an image.

        Parameters
        ----------
        index : int
            Position of the image.

        Raises
        ------
        DataError
            If the source has none.
        """
        picture = self._entry(index)
        if picture is None:
            raise DataError(f"image {index} has no picture any more. Fit again into another `run`.")
        return picture

    def entries(self, positions: np.ndarray) -> Iterator[Original]:
        """Yield the pictures of some images.

        Parameters
        ----------
        positions : ndarray of int
            See `Originals`.
        """
        for position in positions.tolist():
            yield self._entry(position)

    def _entry(self, index: int) -> Picture | None:
        number = bisect.bisect_right(self._starts, index) - 1
        pictures, positions = self._shards[number]
        return pictures[int(positions[index - self._starts[number]])]


class PixelArrays:
    """Pixels of a source at its own size, or sizes; they go to disk if memory is short."""

    def __init__(self) -> None:
        self._writers: list[tuple[int, PixelWriter]] = []  # first image, and images of one shape
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._parts: list[PixelParts] = []

    def __len__(self) -> int:
        return self._count

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the first image."""
        return self._finished()[0].image_shape

    def add(self, pixels: np.ndarray) -> None:
        """Add images.

        Parameters
        ----------
        pixels : ndarray of shape (m, height, width, channels), uint8
            Their pixels; the array is kept, not copied, while memory allows.
        """
        if pixels.shape[1:] != self._shape:
            self._shape = pixels.shape[1:]
            self._writers.append((self._count, PixelWriter()))
        self._writers[-1][1].append(pixels)
        self._count += len(pixels)

    def entries(self, positions: np.ndarray) -> Iterator[Original]:
        """Yield the pixels of some images.

        Parameters
        ----------
        positions : ndarray of int
            See `Originals`.
        """
        parts = self._finished()
        starts = np.array([start for start, _ in self._writers])
        for first in range(0, len(positions), AT_ONCE):
            block = positions[first : first + AT_ONCE]
            numbers = np.searchsorted(starts, block, side="right") - 1
            # Images of several shapes are rare, and cannot be read as one array.
            pieces = [block] if np.all(numbers == numbers[0]) else block[:, np.newaxis]
            for piece, number in zip(pieces, numbers, strict=False):
                yield from parts[number].read(piece - starts[number])

    def fingerprint(self) -> str:
        """Return the SHA-256 of the pixels, hexadecimal; several shapes are joined by "+"."""
        return "+".join(part.fingerprint() for part in self._finished())

    def _finished(self) -> list[PixelParts]:
        if not self._parts:
            self._parts = [writer.finish() for _, writer in self._writers]
        return self._parts


class PixelReader:
    """Pixels that a function reads.

    Parameters
    ----------
    read : callable
        read(positions) -> uint8 ndarray of shape (len(positions), height, width, channels).
    """

    def __init__(self, read: Callable[[np.ndarray], np.ndarray]) -> None:
        self._read = read

    def entries(self, positions: np.ndarray) -> Iterator[Original]:
        """Yield the pixels of some images.

        Parameters
        ----------
        positions : ndarray of int
            See `Originals`.
        """
        for first in range(0, len(positions), AT_ONCE):
            yield from self._read(positions[first : first + AT_ONCE])


class SomeOriginals:
    """Some of the images of a set.

    Parameters
    ----------
    originals : Originals
        All images.
    positions : ndarray of int
        Those that are left, in their new order.
    """

    def __init__(self, originals: Originals, positions: np.ndarray) -> None:
        self._originals = originals
        self._positions = positions

    def entries(self, positions: np.ndarray) -> Iterator[Original]:
        """Yield some images by their new positions.

        Parameters
        ----------
        positions : ndarray of int
            See `Originals`.
        """
        return self._originals.entries(self._positions[positions])
