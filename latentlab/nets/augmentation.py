"""Label-preserving changes of images while training: small shifts and rotations, and mirror images.

DEC-DA (Guo et al., ACML 2018): up to 10 degrees and 10% of the side, in pretraining and clustering alike.
"""

import math
from typing import Any

import numpy as np

DEGREES = 10.0
SHIFT = 0.1  # of the side


def augment(batch: np.ndarray, kind: str, rng: np.random.Generator) -> Any:
    """Return changed images.

    Parameters
    ----------
    batch : ndarray of shape (n, height, width, channels), float32
    kind : {"none", "affine", "affine+flip"}
    rng : numpy.random.Generator
        All randomness; equal generators give equal images.

    Returns
    -------
    ndarray or tensor of the same shape
        What lies outside the image is filled with its nearest edge.
    """
    if kind == "none":
        return batch
    from keras import ops

    mirrored = rng.random(len(batch)) < 0.5 if kind == "affine+flip" else np.zeros(len(batch), bool)
    transforms = _transforms(len(batch), batch.shape[1], batch.shape[2], mirrored, rng)
    return ops.image.affine_transform(
        batch, transforms, interpolation="bilinear", fill_mode="nearest"
    )


def _transforms(
    count: int, height: int, width: int, mirrored: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return Keras' eight numbers (a0 a1 a2 b0 b1 b2 0 0) an image, which map output to input pixels, float32 (count, 8)."""
    angle = rng.uniform(-DEGREES, DEGREES, count) * math.pi / 180
    x_shift, y_shift = rng.uniform(-SHIFT, SHIFT, (2, count)) * [[width], [height]]
    sign = np.where(mirrored, -1.0, 1.0)
    cosine, sine = np.cos(angle), np.sin(angle)
    x_center, y_center = (width - 1) / 2, (height - 1) / 2
    a0, a1, b0, b1 = sign * cosine, -sine, sign * sine, cosine
    a2 = x_center - a0 * x_center - a1 * y_center + x_shift
    b2 = y_center - b0 * x_center - b1 * y_center + y_shift
    zero = np.zeros(count)
    return np.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1).astype(np.float32)
