"""Which axes of an array are images, height, width and channels, where only one reading fits.

What can be read in two ways is asked about: an array of shape (32, 32, 3) is one picture, or 32
grey ones of 32x3 pixels.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latentlab.errors import ConfigError, DataError

CHANNELS = (1, 3, 4)  # grey, RGB, RGB with alpha
LAYOUTS = ("nhwc", "nchw", "nhw", "hwc", "chw", "hw")
_SIDES = re.compile(r"\d+(x\d+){1,2}")
_SHAPES = "(n, height, width) or (n, height, width, channels)"
_ASK = "Say which: "


@dataclass(frozen=True)
class Layout:
    """How an array is read as images.

    Attributes
    ----------
    axes : {"nhwc", "nchw", "nhw", "hwc", "chw", "hw"}
        What its axes are, once rows have been unfolded.
    sides : tuple of int
        Shape of one image where each is a row of numbers; empty otherwise.
    channels : tuple of int
        The channels that are used, from 0; empty for all.
    """

    axes: str
    sides: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()

    @property
    def is_one_image(self) -> bool:
        """Whether the array is a single image."""
        return "n" not in self.axes

    def count(self, shape: tuple[int, ...]) -> int:
        """Return the number of images in an array.

        Parameters
        ----------
        shape : tuple of int
            Its shape.
        """
        return 1 if self.is_one_image else shape[0]

    def rows(self, array: np.ndarray, rows: slice) -> np.ndarray:
        """Return some images of an array, (m, height, width, channels), as they are stored.

        Parameters
        ----------
        array : ndarray
            The array of the file.
        rows : slice
            Which images.
        """
        images = (array[np.newaxis] if self.is_one_image else array)[rows]
        if self.sides:
            images = images.reshape(len(images), *self.sides)
        if "c" not in self.axes:
            images = images[..., np.newaxis]
        elif self.axes.endswith("chw"):
            images = np.moveaxis(images, 1, 3)
        return images[..., list(self.channels)] if self.channels else images


@dataclass(frozen=True)
class _Asked:
    """What `DataOptions.layout` says: axes or the shape of an image, and numbers of channels."""

    axes: str = ""
    channels: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str | None) -> "_Asked":
        axes, _, channels = (text or "").partition(":")
        numbers = [part.strip() for part in channels.split(",") if part.strip()]
        is_known = not axes or axes in LAYOUTS or _SIDES.fullmatch(axes) is not None
        if not is_known or len(numbers) not in (0, 1, 3) or not all(map(str.isdecimal, numbers)):
            raise ConfigError(
                f": use {', '.join(LAYOUTS)} or the shape of an image in a row, as in 32x32x3; one"
                " channel or three may follow, by number from 0, as in nhwc:0,1,2",
                field="layout",
                value=repr(text),
            )
        return cls(axes, tuple(map(int, numbers)))


def layout_of(name: str, shape: tuple[int, ...], text: str | None = None) -> Layout:
    """Return how an array is read.

    Parameters
    ----------
    name : str
        The file, and the array in it, for messages.
    shape : tuple of int
        Its shape.
    text : str or None
        `DataOptions.layout`; None finds it.

    Returns
    -------
    Layout

    Raises
    ------
    ConfigError
        If it can be read in several ways, or not as the user says.
    DataError
        If it holds no images.

    Examples
    --------
    >>> layout_of("x.npy", (100, 3, 32, 32)).axes
    'nchw'
    """
    asked = _Asked.of(text)
    if 0 in shape or len(shape) < 2 or len(shape) > 4:
        raise DataError(f"{name}: expected images of shape {_SHAPES}, got {shape}.")
    if asked.axes:
        layout = _given(name, shape, asked.axes)
    elif len(shape) == 4:
        layout = _of_four(name, shape, asked.channels)
    else:
        layout = (_of_three if len(shape) == 3 else _of_two)(name, shape)
    return _checked(name, shape, replace(layout, channels=asked.channels))


def _of_four(name: str, shape: tuple[int, ...], channels: tuple[int, ...]) -> Layout:
    is_last, is_first = shape[3] in CHANNELS, shape[1] in CHANNELS
    if channels and not (is_last or is_first):
        is_last, is_first = shape[3] < shape[1], shape[1] < shape[3]
    if is_last and is_first and shape[1:] != (1, 1, 1):
        raise _asked(
            f"{name} has the shape {shape}, so that its channels may come last or first",
            "nhwc",
            "nchw",
        )
    if not (is_last or is_first):
        raise _wrong_channels(name, f"got shape {shape}")
    return Layout("nhwc" if is_last else "nchw")


def _of_three(name: str, shape: tuple[int, ...]) -> Layout:
    first, second, third = shape
    readings = [("nhw", f"{first} grey images of {second}x{third} pixels")]
    if third in CHANNELS:
        readings.append(("hwc", f"one image of {first}x{second} pixels"))
    if first in CHANNELS[1:]:  # a single grey image is the same either way
        readings.append(("chw", f"one image of {second}x{third} pixels"))
    if len(readings) == 1:
        return Layout("nhw")
    words = " or ".join(text for _, text in readings)
    raise _asked(f"{name} has the shape {shape}: {words}", *(option for option, _ in readings))


def _of_two(name: str, shape: tuple[int, ...]) -> Layout:
    count, numbers = shape
    call = f"`cluster(embeddings={Path(name.partition(': ')[0]).name!r})`"
    readings = [f"{count:,} vectors of {numbers:,} numbers ({call})"]
    sides = " or ".join(f"`layout={text}`" for text in _likely_sides(numbers))
    readings += [f"pictures in rows ({sides})"] if sides else []
    readings.append("one grey picture (`layout=hw`)")
    raise ConfigError(f"{name} has the shape {shape}: {', or '.join(readings)}. Say which.")


def _likely_sides(numbers: int) -> list[str]:
    """Return the shapes of square pictures with as many numbers, as text."""
    texts = []
    for channels in (1, 3):
        side = math.isqrt(numbers // channels)
        if side < 2 or side * side * channels != numbers:
            continue
        if channels == 1:
            texts.append(f"{side}x{side}")
        else:
            texts += [f"{side}x{side}x{channels}", f"{channels}x{side}x{side}"]
    return texts


def _given(name: str, shape: tuple[int, ...], text: str) -> Layout:
    """Return the layout that the user has named."""
    if text in LAYOUTS:
        if len(text) != len(shape):
            raise _no_layout(name, shape, text)
        return Layout(text)
    sides = tuple(map(int, text.split("x")))
    if len(shape) != 2 or math.prod(sides) != shape[1]:
        raise _no_layout(name, shape, text)
    if len(sides) == 2:
        return Layout("nhw", sides)
    if sides[2] in CHANNELS and sides[0] in CHANNELS:
        raise _no_layout(name, shape, text)
    return Layout("nhwc" if sides[2] in CHANNELS else "nchw", sides)


def _no_layout(name: str, shape: tuple[int, ...], text: str) -> ConfigError:
    return ConfigError(
        f": {name} has the shape {shape}, which cannot be read so",
        field="layout",
        value=text,
    )


def _asked(problem: str, *options: str) -> ConfigError:
    ways = " or ".join(f"`layout={option}`" for option in options)
    return ConfigError(f"{problem}. {_ASK}{ways}.")


def _wrong_channels(name: str, got: str) -> DataError:
    return DataError(
        f"{name}: images need 1, 3 or 4 channels, {got}. Choose three of them, or one:"
        " `layout=nhwc:0,1,2`, or nchw where they come first."
    )


def _checked(name: str, shape: tuple[int, ...], layout: Layout) -> Layout:
    """Return a layout whose channels an image can have."""
    axes = layout.axes
    sizes = layout.sides or shape[axes.startswith("n") :]
    count = 1 if "c" not in axes else sizes[axes.replace("n", "").index("c")]
    if any(channel >= count for channel in layout.channels):
        raise ConfigError(
            f": {name} has the channels 0 to {count - 1}",
            field="layout",
            value=f"{axes}:{','.join(map(str, layout.channels))}",
        )
    if not layout.channels and count not in CHANNELS:
        raise _wrong_channels(name, f"got {count}")
    return layout
