"""The unlabelled collection of images that everything works on."""

import dataclasses
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np

from latentlab.data.intake import Intake, by_reason, joined
from latentlab.data.known_files import KnownFiles
from latentlab.data.originals import Originals, Picture, PixelReader, SomeOriginals
from latentlab.data.pictures.decode import PictureForm
from latentlab.data.pictures.picture_pass import PicturePass, PictureShard, Unreadable, read_each
from latentlab.data.pictures.resizing import as_picture
from latentlab.data.pixels import PixelParts, as_positions
from latentlab.data.splits import TEST, TRAIN, numbered_ids
from latentlab.errors import ConfigError, DataError

__all__ = [
    "TEST",
    "TRAIN",
    "ImageSet",
    "LazyImageSet",
    "PictureShard",
    "Unreadable",
    "as_input",
    "from_array",
    "with_channels",
]


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
    files : KnownFiles or None
        States of the picture files, if the set was opened lazily; see `latentlab.data.opening`.
    source_intake : Intake
        What the source has passed over, and where it found splits and labels.
    value_range : str or None
        The scale of numbers beyond 8 bits, as `DataOptions` takes it; None if there are none.
    """

    name: str
    ids: np.ndarray
    splits: np.ndarray
    image_shape: tuple[int, int, int]
    read: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    fingerprint: str = ""
    unreadable: tuple[Unreadable, ...] = ()
    source: Callable[[int], Picture] | None = field(default=None, repr=False)
    files: KnownFiles | None = field(default=None, repr=False)
    source_intake: Intake = field(default=Intake(), repr=False)
    value_range: str | None = None

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

    @property
    def intake(self) -> Intake:
        """The account of all that there is in the data."""
        faults = [(each.path, each.reason) for each in self.unreadable if each.was_tried]
        # Without a vector, for example: one reason each, which names no row.
        others = [(each.path, each.status) for each in self.unreadable if not each.was_tried]
        passed_over = joined([self.source_intake.passed_over, by_reason(others)])
        source_intake = dataclasses.replace(self.source_intake, passed_over=passed_over)
        return source_intake.completed(len(self), faults)

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

    def try_read(self, indices: np.ndarray) -> list[np.ndarray | str]:
        """Return some images, or the reasons why they cannot be read.

        Parameters
        ----------
        indices : ndarray of int
            Positions of the images.

        Returns
        -------
        list of ndarray of shape (height, width, channels), uint8, or str
            Pixels or a reason, in the order of `indices`.
        """
        return list(self.read(indices))

    def read_readable(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images among some that can be read, and their positions.

        Parameters
        ----------
        indices : ndarray of int
            Positions of the images.

        Returns
        -------
        positions : ndarray of int
            Those of `indices` that can be read, in the same order.
        pixels : ndarray of shape (len(positions), height, width, channels), uint8
            These images.
        """
        return indices, self.read(indices)

    def subset(self, positions: np.ndarray) -> Self:
        """Return the set with some of its images only.

        Parameters
        ----------
        positions : ndarray of int
            Positions of the images that stay, in their new order.

        Returns
        -------
        ImageSet
            With the fingerprint of the whole set.
        """
        positions = as_positions(np.asarray(positions), len(self))
        return dataclasses.replace(
            self,
            ids=self.ids[positions],
            splits=self.splits[positions],
            files=None if self.files is None else self.files.subset(positions),
            **self._parts_of_subset(positions),
        )

    def _parts_of_subset(self, positions: np.ndarray) -> dict[str, Any]:
        def read(indices: np.ndarray) -> np.ndarray:
            return self.read(positions[indices])

        return {"read": read, "source": self._source_of(positions)}

    def _source_of(self, positions: np.ndarray) -> Callable[[int], Picture] | None:
        source = self.source
        return None if source is None else lambda index: source(int(positions[index]))

    def pictures(
        self,
        shard_size: int,
        with_thumbnails: np.ndarray | bool = True,
        skip: Container[int] = (),
    ) -> Iterator[PictureShard]:
        """Go through all images once; the next shard is decoded while the caller works on this one.

        Parameters
        ----------
        shard_size : int
            Images of a shard; the last one may have fewer.
        with_thumbnails : ndarray of shape (n,), bool, or bool
            Which images get a thumbnail.
        skip : container of int
            Numbers of shards to leave out, since they have been worked on already.

        Yields
        ------
        PictureShard
            In order. No more than two shards are in memory, beside what the caller keeps; after
            an early end, `close()` of the iterator waits for its threads.

        Raises
        ------
        DataError
            If the images are not square, or the file with all images is damaged.
        """
        wanted = np.broadcast_to(np.asarray(with_thumbnails, dtype=bool), len(self))
        work = PicturePass(self.ids, self._originals(), self._form(), wanted)
        return work.shards(shard_size, skip)

    def _originals(self) -> Originals:
        return PixelReader(self.read)

    def _form(self) -> PictureForm:
        height, width, channels = self.image_shape
        if height != width:
            raise DataError(
                f"{self.name}: images of {width}x{height} pixels are not square",
                hint="Choose a `size`.",
            )
        return PictureForm(size=height, channels=channels)

    def _converted(self, channels: int) -> Self:
        convert = _to_colour if channels == 3 else _to_grey

        def read(indices: np.ndarray) -> np.ndarray:
            return convert(self.read(indices))

        shape = (*self.image_shape[:2], channels)
        return dataclasses.replace(self, image_shape=shape, read=read)


@dataclass(frozen=True)
class LazyImageSet(ImageSet):
    """Images that are decoded or resized whenever they are read.

    Some of them may turn out to be unreadable: `read` raises DataError for such an image,
    `try_read` returns the reason, and `pictures` lists it.

    Attributes
    ----------
    originals : Originals
        The images as the source has them.
    form : PictureForm
        The form into which they are brought.
    """

    read: Callable[[np.ndarray], np.ndarray] = field(init=False, repr=False)
    originals: Originals = field(kw_only=True, repr=False)
    form: PictureForm = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "read", self._read)

    def try_read(self, indices: np.ndarray) -> list[np.ndarray | str]:
        """Return some images, or the reasons why they cannot be read; see `ImageSet`."""
        return list(self._each(as_positions(np.asarray(indices), len(self))))

    def read_readable(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images among some that can be read, and their positions; see `ImageSet`."""
        results = self.try_read(indices)
        is_readable = [not isinstance(pixels, str) for pixels in results]
        readable = [pixels for pixels in results if not isinstance(pixels, str)]
        if not readable:
            return indices[:0], np.empty((0, *self.image_shape), np.uint8)
        return indices[is_readable], np.stack(readable)

    def _read(self, indices: np.ndarray) -> np.ndarray:
        positions = as_positions(np.asarray(indices), len(self))
        images = np.empty((len(positions), *self.image_shape), np.uint8)
        for row, pixels in enumerate(self._each(positions)):
            if isinstance(pixels, str):
                raise DataError(f"{self.name}: {self.ids[positions[row]]} cannot be read: {pixels}")
            images[row] = pixels
        return images

    def _each(self, positions: np.ndarray) -> Iterator[np.ndarray | str]:
        return read_each(self.originals, self.form, positions)

    def _parts_of_subset(self, positions: np.ndarray) -> dict[str, Any]:
        return {
            "originals": SomeOriginals(self.originals, positions),
            "source": self._source_of(positions),
        }

    def _originals(self) -> Originals:
        return self.originals

    def _form(self) -> PictureForm:
        return self.form

    def _converted(self, channels: int) -> Self:
        shape = (*self.image_shape[:2], channels)
        form = dataclasses.replace(self.form, channels=channels)
        return dataclasses.replace(self, image_shape=shape, form=form)


Images = TypeVar("Images", bound=ImageSet)


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


def with_channels(images: Images, channels: int) -> Images:
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
    return images._converted(channels)


def _to_colour(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, axis=3)


def _to_grey(pixels: np.ndarray) -> np.ndarray:
    pictures = [as_picture(image).convert("L") for image in pixels]
    return np.array(pictures, np.uint8).reshape(*pixels.shape[:3], 1)
