"""The unlabelled collection of images that everything works on, and the one rule that brings images to one size."""

import dataclasses
import hashlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import ConfigError, DataError

if TYPE_CHECKING:
    import PIL.Image

RESIZE_RULES = ("crop", "pad", "stretch")
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Unreadable:
    """One image that could not be read: where it is and why."""

    path: str
    reason: str


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
        "train" (images to fit on) or "test" (held out: only assigned and scored).
    image_shape : tuple of int
        (height, width, channels); channels is 1 (grey) or 3 (RGB).
    read : callable
        read(indices) -> uint8 ndarray of shape (len(indices), height, width, channels).
    unreadable : tuple of Unreadable
        What the source skipped.
    source : callable or None
        source(index) -> path or bytes of the picture file that an image was made of; None where there are no such files.
    fingerprint : str
        Hexadecimal SHA-256 that changes when the images or their order change; of the source's pixels, also where `with_channels` made others.
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
        """Return the positions of the images of one split, int64, in order."""
        return np.flatnonzero(self.splits == split)

    def shards(self, size: int) -> Iterator[np.ndarray]:
        """Yield consecutive index arrays of at most `size` images that cover the whole set."""
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))


def from_array(
    name: str,
    images: np.ndarray,
    splits: np.ndarray,
    ids: Sequence[str] | np.ndarray | None = None,
    unreadable: tuple[Unreadable, ...] = (),
    source: Callable[[int], Path | bytes] | None = None,
) -> ImageSet:
    """Make an ImageSet of a uint8 array of shape (n, height, width, channels) held in memory (or memory-mapped).

    Default ids are "<split>/<number within the split>", e.g. "train/00017".
    """
    if images.ndim != 4 or images.dtype != np.uint8:
        raise DataError(
            f"{name}: expected uint8 images of shape (n, height, width, channels), got {images.dtype} {images.shape}."
        )
    return ImageSet(
        name=name,
        ids=numbered_ids(splits) if ids is None else np.asarray(ids, dtype=str),
        splits=np.asarray(splits, dtype=str),
        image_shape=(images.shape[1], images.shape[2], images.shape[3]),
        read=lambda indices: _read(images, indices),
        fingerprint=_array_fingerprint(images),
        unreadable=unreadable,
        source=source,
    )


def as_input(images: np.ndarray) -> np.ndarray:
    """Return uint8 images as float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def _read(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return a copy of some images; of a memory-mapped file, give the pages back, so that memory stays flat."""
    chosen = images[indices]
    _release(images)
    return chosen


def _release(images: np.ndarray) -> None:
    base: Any = images
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def with_channels(images: ImageSet, channels: int) -> ImageSet:
    """Return the images in grey (1 channel, as Pillow makes it) or in colour (3, which of grey images are the same).

    Raises
    ------
    ConfigError
        If `channels` is another number.
    """
    if channels not in (1, 3):
        raise ConfigError(f"{images.name}: images have 1 or 3 channels, not {channels}.")
    if channels == images.image_shape[2]:
        return images

    def read(indices: np.ndarray) -> np.ndarray:
        pixels = images.read(indices)
        return (
            np.repeat(pixels, 3, axis=3)
            if channels == 3
            else np.array([as_picture(one).convert("L") for one in pixels], np.uint8).reshape(
                *pixels.shape[:3], 1
            )
        )

    return dataclasses.replace(images, image_shape=(*images.image_shape[:2], channels), read=read)


def numbered_ids(splits: np.ndarray) -> np.ndarray:
    """Return "<split>/<number within the split>" for every entry of `splits`."""
    ids = np.empty(len(splits), dtype="U24")
    for split in np.unique(splits):
        members = np.flatnonzero(splits == split)
        ids[members] = [f"{split}/{number:05d}" for number in range(len(members))]
    return ids


def held_out_splits(n_images: int, share: float, seed: int = 0) -> np.ndarray:
    """Return "train"/"test" for `n_images`, with a random `share` in [0, 1) held out, by a seed of its own.

    Used for data without a published split. The draw never looks at a label.
    """
    if not 0 <= share < 1:
        raise ConfigError(f"--held-out must be at least 0 and below 1, not {share}.")
    splits = np.full(n_images, TRAIN, dtype="U5")
    held_out = np.random.default_rng([seed, 20]).permutation(n_images)[: round(share * n_images)]
    splits[held_out] = TEST
    return splits


def resize(image: "PIL.Image.Image", size: int, rule: str, channels: int) -> np.ndarray:
    """Return one decoded picture as uint8 (size, size, channels).

    Parameters
    ----------
    image : PIL.Image.Image
        Any size and mode. EXIF orientation is applied; transparency is laid on white; 16-bit grey is scaled to 8.
    size : int
        Height and width of the result in pixels.
    rule : {"crop", "pad", "stretch"}
        crop: scale the shorter side to `size` and keep the centre. pad: scale the longer side and fill the rest
        with black. stretch: scale both sides, which changes the aspect ratio.
    channels : int
        3 for RGB, 1 for grey.
    """
    from PIL import Image, ImageOps

    image = upright(image, channels)
    target = (size, size)
    method = Image.Resampling.BICUBIC
    if rule == "crop":
        image = ImageOps.fit(image, target, method=method)
    elif rule == "pad":
        image = ImageOps.pad(image, target, method=method)
    elif rule == "stretch":
        image = image.resize(target, method)
    else:
        raise ConfigError(f"unknown resize rule {rule!r}: known are {', '.join(RESIZE_RULES)}.")
    return np.asarray(image, dtype=np.uint8).reshape(size, size, channels)


def as_picture(pixels: np.ndarray) -> "PIL.Image.Image":
    """Return one uint8 image (height, width, channels), channels 1 or 3, as a picture that can be saved."""
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def upright(image: "PIL.Image.Image", channels: int) -> "PIL.Image.Image":
    """Return a decoded picture in its full size, as RGB (3 channels) or grey (1): see `resize`."""
    from PIL import ImageOps

    return _to_mode(ImageOps.exif_transpose(image), "RGB" if channels == 3 else "L")


def _to_mode(image: "PIL.Image.Image", mode: str) -> "PIL.Image.Image":
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = Image.fromarray(_SIXTEEN_TO_EIGHT[np.asarray(image).astype(np.uint16)])
    elif image.mode.startswith(("I", "F")):
        image = Image.fromarray(_to_bytes(np.asarray(image)))
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert(mode)


_SIXTEEN_TO_EIGHT = ((np.arange(1 << 16) + 128) // 257).astype(np.uint8)  # 65535 becomes 255


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """Return 32-bit numbers as uint8: their full scale is 1 (of floating-point ones), 255 or 65535, the first that holds them all.

    Raises
    ------
    ValueError
        If they are negative, not finite or larger: what they mean cannot be told.
    """
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (np.isfinite([low, high]).all() and low >= 0 and high <= 65535):
        raise ValueError(
            f"its numbers are {low:g} to {high:g}, which is no known scale of brightness"
        )
    full = 1 if values.dtype.kind == "f" and high <= 1 else 255 if high <= 255 else 65535
    return np.rint(values.astype(np.float32) * np.float32(255 / full)).astype(np.uint8)


def _array_fingerprint(images: np.ndarray) -> str:
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]).data)
        _release(images)
    return digest.hexdigest()
