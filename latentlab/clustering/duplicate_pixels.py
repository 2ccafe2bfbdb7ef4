"""Small grey versions of images, in which duplicates are looked for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.data.images import ImageSet

SIDE = 32  # pixels of the small versions
SHARD_BYTES = 2**26  # of pixels that are read at once
RED_GREEN_BLUE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class SmallImages:
    """The properties of n images that are compared.

    Attributes
    ----------
    grey : ndarray of shape (n, SIDE, SIDE), uint8
        Small grey versions, stretched to a square. Bars beside the picture are cut off first.
    digests : list of bytes
        SHA-256 of the pixels.
    """

    grey: np.ndarray
    digests: list[bytes]


def shrink(images: ImageSet, step: Callable[[int], None]) -> SmallImages:
    """Read every image once, and return what is compared.

    Parameters
    ----------
    images : ImageSet
        Of any size.
    step : callable
        Called with the number of images that were read.

    Returns
    -------
    SmallImages
        A kilobyte per image.
    """
    grey = np.empty((len(images), SIDE, SIDE), np.uint8)
    digests: list[bytes] = []
    for indices in images.shards(shard_size(images)):
        pixels = images.read(indices)
        grey[indices] = small_grey(pixels)
        digests += map(_digest, pixels)
        step(int(indices[-1]) + 1)
    return SmallImages(grey, digests)


def shard_size(images: ImageSet) -> int:
    """Return how many images are read at once.

    Parameters
    ----------
    images : ImageSet
        The images.
    """
    return max(1, SHARD_BYTES // int(np.prod(images.image_shape)))


def small_grey(pixels: np.ndarray) -> np.ndarray:
    """Return small grey versions, uint8 (n, SIDE, SIDE), without bars.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8
        The images.
    """
    small = small_colours(pixels)
    return grey_of(small).round().astype(np.uint8)


def small_colours(pixels: np.ndarray) -> np.ndarray:
    """Return small versions, float32 (n, SIDE, SIDE, channels), without bars.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8
        The images.
    """
    small = np.empty((len(pixels), SIDE, SIDE, pixels.shape[3]), np.float32)
    bars = bars_of(pixels)
    for rows, columns in np.unique(bars, axis=0).tolist():
        # Images with bars of one width are shrunk together.
        members = np.flatnonzero((bars == (rows, columns)).all(axis=1))
        height, width = pixels.shape[1:3]
        picture = pixels[members, rows : height - rows, columns : width - columns]
        small[members] = resized(picture, SIDE)
    return small


def grey_of(colours: np.ndarray) -> np.ndarray:
    """Return the brightness of images, float32 (n, height, width).

    Parameters
    ----------
    colours : ndarray of shape (n, height, width, channels)
        One channel, or red, green and blue.
    """
    if colours.shape[3] == 1:
        return colours[..., 0].astype(np.float32)
    return colours.astype(np.float32) @ RED_GREEN_BLUE


def bars_of(pixels: np.ndarray) -> np.ndarray:
    """Return the bars above and below, or beside the pictures, in pixels, int (n, 2).

    Bars are all black or all white, of one width on both sides, and on one axis only. They stand
    beside pictures that were put on a square.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels), uint8
        The images.
    """
    bars = np.zeros((len(pixels), 2), int)
    if min(pixels.shape[1:3]) <= SIDE:
        return bars
    for axis, along in ((0, 2), (1, 1)):
        lowest = pixels.min(axis=(along, 3))
        highest = pixels.max(axis=(along, 3))
        is_bar = (lowest == 255) | (highest == 0)
        before = (~is_bar).argmax(axis=1)
        after = (~is_bar[:, ::-1]).argmax(axis=1)
        is_even = (np.abs(before - after) <= 1) & ~is_bar.all(axis=1)
        bars[:, axis] = np.where(is_even, np.maximum(before, after), 0)
    bars[(bars > 0).all(axis=1)] = 0
    return bars


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return images of side x side pixels: averages over cells of equal size.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels)
        The images.
    side : int
        Height and width of the result. Cells take parts of pixels if it does not divide the
        images' sides.
    """
    n_images, height, width, channels = pixels.shape
    if height % side == 0 and width % side == 0:
        cells = pixels.reshape(n_images, side, height // side, side, width // side, channels)
        return cells.mean(axis=(2, 4), dtype=np.float32)
    down = _cell_weights(height, side)
    across = _cell_weights(width, side)
    small = np.empty((n_images, side, side, channels), np.float32)
    for number, image in enumerate(pixels):
        rows = np.tensordot(down, image.astype(np.float32), axes=1)
        small[number] = np.einsum("awc,bw->abc", rows, across, optimize=True)
    return small


def _digest(image: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


def _cell_weights(length: int, side: int) -> np.ndarray:
    """Return the matrix (side, length) that averages `length` pixels over `side` equal cells."""
    borders = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    overlap = np.minimum(borders[1:, None], pixel + 1) - np.maximum(borders[:-1, None], pixel)
    return np.maximum(overlap, 0).astype(np.float32) * side / length
