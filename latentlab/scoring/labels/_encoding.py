"""Labels as class numbers and class names."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.source import ImageIndex
from latentlab.data.splits import first_of_each
from latentlab.errors import DataError

NO_CLASS = -1
MOST_DIGITS = 18  # of a number; more are a word


@dataclass(frozen=True)
class Labels:
    """Held-out labels of a source.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Image ids, as in the ImageSet.
    labels : ndarray of shape (n,), int32
        Class number of each image, an index into `class_names`; -1 if it has no class.
    class_names : tuple of str
        A name for each class.
    origin : str
        Where they were read and what to know of them, in one line; "" for a source that always has
        them.
    """

    ids: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    origin: str = ""

    @property
    def obstacle(self) -> str:
        """Why nothing can be scored by these labels, in a clause; "" if something can.

        Examples
        --------
        >>> Labels(np.array(["a", "b"]), np.array([0, 0]), ("cat",)).obstacle
        'all labels are the same (cat)'
        """
        present = self.labels[self.labels >= 0]
        classes = np.unique(present)
        if len(present) == 0:
            return "no image has a label"
        if len(classes) == 1:
            return f"all labels are the same ({self.class_names[classes[0]]})"
        if len(classes) == len(present):
            return "each image has a label of its own"
        return ""


def first_labels(
    class_numbers: np.ndarray, class_names: Sequence[str], index: ImageIndex, data: DataOptions
) -> Labels:
    """Return the labels of the images that `limit` leaves.

    Parameters
    ----------
    class_numbers : ndarray of shape (n,), int
        Class number of each image of the source, in order.
    class_names : sequence of str
        A name for each class.
    index : ImageIndex
        Ids and splits of all images of the source.
    data : DataOptions
        Holds the `limit`.

    Returns
    -------
    Labels
        Of the first images of each split.

    Raises
    ------
    DataError
        If there is another number of labels than of images.
    """
    if len(class_numbers) != len(index):
        raise DataError(
            f"there are {len(class_numbers)} labels for {len(index)} images. "
            "Give one label per image."
        )
    positions = first_of_each(index.splits, data.limit)
    return Labels(
        ids=index.ids[positions],
        labels=np.asarray(class_numbers, dtype=np.int32)[positions],
        class_names=tuple(class_names),
    )


def encode_labels(values: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class numbers and class names of labels that are numbers or texts.

    The classes are the distinct values in order, numbers as numbers. None, "", NaN and negative
    numbers stand for no class.

    Parameters
    ----------
    values : sequence of int, float, bool, str or None
        A label for each image.

    Returns
    -------
    ndarray of shape (n,), int32
        Class numbers; -1 for no class.
    tuple of str
        Class names.

    Raises
    ------
    DataError
        If the labels are neither all numbers nor all text.

    Examples
    --------
    >>> encode_labels(["dog", "", "cat", "dog"])
    (array([ 1, -1,  0,  1], dtype=int32), ('cat', 'dog'))
    """
    # Mixed kinds cannot be put in order, so they are refused first.
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) > 1 or not kinds <= {bool, str, numbers.Real}:
        names = sorted(kind.__name__ for kind in kinds)
        raise DataError(f"labels must be all numbers or all text, not {' and '.join(names)}.")
    classes = sorted({value for value in values if not _is_missing(value)})
    number_of = {value: number for number, value in enumerate(classes)}
    class_numbers = [number_of.get(value, NO_CLASS) for value in values]
    return np.array(class_numbers, dtype=np.int32), tuple(map(str, classes))


def _kind(value: object) -> type:
    if isinstance(value, bool):
        return bool
    if isinstance(value, str):
        return str
    return numbers.Real if isinstance(value, numbers.Real) else type(value)


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return not value
    return not value >= 0  # NaN is not at least 0
