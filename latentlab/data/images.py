"""The unlabelled collection of images that everything works on."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentlab.data.pixels import PixelParts
from latentlab.data.resizing import as_picture
from latentlab.data.splits import TEST, TRAIN, numbered_ids
from latentlab.errors import ConfigError, DataError

__all__ = [
    "TEST",
    "TRAIN",
    "ImageSet",
    "Unreadable",
    "as_input",
    "from_array",
    "with_channels",
]


@dataclass(frozen=True)
class Unreadable:
    """An image that is left out: it could not be read, or there is no vector for it.

    Attributes
    ----------
    path : str
        Its id: where it is.
    reason : str
        Why it is left out.
    status : str
        Its status in images.parquet.
    """

    path: str
    reason: str
    status: str = "unreadable"


@dataclass(frozen=True)
class ImageSet:
    """Images without labels, not even optionally.

    Attributes
    ----------
    name : str
        Name of the data, for titles.
    ids : ndarray of shape (n,), str
        Stable and unique: a relative path, or "train/00017".
    splits : ndarray of shape (n,), str
        "train" for images to fit on, "test" for held-out images, which are assigned and scored.
    image_shape : tuple of int
        Height, width and channels; channels is 1 (grey) or 3 (RGB).
    read : callable
        read(indices) -> uint8 ndarray of shape (len(indices), height, width, channels).
    fingerprint : str
        Hexadecimal SHA-256 that changes if the images or their order change. It is that of the
        source's pixels even if `with_channels` changed the colours.
    unreadable : tuple of Unreadable
        Images that the source skipped.
    source : callable or None
        source(index) -> path or bytes of the picture file of an image. None if there are no files.
    """

    name: str
    ids: np.ndarray
    splits: np.ndarray
    image_shape: tuple[int, int, int]
    read: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    fingerprint: str = ""
    unreadable: tuple[Unreadable, ...] = ()
    source: Callable[[int], Path | bytes] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.ids) == 0:
            raise DataError(f"{self.name}: no readable image was found.")
        if len(self.ids) != len(self.splits):
            raise DataError(
                f"{self.name}: {len(self.ids)} ids but {len(self.splits)} split entries."
            )
        if len(np.unique(self.ids)) != len(self.ids):
            raise DataError(f"{self.name}: image ids are not unique.")

    def __len__(self) -> int:
        return len(self.ids)

    def indices(self, split: str) -> np.ndarray:
        """Return the positions of the images of one split.

        Parameters
        ----------
        split : {"train", "test"}
            The split.

        Returns
        -------
        ndarray of int64
            Positions, ascending.
        """
        return np.flatnonzero(self.splits == split)

    def shards(self, size: int) -> Iterator[np.ndarray]:
        """Yield the positions of all images, a batch at a time.

        Parameters
        ----------
        size : int
            Number of images in a batch; the last one may be smaller.

        Yields
        ------
        ndarray of int64
            Consecutive positions.
        """
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))


def from_array(
    name: str,
    images: np.ndarray,
    splits: np.ndarray,
    ids: Sequence[str] | np.ndarray | None = None,
) -> ImageSet:
    """Make an ImageSet of an array.

    Parameters
    ----------
    name : str
        Name of the data, for titles.
    images : ndarray of shape (n, height, width, channels), uint8
        The images, in memory or memory-mapped.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image.
    ids : sequence of str or None
        Unique ids; by default the split and the number in it, such as "train/00017".

    Returns
    -------
    ImageSet
        It keeps the array and does not copy it.

    Raises
    ------
    DataError
        If the array has another shape or type, or the ids are not unique.

    Examples
    --------
    >>> images = np.zeros((2, 8, 8, 3), np.uint8)
    >>> image_set = from_array("black", images, np.array(["train", "test"]))
    >>> image_set.ids.tolist(), image_set.image_shape
    (['train/00000', 'test/00000'], (8, 8, 3))
    """
    check_pixels(name, images)
    pixels = PixelParts([images])
    return ImageSet(
        name=name,
        ids=numbered_ids(splits) if ids is None else np.asarray(ids, dtype=str),
        splits=np.asarray(splits, dtype=str),
        image_shape=pixels.image_shape,
        read=pixels.read,
        fingerprint=pixels.fingerprint(),
    )


def check_pixels(name: str, images: np.ndarray) -> None:
    """Refuse an array that is not one of images.

    Parameters
    ----------
    name : str
        Name of the data, for the message.
    images : ndarray
        Has to be uint8 of shape (n, height, width, channels).

    Raises
    ------
    DataError
        If it is something else.
    """
    if images.ndim != 4 or images.dtype != np.uint8:
        raise DataError(
            f"{name}: expected uint8 images of shape (n, height, width, channels), "
            f"got {images.dtype} {images.shape}."
        )


def as_input(images: np.ndarray) -> np.ndarray:
    """Return images as a network takes them.

    Parameters
    ----------
    images : ndarray of uint8
        Pixels from 0 to 255, of any shape.

    Returns
    -------
    ndarray of float32
        The same shape, in [0, 1].

    Examples
    --------
    >>> as_input(np.array([0, 255], np.uint8)).tolist()
    [0.0, 1.0]
    """
    return images.astype(np.float32) / np.float32(255)


def with_channels(images: ImageSet, channels: int) -> ImageSet:
    """Return the images in grey or in colour.

    Parameters
    ----------
    images : ImageSet
        The images.
    channels : {1, 3}
        1 for grey, as Pillow converts; 3 for colour, which repeats the grey channel.

    Returns
    -------
    ImageSet
        The same images, converted whenever they are read.

    Raises
    ------
    ConfigError
        If `channels` is another number.
    """
    if channels not in (1, 3):
        raise ConfigError(f"{images.name}: images have 1 or 3 channels, not {channels}.")
    if channels == images.image_shape[2]:
        return images
    convert = _to_colour if channels == 3 else _to_grey

    def read(indices: np.ndarray) -> np.ndarray:
        return convert(images.read(indices))

    shape = (*images.image_shape[:2], channels)
    return dataclasses.replace(images, image_shape=shape, read=read)


def _to_colour(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, axis=3)


def _to_grey(pixels: np.ndarray) -> np.ndarray:
    pictures = [as_picture(image).convert("L") for image in pixels]
    return np.array(pictures, np.uint8).reshape(*pixels.shape[:3], 1)
