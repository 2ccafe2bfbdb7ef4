"""Random views of images, for encoders that learn from what two views of one image share.

Crop and resize, mirror, and change colours (SimCLR, Chen et al., ICML 2020, appendix A, without
blur). NumPy draws the random numbers, so that all backends see the same views. The heavy part is
`keras.ops` and runs on the device: cropping and resizing are two small matrix products per channel,
and all changes of colour are one 3x3 matrix per image.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

# Numbers of a view: y and x: start, step; gain, lift; 3x3 colours; cutout: y, x, side.
N_NUMBERS = 18
COLOURS = slice(6, 15)
HOLE = slice(15, 18)
RATIO = (3 / 4, 4 / 3)  # smallest and largest width of a crop, in heights
LUMA = np.array([0.299, 0.587, 0.114])
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True)
class ViewKind:
    """How one kind of view is drawn.

    Attributes
    ----------
    size : int
        Height and width of the view, in pixels.
    scale : tuple of float
        Smallest and largest share of the image's area that is cut out.
    jitter : tuple of float
        Strength of the change of brightness, contrast, saturation (each a factor in 1 +- strength)
        and hue (a share of the full circle).
    jitter_chance, grey_chance : float
        Share of the views with changed colours, and of those without any.
    mirror : bool
        Whether half of the views are mirrored.
    cutout : float
        Largest side of the square that is blanked, as a share of the view's; 0 blanks nothing.
    """

    size: int
    scale: tuple[float, float]
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_chance: float = 0.8
    grey_chance: float = 0.2
    mirror: bool = True
    cutout: float = 0.0


def draw(
    kind: ViewKind, count: int, image_shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return the random numbers of one view of each image.

    Parameters
    ----------
    kind : ViewKind
        How the views are drawn.
    count : int
        Number of images.
    image_shape : tuple of int
        Height, width and channels of the images.
    rng : numpy.random.Generator
        All randomness.

    Returns
    -------
    ndarray of shape (count, 18), float32
        For `apply`.

    Examples
    --------
    >>> kind = ViewKind(size=8, scale=(0.2, 1.0))
    >>> draw(kind, 5, (16, 16, 3), np.random.default_rng(0)).shape
    (5, 18)
    """
    crops = _draw_crops(kind, count, image_shape, rng)
    gain, lift, colours = _draw_colours(kind, count, rng)
    holes = _draw_holes(kind, count, rng)
    tones = np.stack([gain, lift], axis=1)
    numbers = [crops, tones, colours.reshape(count, 9), holes]
    return np.concatenate(numbers, axis=1).astype(np.float32)


def apply(images: Any, numbers: Any, size: int) -> Any:
    """Return views of images.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels)
        Values in [0, 1]. Grey images change brightness and contrast only.
    numbers : tensor of shape (n, 18)
        From `draw`.
    size : int
        Height and width of the views, in pixels.

    Returns
    -------
    tensor of shape (n, size, size, channels), float32
        Values in [0, 1].
    """
    from keras import ops

    views = cut(images, numbers, size)
    views = _change_tones(views, numbers)
    if images.shape[-1] == 3:
        views = _change_colours(views, numbers)
    return blank(ops.clip(views, 0.0, 1.0), numbers[:, HOLE], size)


def _draw_crops(
    kind: ViewKind, count: int, image_shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return start and step of the rows and of the columns, in pixels, (count, 4).

    Row i of a view is the image's row start + i step. The steps of mirrored columns are negative.
    """
    height, width, _ = image_shape
    # Sides of the crop, no longer than the image's.
    area = rng.uniform(*kind.scale, count)
    ratio = np.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), count))
    rows = np.minimum(height * np.sqrt(area * (1 / ratio)), height)
    columns = np.minimum(width * np.sqrt(area * ratio), width)
    # Place of its corner.
    top = rng.uniform(0, 1, count) * (height - rows)
    left = rng.uniform(0, 1, count) * (width - columns)
    # A mirrored crop begins at its right end.
    mirrored = (rng.random(count) < 0.5) & kind.mirror
    left = np.where(mirrored, left + columns, left)
    columns = np.where(mirrored, -columns, columns)
    return np.stack([top, rows / kind.size, left, columns / kind.size], axis=1)


def _draw_colours(
    kind: ViewKind, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gain (count,), lift (count,) and colour matrices (count, 3, 3).

    A view is matrix @ (gain image + lift mean); mean is its mean brightness.
    """
    factors = []
    for strength in kind.jitter[:3]:
        factors.append(rng.uniform(max(0.0, 1 - strength), 1 + strength, count))
    angle = 2 * math.pi * rng.uniform(-kind.jitter[3], kind.jitter[3], count)
    # Some views keep their colours, and some lose them.
    is_changed = rng.random(count) < kind.jitter_chance
    brightness, contrast, saturation = (np.where(is_changed, factor, 1.0) for factor in factors)
    angle = np.where(is_changed, angle, 0.0)
    saturation = np.where(rng.random(count) < kind.grey_chance, 0.0, saturation)
    gain = brightness * contrast
    lift = brightness * (1 - contrast)
    return gain, lift, _saturation_matrices(saturation) @ _hue_matrices(angle)


def _saturation_matrices(saturation: np.ndarray) -> np.ndarray:
    """Return matrices (n, 3, 3) that mix colours with their grey: 1 leaves them, 0 is grey."""
    grey = np.ones((3, 1)) * LUMA
    share = saturation[:, None, None]
    return share * np.eye(3) + (1 - saturation)[:, None, None] * grey


def _hue_matrices(angle: np.ndarray) -> np.ndarray:
    """Return matrices (n, 3, 3) that turn the hue by `angle`, the two colour axes of YIQ."""
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2] = -np.sin(angle)
    turn[:, 2, 1] = np.sin(angle)
    return np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ


def _draw_holes(kind: ViewKind, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return y, x and side of the blanked square, in shares of the view, (count, 3)."""
    y, x = rng.random(count), rng.random(count)
    return np.stack([y, x, kind.cutout * rng.random(count)], axis=1)


def cut(images: Any, numbers: Any, size: int) -> Any:
    """Return views that are cut out, resized and mirrored, in the colours of their images.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels)
        Values in [0, 1].
    numbers : tensor of shape (n, 18)
        From `draw`.
    size : int
        Height and width of the views, in pixels.

    Returns
    -------
    tensor of shape (n, size, size, channels), float32
    """
    from keras import ops

    height, width = images.shape[1:3]
    rows = _resizing_weights(numbers[:, 0], numbers[:, 1], size, height)
    columns = _resizing_weights(numbers[:, 2], numbers[:, 3], size, width)
    of_rows = ops.einsum("nih,nhwc->niwc", rows, images)
    return ops.einsum("njw,niwc->nijc", columns, of_rows)


def _change_tones(views: Any, numbers: Any) -> Any:
    """Return views of other brightness and contrast, around the mean brightness of each."""
    from keras import ops

    luma = LUMA if views.shape[-1] == 3 else np.ones(1)
    brightness = ops.sum(views * ops.convert_to_tensor(luma.astype(np.float32)), axis=-1)
    mean = ops.mean(brightness, axis=(1, 2))
    gain = numbers[:, 4, None, None, None]
    lift = (numbers[:, 5] * mean)[:, None, None, None]
    return views * gain + lift


def _change_colours(views: Any, numbers: Any) -> Any:
    """Return views of other saturation and hue."""
    from keras import ops

    matrices = ops.reshape(numbers[:, COLOURS], (-1, 3, 3))
    return ops.einsum("nijc,ndc->nijd", views, matrices)


def _resizing_weights(start: Any, step: Any, size: int, side: int) -> Any:
    """Return the weight of each of `side` pixels in each of `size` new ones, (n, size, side).

    Rows sum to 1. The weights are bilinear, and wider if the view is smaller than its crop, against
    aliasing.
    """
    from keras import ops

    position = start[:, None] + (np.arange(size, dtype=np.float32) + 0.5) * step[:, None] - 0.5
    position = ops.clip(position, 0.0, side - 1.0)
    reach = ops.maximum(ops.abs(step), 1.0)[:, None, None]
    distance = ops.abs(position[:, :, None] - np.arange(side, dtype=np.float32))
    weights = ops.relu(1.0 - distance / reach)
    return weights / ops.sum(weights, axis=2, keepdims=True)


def blank(views: Any, holes: Any, size: int) -> Any:
    """Return views with a missing square, in grey.

    Parameters
    ----------
    views : tensor of shape (n, size, size, channels)
        Values in [0, 1].
    holes : tensor of shape (n, 3)
        y, x and side of each square, in shares of the view.
    size : int
        Height and width of the views, in pixels.

    Returns
    -------
    tensor of the same shape
    """
    from keras import ops

    middles = (np.arange(size, dtype=np.float32) + 0.5) / size
    half = holes[:, 2, None] / 2
    rows = ops.abs(middles[None] - holes[:, 0, None]) < half
    columns = ops.abs(middles[None] - holes[:, 1, None]) < half
    is_hole = ops.logical_and(rows[:, :, None], columns[:, None, :])
    return ops.where(is_hole[..., None], 0.5, views)
