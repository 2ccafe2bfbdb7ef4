"""Classes of NumPy files: the arrays of labels that stand beside the arrays of images."""

from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.array_files import ArrayFile, describe, label_arrays
from latentlab.data.source import ImageIndex, Source
from latentlab.data.splits import numbered_ids
from latentlab.errors import DataError
from latentlab.scoring.labels import Labels, encode_labels, first_labels


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every image of `data`, None without such arrays."""
    file = describe(Source.named("arrays").path(data), data)
    labels = label_arrays(file, data)
    if not any(array is not None for array in labels):
        return None
    values: list[Any] = []
    for number, array in enumerate(labels):
        # Images of an array without labels have no class.
        no_class = [None] * file.counts[number]
        values += no_class if array is None else _classes(file, number, array).tolist()
    class_numbers, class_names = encode_labels(values)
    index = ImageIndex(numbered_ids(file.splits), file.splits)
    return first_labels(class_numbers, class_names, index, data)


def _classes(file: ArrayFile, number: int, labels: np.ndarray) -> np.ndarray:
    """Return labels as one axis; their number has to be that of the images."""
    name, count = file.names.labels[number], file.counts[number]
    labels = _one_axis(f"{file.path}: {name}", labels)
    if len(labels) != count:
        images = file.names.images[number]
        raise DataError(
            f"{file.path}: {len(labels)} labels for {count} images ({name} and {images}). Give one"
            " label per image."
        )
    return labels


def _one_axis(name: str, labels: np.ndarray) -> np.ndarray:
    """Return labels as one axis, also where a 1 stands in the column of the class."""
    if labels.ndim == 1 or labels.shape[1] == 1:
        return labels.reshape(-1)
    is_one = labels == 1
    if labels.dtype.kind in "uifb" and (is_one | (labels == 0)).all():
        if (is_one.sum(axis=1) == 1).all():
            return is_one.argmax(axis=1)
        raise DataError(
            f"{name} has rows of several labels, or of none, and scores need one class for each"
            " image. Use `labels=none`, or name another array as `label_column`."
        )
    raise DataError(
        f"{name} has the shape {labels.shape}, and scores need one class for each image. Use"
        " `labels=none`, or name another array as `label_column`."
    )
