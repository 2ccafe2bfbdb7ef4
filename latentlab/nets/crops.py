"""Random views of images, for encoders that learn from what two views of one image share.

Crop and resize, mirror, and change colours (SimCLR, Chen et al., ICML 2020, appendix A, without blur). What is random is
drawn by NumPy, so that both backends see the same views; what is heavy is `keras.ops` and runs on the device:
cropping and resizing are two small matrix products a channel, and all changes of colour one 3x3 matrix an image.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

N_NUMBERS = 18  # y and x: start, step; gain, lift; 3x3 colours; cutout: y, x, side
RATIO = (3 / 4, 4 / 3)
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
        Strength of the change of brightness, contrast, saturation (each a factor in 1 +- strength) and hue (a share of the
        full circle).
    jitter_chance, grey_chance : float
        Share of views whose colours are changed, and that lose them.
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
    """Return the numbers, float32 (count, 18), that make one view each of `count` images of (height, width, channels)."""
    height, width, _ = image_shape
    area = rng.uniform(*kind.scale, count)
    ratio = np.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), count))
    rows, columns = (
        np.minimum(side * np.sqrt(area * r), side)
        for side, r in ((height, 1 / ratio), (width, ratio))
    )
    top, left = (
        rng.uniform(0, 1, count) * (height - rows),
        rng.uniform(0, 1, count) * (width - columns),
    )
    mirrored = (rng.random(count) < 0.5) & kind.mirror
    left, columns = np.where(mirrored, left + columns, left), np.where(mirrored, -columns, columns)
    gain, lift, colours = _draw_colours(kind, count, rng)
    holes = _draw_holes(kind, count, rng)
    steps = [top, rows / kind.size, left, columns / kind.size]
    return np.concatenate(
        [np.stack([*steps, gain, lift], 1), colours.reshape(count, 9), holes], axis=1
    ).astype(np.float32)


def apply(images: Any, numbers: Any, size: int) -> Any:
    """Return the views, float32 (n, size, size, channels) in [0, 1], of images (n, height, width, channels) in [0, 1].

    Parameters
    ----------
    numbers : tensor of shape (n, 18)
        From `draw`. Colours of grey images get brighter and of more contrast only.
    """
    from keras import ops

    height, width, channels = images.shape[1:]
    rows = _weights(numbers[:, 0], numbers[:, 1], size, height)
    columns = _weights(numbers[:, 2], numbers[:, 3], size, width)
    views = ops.einsum("njw,niwc->nijc", columns, ops.einsum("nih,nhwc->niwc", rows, images))
    luma = ops.convert_to_tensor((LUMA if channels == 3 else np.ones(1)).astype(np.float32))
    mean = ops.mean(ops.sum(views * luma, axis=-1), axis=(1, 2))
    views = views * numbers[:, 4, None, None, None] + (numbers[:, 5] * mean)[:, None, None, None]
    if channels == 3:
        views = ops.einsum("nijc,ndc->nijd", views, ops.reshape(numbers[:, 6:15], (-1, 3, 3)))
    return _blank(ops.clip(views, 0.0, 1.0), numbers[:, 15:18], size)


def _weights(start: Any, step: Any, size: int, side: int) -> Any:
    """Return how much of each of `side` pixels is in each of `size` new ones, (n, size, side); rows sum to 1.

    Bilinear, and wider where the view is smaller than what it shows, against aliasing.
    """
    from keras import ops

    at = start[:, None] + (np.arange(size, dtype=np.float32) + 0.5) * step[:, None] - 0.5
    at = ops.clip(at, 0.0, side - 1.0)
    reach = ops.maximum(ops.abs(step), 1.0)[:, None, None]
    weights = ops.relu(1.0 - ops.abs(at[:, :, None] - np.arange(side, dtype=np.float32)) / reach)
    return weights / ops.sum(weights, axis=2, keepdims=True)


def _blank(views: Any, holes: Any, size: int) -> Any:
    """Return views with a grey square where `holes`, (n, 3) of y, x and side in shares of the view, has one."""
    from keras import ops

    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    inside = [ops.abs(at[None] - holes[:, axis, None]) < holes[:, 2, None] / 2 for axis in (0, 1)]
    hole = ops.logical_and(inside[0][:, :, None], inside[1][:, None, :])
    return ops.where(hole[..., None], 0.5, views)


def _draw_colours(
    kind: ViewKind, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gain (count,), lift (count,) and colour matrices (count, 3, 3).

    A view is matrix @ (gain image + lift mean), where mean is its mean brightness.
    """
    brightness, contrast, saturation = (
        rng.uniform(max(0.0, 1 - strength), 1 + strength, count) for strength in kind.jitter[:3]
    )
    angle = 2 * math.pi * rng.uniform(-kind.jitter[3], kind.jitter[3], count)
    changed = rng.random(count) < kind.jitter_chance
    brightness, contrast, saturation = (
        np.where(changed, factor, 1.0) for factor in (brightness, contrast, saturation)
    )
    saturation = np.where(rng.random(count) < kind.grey_chance, 0.0, saturation)
    greyed = np.ones((3, 1)) * LUMA
    colours = saturation[:, None, None] * np.eye(3) + (1 - saturation)[:, None, None] * greyed
    return (
        brightness * contrast,
        brightness * (1 - contrast),
        colours @ _hues(np.where(changed, angle, 0.0)),
    )


def _hues(angle: np.ndarray) -> np.ndarray:
    """Return matrices (n, 3, 3) that turn the hue by `angle`: a rotation of the two colour axes of YIQ."""
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -np.sin(angle), np.sin(angle)
    return np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ


def _draw_holes(kind: ViewKind, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.random(count), rng.random(count), kind.cutout * rng.random(count)], axis=1)
