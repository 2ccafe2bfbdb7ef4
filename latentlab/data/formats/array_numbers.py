"""Numbers of arrays become pixels: uint8, by one scale for all images of a file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.data.formats.array_layout import Layout
from latentlab.data.pixels import release
from latentlab.data.value_range import (
    DEEP,
    FULL,
    ImageNumbers,
    Scale,
    ValueRange,
    dark_scale,
    given_scale,
    is_dark,
    is_given,
    scale_of,
    white_level,
)
from latentlab.errors import DataError

SAMPLE = 256  # images whose numbers are looked at
NUMBERS = 4_000_000  # of all of them, for percentiles
ALL_BELOW = 64 << 20  # bytes of an array whose least and greatest number are looked up
PIECE = 32 << 20  # bytes that are looked at together
NOT_FINITE = "numbers that are not finite"
ALPHA = 4  # channels of RGB with alpha


@dataclass(frozen=True)
class Part:
    """One array of images of a file.

    Attributes
    ----------
    name : str
        The file and the array, for messages.
    array : ndarray
        As it is stored.
    layout : Layout
        How it is read.
    """

    name: str
    array: np.ndarray
    layout: Layout

    def __len__(self) -> int:
        return self.layout.count(self.array.shape)

    def rows(self, rows: slice) -> np.ndarray:
        """Return some images as they are stored, (m, height, width, channels).

        Parameters
        ----------
        rows : slice
            Which images.
        """
        return self.layout.rows(self.array, rows)

    @property
    def bytes_of_image(self) -> int:
        """Bytes of one image as it is stored."""
        return max(1, self.array.nbytes // max(1, len(self)))


@dataclass(frozen=True)
class ArrayScale:
    """How the numbers of a file become pixels.

    Attributes
    ----------
    scale : Scale
        The scale, in words too.
    white : int
        What becomes 255 where there is no range of its own.
    alpha_white : int
        Which alpha hides nothing.
    """

    scale: Scale
    white: int = 255
    alpha_white: int = 255

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Return images as uint8 with 1 or 3 channels; those that are so already as they are.

        Parameters
        ----------
        images : ndarray of shape (m, height, width, channels)
            Finite numbers of any type; of 4 channels the last is alpha, which is laid on white.
        """
        if images.shape[3] != ALPHA:
            return self._bytes(images)
        colours = self._bytes(images[..., :3]).astype(np.uint16)
        alpha = ValueRange(0, self.alpha_white).to_bytes(_numbers(images[..., 3:]))
        alpha = alpha.astype(np.uint16)
        return ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    def _bytes(self, numbers: np.ndarray) -> np.ndarray:
        if numbers.dtype == bool:
            return numbers.astype(np.uint8) * np.uint8(255)
        value_range = self.scale.range
        if numbers.dtype == np.uint8 and not (value_range and value_range.holds_for_bytes):
            return numbers
        return (value_range or ValueRange(0, self.white)).to_bytes(numbers)


def array_scale(parts: Sequence[Part], wanted: str | None) -> ArrayScale:
    """Return the scale of the arrays of a file.

    Parameters
    ----------
    parts : sequence of Part
        Its arrays of images.
    wanted : str or None
        `DataOptions.value_range`; None finds one.

    Raises
    ------
    DataError
        If no number is finite, or the numbers have no such scale.
    """
    sample = [image for part in parts for image in _sample(part)]
    if not sample:
        raise DataError(f"{parts[0].name}: the images hold no finite number.")
    low, high = min(image.low for image in sample), max(image.high for image in sample)
    dtype = max((part.array.dtype for part in parts), key=_by_width)
    alpha_white = _alpha_white(parts, dtype)
    if wanted is not None and is_given(wanted):
        if wanted == FULL and (low < 0 or high > 65535):
            raise DataError(
                f"{parts[0].name}: numbers of {low:g} to {high:g} have no full scale. Give"
                " `value_range` as two numbers."
            )
        return ArrayScale(given_scale(wanted), white_level(high, dtype), alpha_white)
    scale = _found(sample, low, high, dtype, stretches_dark=wanted != DEEP)
    return ArrayScale(scale, white_level(high, dtype), alpha_white)


def _found(
    sample: Sequence[ImageNumbers], low: float, high: float, dtype: np.dtype, stretches_dark: bool
) -> Scale:
    """Return the scale that the numbers themselves speak of."""
    things = f"{dtype.name} arrays"
    if dtype.kind == "b" or (dtype == np.uint8 and not stretches_dark):
        return Scale()
    if dtype == np.uint8:
        return dark_scale(sample, things)
    is_wide = dtype.kind == "f" or dtype.itemsize > 2
    is_dim = is_dark(high * 255 if dtype.kind == "f" and high <= 1 else high)
    if is_wide and low >= 0 and high <= 255 and not is_dim:
        return Scale()
    if low >= 0 and is_dark(high) and high > 1 and _are_whole(sample):
        return dark_scale(sample, things)  # masks: the rarest of their numbers counts
    return scale_of(sample, things)


def _are_whole(sample: Sequence[ImageNumbers]) -> bool:
    return all(bool((image.values == np.rint(image.values)).all()) for image in sample)


def _by_width(dtype: np.dtype) -> tuple[bool, int]:
    return dtype.kind == "f", dtype.itemsize


def _alpha_white(parts: Sequence[Part], dtype: np.dtype) -> int:
    """Return which alpha hides nothing, by the greatest that there is in a sample."""
    highest = 0.0
    for part in parts:
        for row in _rows_of(part) if _has_alpha(part) else ():
            highest = max(highest, float(np.nanmax(part.rows(slice(row, row + 1))[..., 3])))
    return white_level(highest, dtype) if highest else 255


def _has_alpha(part: Part) -> bool:
    return part.rows(slice(0, 1)).shape[3] == ALPHA


def _rows_of(part: Part) -> list[int]:
    """Return the rows of a random sample, ascending."""
    rows = np.random.default_rng(0).permutation(len(part))[:SAMPLE]
    return sorted(rows.tolist())


def _sample(part: Part) -> list[ImageNumbers]:
    """Return some numbers of some images, and the extremes of all if there are few."""
    rows = _rows_of(part)
    most = max(1, NUMBERS // len(rows))
    images = [_image_numbers(part, slice(row, row + 1), most) for row in rows]
    if part.array.dtype != np.uint8 and part.array.nbytes <= ALL_BELOW:
        step = max(1, PIECE // part.bytes_of_image)
        starts = range(0, len(part), step)
        extremes = [_image_numbers(part, slice(start, start + step), 1) for start in starts]
        images[0] = _with_extremes(images[0], extremes)
    release(part.array)
    return [image for image in images if image is not None]


def _with_extremes(
    image: ImageNumbers | None, others: Sequence[ImageNumbers | None]
) -> ImageNumbers | None:
    """Return an image of a sample as if it held the least and the greatest number of others."""
    present = [each for each in (image, *others) if each is not None]
    if image is None or not present:
        return image
    low, high = min(each.low for each in present), max(each.high for each in present)
    return replace(image, low=low, high=high)


def _image_numbers(part: Part, rows: slice, most: int) -> ImageNumbers | None:
    images = part.rows(rows)
    colours = images[..., :3] if images.shape[3] == ALPHA else images
    return ImageNumbers.of(_numbers(colours), part.array.dtype.name, most)


def _numbers(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint8) if values.dtype == bool else values
