"""Classes of pictures that a list or table names."""

from collections.abc import Sequence
from typing import Any

from latentlab.config import DataOptions
from latentlab.data.formats.path_tables import PathTable, table_columns
from latentlab.data.layouts.name_splits import name_classes
from latentlab.data.listed_source import ListedSet
from latentlab.data.table_rows import listed_rows
from latentlab.scoring.labels._encoding import MOST_DIGITS, Labels, encode_labels, first_labels


def labels_of_rows(table: PathTable, data: DataOptions) -> Labels | None:
    """Return the class of every picture that a table names.

    Parameters
    ----------
    table : PathTable
        The table.
    data : DataOptions
        What is opened.

    Returns
    -------
    Labels or None
        None if there are none.
    """
    column = table_columns(table, data.image_column, data.label_column).labels
    values = table.column(column) if column else None
    return labels_of(listed_rows(table, data), values, data)


def labels_of(listed: ListedSet, values: Sequence[Any] | None, data: DataOptions) -> Labels | None:
    """Return the class of every picture of a list.

    Parameters
    ----------
    listed : ListedSet
        The pictures.
    values : sequence or None
        The label of each entry of the list; None takes the folders of the pictures.
    data : DataOptions
        What is opened.

    Returns
    -------
    Labels or None
        None if there are none.
    """
    if values is None or not any(value not in (None, "") for value in values):
        folders = name_classes(listed.pictures.ids, data)
        if folders is None:
            return None
        chosen: list[Any] = list(folders)
    else:
        chosen = as_one_kind([values[row] for row in listed.pictures.rows])
    class_numbers, class_names = encode_labels(chosen)
    return first_labels(class_numbers, class_names, listed.index(), data)


def as_one_kind(values: Sequence[Any]) -> list[Any]:
    """Return labels as numbers if all are numbers, or else as words, so that they have an order.

    Parameters
    ----------
    values : sequence of int, float, str or None
        Labels as a table has them.

    Examples
    --------
    >>> as_one_kind(["2", "10", None]), as_one_kind([1, "cat"])
    ([2, 10, None], ['1', 'cat'])
    """
    texts = [None if value in (None, "") else str(value) for value in values]
    present = [text for text in texts if text is not None]
    digits = [text.removeprefix("-") for text in present]
    if all(text.isdecimal() and len(text) <= MOST_DIGITS for text in digits):
        return [None if text is None else int(text) for text in texts]
    if all(isinstance(value, (int, float)) or value is None for value in values):
        return list(values)
    return texts
