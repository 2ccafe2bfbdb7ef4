"""What a table, or another source, says of its images beside labels and splits: for looking only.

Nothing that fits or clusters reads it. Columns of labels are left out, since scoring alone reads
labels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from latentlab.data.formats.column_names import LABEL_COLUMNS
from latentlab.plain_text import shortened

MOST_COLUMNS = 40
LONGEST_NAME = 60  # characters of the name of a column
LONGEST_TEXT = 200  # characters of a value
Value: TypeAlias = "str | float | None"


@dataclass(frozen=True)
class ImageColumns:
    """Columns about the images of some data.

    Attributes
    ----------
    ids : tuple of str
        Ids of m images.
    values : mapping of str to sequence of m str, float or None
        By the name of the column; a column holds texts or numbers, and None where it says nothing.
    """

    ids: tuple[str, ...]
    values: Mapping[str, Sequence[Value]]

    def of(self, ids: Sequence[str]) -> "ImageColumns":
        """Return the columns for other images: in their order, None for those that are not here.

        Parameters
        ----------
        ids : sequence of str
            Ids of the images.

        Examples
        --------
        >>> ImageColumns(("a", "b"), {"year": (1999.0, 2001.0)}).of(["b", "c"]).values
        {'year': [2001.0, None]}
        """
        place_of = {image_id: place for place, image_id in enumerate(self.ids)}
        places = [place_of.get(image_id) for image_id in ids]
        values: dict[str, list[Value]] = {}
        for name, column in self.values.items():
            values[name] = [None if place is None else column[place] for place in places]
        return ImageColumns(tuple(ids), values)


def telling_columns(
    ids: Sequence[str], columns: Mapping[str, Sequence[Any]], used: Sequence[str | None]
) -> ImageColumns:
    """Return the columns of a table that tell images apart.

    Parameters
    ----------
    ids : sequence of str
        Ids of m images.
    columns : mapping of str to sequence of m
        Their values in all columns of the table, as it has them.
    used : sequence of str or None
        Columns that are read otherwise: paths, labels and splits.

    Returns
    -------
    ImageColumns
        At most `MOST_COLUMNS`; without labels, and without columns that say the same of every image
        or nothing at all.

    Examples
    --------
    >>> columns = {"path": ["a", "b"], "year": ["1999", "2001"], "by": ["me", "me"]}
    >>> telling_columns(["a", "b"], columns, ["path"]).values
    {'year': [1999.0, 2001.0]}
    """
    values: dict[str, Sequence[Value]] = {}
    for name, column in columns.items():
        if name in used or name.strip().lower() in LABEL_COLUMNS or len(values) == MOST_COLUMNS:
            continue
        cleaned = as_numbers_or_texts(column)
        if len(set(cleaned)) > 1:
            values[shortened(name, LONGEST_NAME)] = cleaned
    return ImageColumns(tuple(ids), values)


def as_numbers_or_texts(column: Sequence[Any]) -> list[Value]:
    """Return values as numbers if all are, or else as texts; None for those that say nothing.

    Parameters
    ----------
    column : sequence
        Texts, numbers, truth values, dates or None; other values say nothing.

    Examples
    --------
    >>> as_numbers_or_texts(["1", "2.5", ""]), as_numbers_or_texts(["1", "b", None])
    ([1.0, 2.5, None], ['1', 'b', None])
    """
    texts = [_text(value) for value in column]
    numbers = [None if text is None else _number(text) for text in texts]
    n_numbers = sum(number is not None for number in numbers)
    n_texts = sum(text is not None for text in texts)
    return list(numbers) if n_numbers == n_texts else list(texts)


def _text(value: Any) -> str | None:
    """Return a value as a text; None if it says nothing or is no plain value."""
    if value is None or isinstance(value, bytes | list | dict | tuple | set | np.ndarray):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return shortened(" ".join(str(value).split()), LONGEST_TEXT) or None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
