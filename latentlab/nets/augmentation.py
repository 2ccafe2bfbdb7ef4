"""Small changes of training images that keep their content: shifts, turns, mirrors.

As in DEC-DA (Guo et al., ACML 2018): up to 10 degrees and 10% of the side, in pretraining and
clustering alike.
"""

import math
from typing import Any

import numpy as np

MOST_DEGREES = 10.0
MOST_SHIFT = 0.1  # of the side


def augment(batch: np.ndarray, kind: str, rng: np.random.Generator) -> Any:
    """Return images that are changed at random.

    Parameters
    ----------
    batch : ndarray of shape (n, height, width, channels), float32
        The images.
    kind : {"none", "affine", "affine+flip"}
        Nothing; shifts and rotations; the same, and half of the images mirrored.
    rng : numpy.random.Generator
        All randomness; equal generators give equal images.

    Returns
    -------
    ndarray or tensor of the same shape
        What lies outside the image is filled with its nearest edge.

    Examples
    --------
    >>> batch = np.zeros((2, 4, 4, 1), np.float32)
    >>> augment(batch, "none", np.random.default_rng(0)) is batch
    True
    """
    if kind == "none":
        return batch
    from keras import ops

    count, height, width, _ = batch.shape
    signs = np.ones(count)
    if kind == "affine+flip":
        signs = np.where(rng.random(count) < 0.5, -1.0, 1.0)
    transforms = _draw_transforms(height, width, signs, rng)
    return ops.image.affine_transform(
        batch, transforms, interpolation="bilinear", fill_mode="nearest"
    )


def _draw_transforms(
    height: int, width: int, signs: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return eight numbers per image for Keras (a0 a1 a2 b0 b1 b2 0 0), float32 (n, 8).

    They map a pixel (x, y) of the output to the input's (a0 x + a1 y + a2, b0 x + b1 y + b2). The
    signs (n,) are -1 for mirrored images.
    """
    count = len(signs)
    angle = rng.uniform(-MOST_DEGREES, MOST_DEGREES, count) * math.pi / 180
    shifts = rng.uniform(-MOST_SHIFT, MOST_SHIFT, (2, count)) * [[width], [height]]
    cosine, sine = np.cos(angle), np.sin(angle)
    a0, a1 = signs * cosine, -sine
    b0, b1 = signs * sine, cosine
    numbers = around_middle((a0, a1, b0, b1), shifts, (height, width))
    return numbers.astype(np.float32)


def around_middle(
    matrices: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    shifts: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Return affine transforms around the middle of images, for Keras' affine transform.

    Parameters
    ----------
    matrices : tuple of four ndarray of shape (n,)
        a0, a1, b0, b1: a pixel (x, y) of the output, seen from the middle, is the input's
        (a0 x + a1 y, b0 x + b1 y).
    shifts : ndarray of shape (2, n)
        Added to that, in pixels: x and y.
    size : tuple of int
        Height and width of the images.

    Returns
    -------
    ndarray of shape (n, 8)
        a0, a1, a2, b0, b1, b2, 0, 0.

    Examples
    --------
    >>> one = np.ones(1)
    >>> around_middle((-one, 0 * one, 0 * one, one), np.zeros((2, 1)), (5, 5))[0, :3].tolist()
    [-1.0, 0.0, 4.0]
    """
    a0, a1, b0, b1 = matrices
    y_middle, x_middle = (size[0] - 1) / 2, (size[1] - 1) / 2
    a2 = x_middle - a0 * x_middle - a1 * y_middle + shifts[0]
    b2 = y_middle - b0 * x_middle - b1 * y_middle + shifts[1]
    zero = np.zeros_like(a0)
    return np.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)
