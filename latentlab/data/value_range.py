"""One scale for all images of a set: which of their numbers become black and which white.

Pictures of 8 bits are shown as they are. Numbers beyond that, of cameras, microscopes and programs,
have no white of their own: 12 bits lie in files of 16, and fluorescence uses a hundredth of them.
Then percentiles of the whole set become black and white, so that equal numbers give equal pixels
in every image. The same holds for pictures of 8 bits that are all but black, such as masks of 0
and 1.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.config import DataOptions
from latentlab.errors import ConfigError

FULL = "full"  # the range of the number format
DEEP = "deep"  # the set's own for numbers beyond 8 bits, never for pictures that are all but black
PERCENTILES = (0.1, 99.9)
DARKEST = 31  # of 255; images of 8 bits in which nothing is brighter get a range of their own
AT_ONCE = 1 << 22  # numbers that are scaled together
_SIXTEEN_BITS = 65535


@dataclass(frozen=True)
class ValueRange:
    """The numbers that become 0 and 255; what lies between them is scaled, the rest is cut off.

    Attributes
    ----------
    low, high : float
        Black and white; `low` is below `high`.
    """

    low: float
    high: float

    @classmethod
    def of_text(cls, text: str | None) -> "ValueRange | None":
        """Return the range that an option names.

        Parameters
        ----------
        text : str or None
            "LOW,HIGH"; None, "full" and "deep" stand for no range.

        Raises
        ------
        ConfigError
            If it is something else.

        Examples
        --------
        >>> ValueRange.of_text("130,250")
        ValueRange(low=130.0, high=250.0)
        """
        if text is None or text in (FULL, DEEP):
            return None
        try:
            low, high = (float(part) for part in text.split(","))
        except ValueError:
            raise _no_range(text) from None
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise _no_range(text)
        return cls(low, high)

    @property
    def text(self) -> str:
        """The range as an option names it, to six digits.

        Examples
        --------
        >>> ValueRange(130, 250).text
        '130,250'
        """
        return f"{self.low:.6g},{self.high:.6g}"

    @property
    def words(self) -> str:
        """The range in words.

        Examples
        --------
        >>> ValueRange(-1, 1).words
        '-1 to 1'
        """
        return f"{self.low:.6g} to {self.high:.6g}"

    @property
    def holds_for_bytes(self) -> bool:
        """Whether numbers of 8 bits are on this scale too, and not on their own of 0 to 255.

        A range of another kind of numbers would make them black or white altogether.

        Examples
        --------
        >>> ValueRange(0, 4).holds_for_bytes, ValueRange(0, 4095).holds_for_bytes
        (True, False)
        """
        is_whole = self.low == round(self.low) and self.high == round(self.high)
        return is_whole and self.low >= 0 and self.high <= 255

    def to_bytes(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers as brightness.

        Parameters
        ----------
        numbers : ndarray of int or float
            Finite, of any shape.

        Returns
        -------
        ndarray of uint8
            The same shape; equal numbers of whatever type are equal here.

        Examples
        --------
        >>> ValueRange(100, 900).to_bytes(np.array([0, 100, 500, 900], np.uint16)).tolist()
        [0, 0, 128, 255]
        """
        if numbers.dtype.kind in "iu" and numbers.dtype.itemsize <= 2:
            dtype = numbers.dtype.newbyteorder("=")
            return _table(self, dtype.char)[numbers.astype(np.int32) - np.iinfo(dtype).min]
        scaled = np.empty(numbers.shape, np.uint8)
        flat, source = scaled.reshape(-1), numbers.reshape(-1)
        for start in range(0, len(flat), AT_ONCE):
            piece = slice(start, start + AT_ONCE)
            flat[piece] = self._scaled(source[piece])
        return scaled

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        """Return the brightness of some numbers, uint8; the same for equal numbers of all types."""
        fractions = (numbers.astype(np.float64) - self.low) / (self.high - self.low)
        return np.rint(np.clip(fractions, 0, 1) * 255).astype(np.uint8)


@functools.lru_cache(maxsize=16)
def _table(value_range: ValueRange, code: str) -> np.ndarray:
    """Return the brightness of every number of a type of at most 16 bits."""
    limits = np.iinfo(code)
    return value_range._scaled(np.arange(limits.min, limits.max + 1))


def _no_range(text: str) -> ConfigError:
    return ConfigError(
        ": a range is two numbers, LOW,HIGH, the lower one first",
        field="value_range",
        value=repr(text),
        hint=f"For example 0,4095; or {FULL}, or {DEEP}.",
    )


@dataclass(frozen=True)
class Scale:
    """How numbers of a set become pixels.

    Attributes
    ----------
    value_range : str or None
        As `DataOptions` takes it; None for the scale of 8 bits.
    clause : str
        The same in words, for the account; "" where there is nothing to say.
    """

    value_range: str | None = None
    clause: str = ""

    @property
    def range(self) -> ValueRange | None:
        """The range; None for the scale of the number format."""
        return ValueRange.of_text(self.value_range)


@dataclass(frozen=True)
class ImageNumbers:
    """Some numbers of one image, in a sample of images.

    Attributes
    ----------
    values : ndarray of shape (m,), int or float
        Some of its numbers, finite.
    low, high : float
        The least and the greatest of all its numbers.
    kind : str
        Of what it is, as in "16-bit".
    """

    values: np.ndarray
    low: float
    high: float
    kind: str

    @classmethod
    def of(cls, numbers: np.ndarray, kind: str, most: int) -> "ImageNumbers | None":
        """Return some numbers of an image; None if none is finite.

        Parameters
        ----------
        numbers : ndarray of int or float
            All of them.
        kind : str
            See `ImageNumbers`.
        most : int
            Numbers to keep; they are spread over the image evenly.
        """
        flat = numbers.reshape(-1)
        if flat.dtype.kind == "f":
            flat = flat[np.isfinite(flat)]
        if not len(flat):
            return None
        step = max(1, -(-len(flat) // most) | 1)  # odd: it falls on every column in the end
        return cls(flat[::step].copy(), float(flat.min()), float(flat.max()), kind)


def is_given(text: str | None) -> bool:
    """Return whether an option names the scale, so that the set's numbers are not looked at.

    Parameters
    ----------
    text : str or None
        `DataOptions.value_range`.
    """
    return text is not None and text != DEEP


def as_opened(data: DataOptions, value_range: str | None) -> DataOptions:
    """Return the options by which a set is read again on the scale that was found for it.

    Parameters
    ----------
    data : DataOptions
        How it was opened.
    value_range : str or None
        The scale: `ImageSet.value_range`.
    """
    return data if data.value_range == value_range else replace(data, value_range=value_range)


def as_recorded(data: DataOptions) -> DataOptions:
    """Return the options by which a run's own images are read again.

    Parameters
    ----------
    data : DataOptions
        Those that the run records. Without a range its images needed none, so that none is looked
        for.
    """
    return replace(data, value_range=FULL) if data.value_range is None else data


def like(data: DataOptions, recorded: DataOptions | None) -> DataOptions:
    """Return the options that read other images on the scale of a run.

    Parameters
    ----------
    data : DataOptions
        The other images; a scale that they are given stays.
    recorded : DataOptions or None
        What the run records of its own. Where these needed no range, others have their own beyond
        8 bits, and those of 8 bits stay as they are.
    """
    if data.value_range is not None:
        return data
    value_range = recorded.value_range if recorded is not None else None
    return replace(data, value_range=value_range or DEEP)


def given_scale(text: str) -> Scale:
    """Return the scale that a user has asked for, or that a run has.

    Parameters
    ----------
    text : str
        `DataOptions.value_range`.

    Raises
    ------
    ConfigError
        If it is no range.
    """
    value_range = ValueRange.of_text(text)
    if value_range is None:
        return Scale(FULL)
    clause = (
        f"of numbers beyond 8 bits {value_range.words} become 0 to 255, as the value range says"
    )
    return Scale(value_range.text, clause)


def scale_of(sample: Sequence[ImageNumbers], things: str) -> Scale:
    """Return the scale of a set by the numbers of some of its images.

    Parameters
    ----------
    sample : sequence of ImageNumbers
        Numbers beyond 8 bits.
    things : str
        What the images are, as in "16-bit pictures".

    Examples
    --------
    >>> camera = ImageNumbers.of(np.arange(130, 251, dtype=np.uint16), "16-bit", 1000)
    >>> print(scale_of([camera], "16-bit pictures").clause)
    numbers 130 to 250 of 16-bit pictures became 0 to 255 (percentiles 0.1 and 99.9 of 1 image)
    """
    if not sample:
        return Scale()
    values = np.concatenate([image.values.astype(np.float64) for image in sample])
    low, high = np.percentile(values, PERCENTILES, method="nearest").tolist()
    rule = f"percentiles {PERCENTILES[0]:g} and {PERCENTILES[1]:g}"
    if low == high:  # nearly all is background
        low, high = min(image.low for image in sample), max(image.high for image in sample)
        rule = "the least and the greatest"
    return _named(low, high, things, rule, len(sample))


def dark_scale(sample: Sequence[ImageNumbers], things: str) -> Scale:
    """Return the scale of images of 8 bits: their own range if all of them are nearly black.

    Parameters
    ----------
    sample : sequence of ImageNumbers
        Some images of the set.
    things : str
        What the images are, as in "8-bit pictures".

    Examples
    --------
    >>> mask = ImageNumbers.of(np.array([0, 1, 0, 2], np.uint8), "8-bit", 100)
    >>> print(dark_scale([mask], "8-bit pictures").clause)
    numbers 0 to 2 of 8-bit pictures became 0 to 255 (the least and the greatest of 1 image)
    """
    if not sample or not all(is_dark(image.high) for image in sample):
        return Scale()
    low, high = min(image.low for image in sample), max(image.high for image in sample)
    if low == high:
        return Scale()
    return _named(low, high, things, "the least and the greatest", len(sample))


def is_dark(brightest: float) -> bool:
    """Return whether an image is all but black.

    Parameters
    ----------
    brightest : float
        Its greatest number, of 255.
    """
    return brightest <= DARKEST


def _named(low: float, high: float, things: str, rule: str, count: int) -> Scale:
    # Six digits are kept, so that the run's text and these pixels say the same.
    value_range = ValueRange.of_text(ValueRange(low, high).text) if _differ(low, high) else None
    if value_range is None:
        value_range = ValueRange(low, low + max(1.0, abs(low) * 1e-5))
    images = f"{count:,} image{'' if count == 1 else 's'}"
    clause = f"numbers {value_range.words} of {things} became 0 to 255 ({rule} of {images})"
    return Scale(value_range.text, clause)


def _differ(low: float, high: float) -> bool:
    return f"{low:.6g}" != f"{high:.6g}"


def full_scale(numbers: np.ndarray) -> np.ndarray:
    """Return numbers as brightness by the white of their kind: 1 of floats, 255 or 65535.

    Parameters
    ----------
    numbers : ndarray of int or float
        Numbers of one image.

    Returns
    -------
    ndarray of uint8
        The same shape.

    Raises
    ------
    ValueError
        If they are negative or above 65535: their white is unknown.

    Examples
    --------
    >>> full_scale(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    if numbers.dtype.kind == "u" and numbers.dtype.itemsize == 2:
        return ValueRange(0, _SIXTEEN_BITS).to_bytes(numbers)
    low, high = float(numbers.min(initial=0)), float(numbers.max(initial=0))
    if not (low >= 0 and high <= _SIXTEEN_BITS):
        raise ValueError(
            f"its numbers are {low:g} to {high:g}, which is no known scale of brightness"
        )
    return ValueRange(0, white_level(high, numbers.dtype)).to_bytes(numbers)


def white_level(high: float, dtype: np.dtype) -> int:
    """Return the lowest white, of 1 (floats only), 255 and 65535, that no number is above.

    Parameters
    ----------
    high : float
        The greatest number.
    dtype : numpy.dtype
        Their type.
    """
    if dtype.kind == "f" and high <= 1:
        return 1
    return 255 if high <= 255 else _SIXTEEN_BITS
