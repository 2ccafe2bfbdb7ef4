"""Handwritten digits of scikit-learn: 1,797 grey images, inside that package, so nothing is downloaded.

The 8x8 values 0 to 16 are scaled to 0 to 255 and enlarged, bicubic, to 32x32 (or `size`). There is no published
split: `held_out` of the images, drawn without looking at labels, are the test images.
"""

from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.common import DEFAULT_SIZE, check, collect, collect_labels
from latentlab.data.images import ImageSet, held_out_splits
from latentlab.data.opening import Labels


def open_images(options: DataOptions) -> ImageSet:
    """Return the images, (size, size, 1)."""
    from dataclasses import replace

    values = _bunch().images
    images = np.round(values * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    options = replace(options, size=DEFAULT_SIZE if options.size is None else options.size)
    return collect("Digits", images, held_out_splits(len(images), options.held_out), options)


def read_labels(options: DataOptions) -> Labels:
    """Return the digit of every image."""
    check(options)
    labels = _bunch().target
    return collect_labels(
        labels,
        [str(digit) for digit in range(10)],
        held_out_splits(len(labels), options.held_out),
        options,
    )


def _bunch() -> Any:  # a sklearn.utils.Bunch, which has no stubs
    from sklearn.datasets import load_digits

    return load_digits()
