"""Classes of NumPy files: y_train and y_test next to x_train and x_test, or y or labels."""

from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.array_files import (
    TRAIN_KEY,
    ImageArrays,
    read_image_arrays,
    read_npz_arrays,
)
from latentlab.data.source import ImageIndex, Source
from latentlab.data.splits import numbered_ids
from latentlab.errors import DataError
from latentlab.scoring.labels import Labels, encode_labels, first_labels

LABEL_KEYS = ("y", "labels")
_LABEL_OF = {"x_train": "y_train", "x_test": "y_test"}


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every image of `data`, None without such arrays."""
    images = read_image_arrays(Source.named("arrays").path(data), data)
    labels = _label_arrays(images, data)
    if not any(array is not None for array in labels):
        return None
    values: list[Any] = []
    for image_array, label_array in zip(images.arrays, labels, strict=True):
        # Images of an array without labels have no class.
        values += [None] * len(image_array) if label_array is None else label_array.tolist()
    class_numbers, class_names = encode_labels(values)
    index = ImageIndex(numbered_ids(images.splits), images.splits)
    return first_labels(class_numbers, class_names, index, data)


def _label_arrays(images: ImageArrays, data: DataOptions) -> list[np.ndarray | None]:
    """Return the labels of each array of images; None for an array without labels."""
    if TRAIN_KEY in images.names:
        names = [_LABEL_OF[name] for name in images.names]
        arrays = read_npz_arrays(images.path, names, data)
    else:
        arrays = read_npz_arrays(images.path, LABEL_KEYS, data)
        names = [name for name in LABEL_KEYS if name in arrays][:1] or ["" for _ in images.arrays]
    labels: list[np.ndarray | None] = []
    for number, name in enumerate(names):
        labels.append(_checked(images, number, name, arrays[name]) if name in arrays else None)
    return labels


def _checked(images: ImageArrays, number: int, name: str, labels: np.ndarray) -> np.ndarray:
    """Return labels as one axis; their number has to be that of the images."""
    labels = labels.reshape(-1)
    count = len(images.arrays[number])
    if len(labels) != count:
        raise DataError(
            f"{images.path}: {len(labels)} labels for {count} images "
            f"({name} and {images.names[number]}). Give one label per image."
        )
    return labels
