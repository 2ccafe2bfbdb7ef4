"""Columns of tables of pictures: which hold paths or pictures, labels and splits, by name."""

from collections.abc import Sequence
from pathlib import Path

from latentlab.errors import DataError

IMAGE_COLUMNS = (
    *("image", "img", "picture", "photo", "image_path", "img_path", "file_path", "filepath"),
    *("path", "file_name", "filename", "image_file", "image_name", "file", "images", "file_names"),
    *("jpg", "png", "jpeg", "webp", "image_id", "id", "name"),
)
LABEL_COLUMNS = (
    *("label", "labels", "class", "target", "fine_label", "category", "species", "class_name"),
    *("label_name", "class_label", "class_id", "classname", "targets", "classes", "y"),
)
SPLIT_COLUMNS = ("split", "splits", "subset", "partition", "set", "dataset_split")
MOST_LISTED = 12  # names of columns in an error


def column_named(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first column with one of some names, in any case; None if there is none.

    Parameters
    ----------
    names : sequence of str
        The columns of a table.
    wanted : sequence of str
        Names in lower case, the most usual one first.

    Examples
    --------
    >>> column_named(["ID", "Label"], LABEL_COLUMNS)
    'Label'
    """
    # Of two columns that differ in case only the first counts.
    by_name = {name.strip().lower(): name for name in reversed(names)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def only_column(path: Path, names: Sequence[str], wanted: Sequence[str], content: str) -> str:
    """Return the one column among several that hold the same.

    Parameters
    ----------
    path : Path
        The table, for the error.
    names : sequence of str
        The columns, at least one.
    wanted : sequence of str
        Names in lower case that decide between them, the most usual one first.
    content : str
        What they hold, for the error: "pictures" or "paths".

    Raises
    ------
    DataError
        If no name decides.

    Examples
    --------
    >>> only_column(Path("t.csv"), ["thumbnail", "Image"], IMAGE_COLUMNS, "paths")
    'Image'
    """
    if len(names) == 1:
        return names[0]
    by_name = column_named(names, wanted)
    if by_name is None:
        raise DataError(
            f"{path} has several columns of {content} ({listed_columns(names)}): say which with"
            " `image_column`."
        )
    return by_name


def listed_columns(names: Sequence[str]) -> str:
    """Return names of columns for an error, of which there may be very many.

    Parameters
    ----------
    names : sequence of str
        The columns.

    Examples
    --------
    >>> listed_columns(["a", "b"])
    'a, b'
    """
    shown = ", ".join(name[:40] for name in names[:MOST_LISTED])
    further = len(names) - MOST_LISTED
    return f"{shown} and {further:,} more" if further > 0 else shown or "none"
