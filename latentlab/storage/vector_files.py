"""Files of vectors that another program made: which columns hold vectors, ids and splits.

Labels in such a file are not read here: `latentlab.scoring.labels` asks for them by `read_column`.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab.errors import ConfigError, DataError
from latentlab.storage import memory_budget
from latentlab.storage.npz import LIMIT
from latentlab.storage.vector_formats import (
    FORMATS,
    NUMBERS,
    OTHER,
    VECTORS,
    Column,
    CsvVectors,
    VectorFormat,
)

DAMAGE = (ValueError, OverflowError, NotImplementedError, KeyError)
ID_NAMES = (
    *("id", "ids", "image_id", "path", "paths", "image_path", "filename", "filenames"),
    *("file_name", "file", "files", "image", "images", "name", "names"),
)
VECTOR_NAMES = ("embedding", "embeddings", "vector", "vectors", "feature", "features")
SPLIT_NAMES = ("split", "splits", "subset")
LABEL_NAMES = ("label", "labels", "class", "target", "targets", "fine_label")
LABEL_ARRAYS = ("y",)  # of npz files; in tables it may be the second number of a vector
INDEX_NAMES = ("", "unnamed: 0", "index", "__index_level_0__")  # what pandas writes by itself
SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation"), "test"),
    **dict.fromkeys(("held out", "held-out", "held_out"), "test"),
}


@dataclass(frozen=True)
class VectorColumns:
    """The columns of a file of vectors, by name; "" for none.

    Attributes
    ----------
    ids : str
        The ids.
    vectors : str
        The vectors: one column of lists, or patterns of many columns, joined by commas.
    splits : str
        "train" or "test".
    labels : str
        Labels, which nothing but scoring reads.
    """

    ids: str = ""
    vectors: str = ""
    splits: str = ""
    labels: str = ""


@dataclass(frozen=True)
class VectorTable:
    """The content of a file of vectors, without its labels.

    Attributes
    ----------
    columns : VectorColumns
        Where it stood.
    vectors : ndarray of shape (n, d), float32
        As they are; some may not be finite.
    ids : list of str or None
        Unique ids; None if the file has none.
    splits : ndarray of shape (n,), str, or None
        "train" or "test"; None if the file does not say.
    names : tuple of str
        Names of the columns that the vectors stood in.
    """

    columns: VectorColumns
    vectors: np.ndarray
    ids: list[str] | None
    splits: np.ndarray | None
    names: tuple[str, ...] = ()


def read_vector_file(
    path: Path, wanted: VectorColumns | None = None, limit: int | None = None
) -> VectorTable:
    """Read a file of vectors.

    Parameters
    ----------
    path : pathlib.Path
        A .parquet, .npy, .npz or .csv file.
    wanted : VectorColumns or None
        The columns that were named; "" or None finds them.
    limit : int or None
        Largest number of bytes of its vectors as float32; None is 4 GiB, and less for a small
        file, see `latentlab.storage.memory_budget`.

    Raises
    ------
    ConfigError
        If it has no such column.
    DataError
        If there is no such file, it holds no vectors, or its ids are not unique.
    """
    return _guarded(path, limit, lambda file: _read(file, wanted or VectorColumns()))


def read_beside(path: Path, table: VectorTable) -> pa.Table:
    """Return the columns of a file of vectors that stand beside the vectors, as they are.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    table : VectorTable
        What has been read of it.

    Returns
    -------
    pyarrow.Table
        With a row for each vector, ids and all; those of arrays need as many entries.
    """

    def read(file: VectorFormat) -> pa.Table:
        names = [each.name for each in file.columns() if each.name not in table.names]
        return file.table(names, len(table.vectors))

    return _guarded(path, None, read)


def read_column(path: Path, name: str, limit: int | None = None) -> list[Any]:
    """Return the entries of one column of a file of vectors: numbers, text or None.

    Parameters
    ----------
    path : pathlib.Path
        As in `read_vector_file`.
    name : str
        Name of the column.
    limit : int or None
        As in `read_vector_file`.

    Raises
    ------
    DataError
        If there is no such file or column, or it is too large.
    """

    def read(file: VectorFormat) -> list[Any]:
        if name not in [column.name for column in file.columns()]:
            raise DataError(f"{path} has no column {name!r}.")
        return file.values(name)

    return _guarded(path, limit, read)


def _guarded(path: Path, limit: int | None, read: Any) -> Any:
    """Return read(opened file); whatever damage raises becomes a DataError."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise DataError(f"{path}: vectors are read from {_either(list(FORMATS))} files.")
    if not path.exists():
        raise DataError(f"{path} does not exist. Check the path given to `embeddings`.")
    if not path.is_file():
        raise DataError(f"{path} is no regular file. Check the path given to `embeddings`.")
    try:
        allowed = memory_budget.allowed_bytes(path, limit, LIMIT)
        return read(kind(path, allowed, is_trusted=limit is not None))
    except (ConfigError, DataError):
        raise
    except memory_budget.TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise `max_bytes`."
        ) from error
    # NotImplementedError is zipfile's for a compression that it does not know.
    # KeyError is Arrow's for two columns of one name.
    except (OSError, *DAMAGE, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{path} cannot be read as vectors ({reason}).") from error


def _read(file: VectorFormat, wanted: VectorColumns) -> VectorTable:
    columns, numbers = _find_columns(file, wanted)
    matrix = file.numbers(numbers) if numbers else file.vectors(columns.vectors)
    if not len(matrix):
        raise DataError(f"{file.path} holds no vector.")
    ids = _ids(file, columns.ids) if columns.ids else None
    splits = _splits(file, columns.splits) if columns.splits else None
    for name, values in ((columns.ids, ids), (columns.splits, splits)):
        if values is not None and len(values) != len(matrix):
            raise DataError(
                f"{file.path}: there are {len(matrix)} vectors and {len(values)} entries of {name}."
            )
    return VectorTable(columns, matrix, ids, splits, tuple(numbers) or (columns.vectors,))


# Columns


def _find_columns(file: VectorFormat, wanted: VectorColumns) -> tuple[VectorColumns, list[str]]:
    """Return the columns, and the names of those with single numbers of the vectors."""
    columns = file.columns()
    for field, name in (
        ("id_column", wanted.ids),
        ("label_column", wanted.labels),
        ("split_column", wanted.splits),
    ):
        if name and name not in [column.name for column in columns]:
            raise _missing(file, field, name)
    entries = [column for column in columns if column.kind in (NUMBERS, OTHER)]
    others = [column for column in entries if column.kind == OTHER]
    labels = wanted.labels or _first_named(entries, LABEL_NAMES)
    labels = labels or _first_named(others, LABEL_ARRAYS)
    splits = wanted.splits or _first_named(entries, SPLIT_NAMES)
    ids = wanted.ids or _first_named(entries, ID_NAMES)
    taken = (ids, labels, splits)
    vectors, numbers = _find_vectors(file, wanted.vectors, taken)
    return VectorColumns(ids, vectors, splits, labels), numbers


def _find_vectors(file: VectorFormat, wanted: str, taken: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the vectors and, where they are many columns, all their names."""
    columns = [column for column in file.columns() if not column.name or column.name not in taken]
    whole = [column.name for column in columns if column.kind == VECTORS]
    single = [column.name for column in columns if column.kind == NUMBERS]
    if wanted:
        if wanted in whole:
            return wanted, []
        patterns = wanted.split(",")
        chosen = [name for name in single if _matches_any(name, patterns)]
        if not chosen:
            raise _missing(file, "column", wanted)
        return wanted, chosen
    if whole:
        return _preferred(whole), []
    single = [name for name in single if name.lower() not in INDEX_NAMES]
    if not single:
        raise DataError(
            f"{file.path} has no vectors: it has {_names(file.columns())}. Write them as lists of"
            " numbers, as columns of numbers, or as an array of shape (n, d)."
        )
    return "", single


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _preferred(names: list[str]) -> str:
    """Return the name that says that a column holds vectors, or else the first."""
    by_lower = {name.lower(): name for name in names}
    return next((by_lower[name] for name in VECTOR_NAMES if name in by_lower), names[0])


def _first_named(columns: list[Column], names: Sequence[str]) -> str:
    """Return the first of some names that a column has, in whatever case; "" without one."""
    by_lower = {column.name.lower(): column.name for column in columns}
    return next((by_lower[name] for name in names if name in by_lower), "")


def _missing(file: VectorFormat, field: str, name: str) -> ConfigError:
    return ConfigError(
        f": {file.path} has no such column; it has {_names(file.columns())}",
        field=field,
        value=name,
    )


def _names(columns: list[Column]) -> str:
    """Return the names of columns as a list in words; a long one is cut."""
    names = [column.name or "no name" for column in columns]
    text = ", ".join(names[:10]) or "no column"
    return f"{text} and {len(names) - 10} more" if len(names) > 10 else text


def _either(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}"


# Ids and splits


def _ids(file: VectorFormat, name: str) -> list[str]:
    """Return the ids as text; DataError if one is missing or there twice."""
    values = file.texts(name) if isinstance(file, CsvVectors) else file.values(name)
    ids: list[str] = []
    rows_of: dict[str, int] = {}
    for row, value in enumerate(values):
        text = "" if value is None else str(value)
        if not text:
            raise DataError(f"{file.path}: row {row} has no {name}. Give every vector its own.")
        if text in rows_of:
            raise DataError(
                f"{file.path}: rows {rows_of[text]} and {row} have the same {name}, {text!r}. Give"
                " every vector its own."
            )
        rows_of[text] = row
        ids.append(text)
    return ids


def _splits(file: VectorFormat, name: str) -> np.ndarray:
    splits = []
    for row, value in enumerate(file.values(name)):
        split = SPLIT_OF.get(str(value).lower())
        if split is None:
            raise DataError(
                f"{file.path}: row {row} has the {name} {value!r}: known are train and test."
            )
        splits.append(split)
    return np.array(splits, dtype="U5")
