"""Strongly changed views: a mirrored crop, then some of 14 operations and a missing square.

The operations and their ranges are RandAugment's (Cubuk et al., CVPR Workshops 2020) as FixMatch
(Sohn et al., NeurIPS 2020, appendix C) and SCAN (ECCV 2020) use them: identity, autocontrast,
equalize, solarize, posterize, brightness, contrast, colour, sharpness, rotate, shear (x and y) and
translate (x and y). Two things differ. An image gets distinct operations, in a fixed order: those
of geometry first, joined into one affine transform, then those of tone. And NumPy draws all random
numbers, so that every backend sees the same views; the device does the rest, for the whole batch at
once.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.nets import crops
from latentlab.nets.augmentation import around_middle

OPERATIONS = (
    "identity",
    "autocontrast",
    "equalize",
    "solarize",
    "posterize",
    "brightness",
    "contrast",
    "colour",
    "sharpness",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
MOST_DEGREES = 30.0
MOST_SHEAR = 0.3
MOST_SHIFT = 0.3  # of the side
FACTORS = (0.05, 0.95)  # of brightness, contrast, colour and sharpness; 1 changes nothing
BITS = (4, 8)  # posterize keeps so many of 8
LEVELS = 16  # of the piecewise linear curve that equalizes
GREY = 0.5  # what lies outside the image, and the missing square

# Columns of a view's numbers.
CROP = slice(0, crops.N_NUMBERS)
AFFINE = slice(crops.N_NUMBERS, crops.N_NUMBERS + 8)
_TONES = crops.N_NUMBERS + 8
AUTOCONTRAST, EQUALIZE, SOLARIZE, POSTERIZE, BRIGHTNESS, CONTRAST, COLOUR, SHARPNESS = range(
    _TONES, _TONES + 8
)
N_NUMBERS = _TONES + 8
# Operations on tone -> column and its value where the operation does nothing.
_STILL = {
    "autocontrast": (AUTOCONTRAST, 0.0),
    "equalize": (EQUALIZE, 0.0),
    "solarize": (SOLARIZE, 2.0),
    "posterize": (POSTERIZE, 256.0),
    "brightness": (BRIGHTNESS, 1.0),
    "contrast": (CONTRAST, 1.0),
    "colour": (COLOUR, 1.0),
    "sharpness": (SHARPNESS, 1.0),
}


@dataclass(frozen=True)
class StrongKind:
    """How strong views are drawn.

    Attributes
    ----------
    size : int
        Height and width of the view, in pixels.
    operations : int
        Operations of each image, of 14.
    smallest_crop : float
        Smallest share of the image's area in the view.
    cutout : float
        Largest side of the missing square, as a share of the view's; 0 for none.
    """

    size: int
    operations: int = 4
    smallest_crop: float = 0.6
    cutout: float = 0.5

    @property
    def crop(self) -> crops.ViewKind:
        """The crop and the missing square, without changes of colour."""
        return crops.ViewKind(
            size=self.size,
            scale=(self.smallest_crop, 1.0),
            jitter_chance=0.0,
            grey_chance=0.0,
            cutout=self.cutout,
        )


def draw(
    kind: StrongKind, count: int, image_shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return the random numbers of one strong view of each image.

    Parameters
    ----------
    kind : StrongKind
        How the views are drawn.
    count : int
        Number of images.
    image_shape : tuple of int
        Height, width and channels of the images.
    rng : numpy.random.Generator
        All randomness.

    Returns
    -------
    ndarray of shape (count, 34), float32
        For `apply`.

    Examples
    --------
    >>> draw(StrongKind(size=8), 5, (8, 8, 3), np.random.default_rng(0)).shape
    (5, 34)
    """
    numbers = np.zeros((count, N_NUMBERS))
    numbers[:, CROP] = crops.draw(kind.crop, count, image_shape, rng)
    takes = _draw_operations(kind.operations, count, rng)
    numbers[:, AFFINE] = _draw_affine(kind.size, takes, rng)
    drawn = _draw_tones(count, rng)
    for name, (column, still) in _STILL.items():
        numbers[:, column] = np.where(takes[name], drawn[name], still)
    return numbers.astype(np.float32)


def apply(images: Any, numbers: Any, size: int) -> Any:
    """Return strong views of images.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels)
        Values in [0, 1].
    numbers : tensor of shape (n, 34)
        From `draw`.
    size : int
        Height and width of the views, in pixels.

    Returns
    -------
    tensor of shape (n, size, size, channels), float32
        Values in [0, 1].
    """
    from keras import ops

    crop = numbers[:, CROP]
    views = crops.cut(images, crop, size)
    views = ops.image.affine_transform(
        views, numbers[:, AFFINE], interpolation="bilinear", fill_mode="constant", fill_value=GREY
    )
    for change in (_autocontrast, _equalize, _solarize, _posterize, _brightness, _contrast):
        views = change(views, numbers)
    if images.shape[-1] == 3:
        views = _colour(views, numbers)
    views = _sharpness(views, numbers)
    return crops.blank(ops.clip(views, 0.0, 1.0), crop[:, crops.HOLE], size)


def _draw_operations(
    operations: int, count: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return which images take each operation, (count,) of bool by name."""
    ranks = rng.random((count, len(OPERATIONS))).argsort(axis=1).argsort(axis=1)
    return {name: ranks[:, number] < operations for number, name in enumerate(OPERATIONS)}


def _draw_affine(size: int, takes: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return eight numbers per image for Keras' affine transform, (count, 8)."""
    count = len(takes["rotate"])

    def drawn(name: str, most: float) -> np.ndarray:
        return np.where(takes[name], rng.uniform(-most, most, count), 0.0)

    angle = drawn("rotate", MOST_DEGREES) * math.pi / 180
    shear = np.stack([drawn("shear_x", MOST_SHEAR), drawn("shear_y", MOST_SHEAR)])
    shift = np.stack([drawn("translate_x", MOST_SHIFT), drawn("translate_y", MOST_SHIFT)]) * size
    # A pixel of the view, measured from the middle, is turned, then sheared, then shifted.
    cosine, sine = np.cos(angle), np.sin(angle)
    a0, a1 = cosine + shear[0] * sine, -sine + shear[0] * cosine
    b0, b1 = sine + shear[1] * cosine, cosine - shear[1] * sine
    return around_middle((a0, a1, b0, b1), shift, (size, size))


def _draw_tones(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the strength of every operation on tone, (count,) by name."""
    strengths = {
        "autocontrast": np.ones(count),
        "equalize": np.ones(count),
        "solarize": rng.random(count),
        "posterize": 2.0 ** rng.integers(BITS[0], BITS[1] + 1, count),
    }
    for name in ("brightness", "contrast", "colour", "sharpness"):
        strengths[name] = rng.uniform(*FACTORS, count)
    return strengths


def _of(numbers: Any, column: int) -> Any:
    """Return one number of each image, of shape (n, 1, 1, 1)."""
    return numbers[:, column, None, None, None]


def _autocontrast(views: Any, numbers: Any) -> Any:
    """Stretch each channel to the whole range."""
    from keras import ops

    lowest = ops.min(views, axis=(1, 2), keepdims=True)
    extent = ops.max(views, axis=(1, 2), keepdims=True) - lowest
    stretched = (views - lowest) / ops.maximum(extent, 1.0 / 255)
    return ops.where(_of(numbers, AUTOCONTRAST) > 0, stretched, views)


def _equalize(views: Any, numbers: Any) -> Any:
    """Give each channel an even histogram, by a curve of 16 pieces."""
    from keras import ops

    step = 1.0 / LEVELS
    equalized = ops.zeros_like(views)
    below = ops.zeros_like(views[:, :1, :1])
    for level in range(LEVELS):
        at_most = ops.cast(views <= (level + 1) * step, views.dtype)
        share = ops.mean(at_most, axis=(1, 2), keepdims=True)
        equalized += (share - below) * ops.clip(views / step - level, 0.0, 1.0)
        below = share
    return ops.where(_of(numbers, EQUALIZE) > 0, equalized, views)


def _solarize(views: Any, numbers: Any) -> Any:
    """Invert pixels above a threshold."""
    from keras import ops

    return ops.where(views >= _of(numbers, SOLARIZE), 1.0 - views, views)


def _posterize(views: Any, numbers: Any) -> Any:
    """Keep the highest bits of each value."""
    from keras import ops

    levels = _of(numbers, POSTERIZE)
    return ops.where(levels < 256, ops.floor(views * 255 / 256 * levels) / levels, views)


def _brightness(views: Any, numbers: Any) -> Any:
    return views * _of(numbers, BRIGHTNESS)


def _contrast(views: Any, numbers: Any) -> Any:
    """Move all pixels to the view's mean grey."""
    from keras import ops

    factor = _of(numbers, CONTRAST)
    mean = ops.mean(_grey(views), axis=(1, 2), keepdims=True)
    return factor * views + (1 - factor) * mean


def _colour(views: Any, numbers: Any) -> Any:
    """Move colours to their grey."""
    factor = _of(numbers, COLOUR)
    return factor * views + (1 - factor) * _grey(views)


def _sharpness(views: Any, numbers: Any) -> Any:
    """Move pixels to the weighted mean of the 3 x 3 around them."""
    factor = _of(numbers, SHARPNESS)
    return factor * views + (1 - factor) * _smooth(views)


def _smooth(views: Any) -> Any:
    """Return Pillow's smoothed views: the middle counts 5, its neighbours 1; edges are repeated."""
    from keras import ops

    size = views.shape[1]
    padded = ops.pad(views, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    total = 4.0 * views
    for row in range(3):
        for column in range(3):
            total += padded[:, row : row + size, column : column + size]
    return total / 13.0


def _grey(views: Any) -> Any:
    """Return the brightness of each pixel, (n, size, size, 1)."""
    from keras import ops

    luma = crops.LUMA if views.shape[-1] == 3 else np.ones(1)
    return ops.sum(views * ops.convert_to_tensor(luma.astype(np.float32)), axis=-1, keepdims=True)
