"""Tables of pictures' paths: CSV, TSV, lines or arrays of JSON; which column holds what."""

import abc
import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from latentlab.data.formats.column_names import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    column_named,
    listed_columns,
    only_column,
)
from latentlab.data.formats.listed_paths import base_folder, is_address, local_text
from latentlab.data.formats.member_kinds import is_picture_name
from latentlab.data.layouts.layout import split_of_name
from latentlab.errors import ConfigError, DataError
from latentlab.storage import memory_budget
from latentlab.storage.memory_budget import ROW_BYTES, TooLargeError

MOST_COLUMNS = 10_000
MOST_CELL = 1 << 20  # characters
MOST_LINE = 16 << 20  # characters
SAMPLE = 20  # rows that say what the columns hold
DELIMITERS = ",;\t|"
RECORD_KEYS = ("images", "data", "rows", "annotations", "items")  # of JSON with a list in a mapping
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class PathTable(abc.ABC):
    """A table of which a few columns are read.

    Parameters
    ----------
    path : Path
        The file.
    home : Path or None
        The folder to which relative paths belong; None is that of the file.

    Attributes
    ----------
    names : list of str
        Its columns.
    candidates : list of str
        Those that may hold paths.
    """

    def __init__(self, path: Path, home: Path | None = None) -> None:
        self.path = path
        self.home = home or path.parent
        self.names: list[str] = []
        self.candidates: list[str] = []

    @abc.abstractmethod
    def sample(self) -> list[Sequence[Any]]:
        """Return the first rows, a value for each of `candidates`; the last may be missing."""

    @abc.abstractmethod
    def column(self, name: str) -> list[Any]:
        """Return all values of the column `name`; None for a missing one."""

    def texts(self, name: str) -> list[str | None]:
        """Return all values of the column `name` as text; None for a missing one."""
        values = self.column(name)
        return [None if value in (None, "") else str(value) for value in values]


class DelimitedTable(PathTable):
    """A file of comma-separated values, or of another delimiter, with or without names."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        head = self._head()
        self._delimiter = _delimiter_of(path, head)
        first = next(self._rows(), [])
        check_columns(path, first)  # before each is looked for on the disk
        self._has_names = not any(_names_a_file(path, cell) for cell in first)
        self.names = _unique(first) if self._has_names else _numbered(len(first))
        self.candidates = self.names

    def sample(self) -> list[Sequence[Any]]:
        """Return the first rows."""
        return list(itertools.islice(self._values(), SAMPLE))

    def column(self, name: str) -> list[Any]:
        """Return all values of a column; rows that are too short have none."""
        number = self.names.index(name)
        return [row[number] if number < len(row) else None for row in self._values()]

    def _values(self) -> Iterator[list[str]]:
        return itertools.islice(self._rows(), int(self._has_names), None)

    def _rows(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank."""
        with _opened(self.path) as file:
            rows = csv.reader(_lines(self.path, file), delimiter=self._delimiter)
            try:
                for row in rows:
                    is_note = rows.line_num == 1 and row and row[0].startswith("sep=")
                    if any(row) and not is_note:
                        yield row
            except csv.Error as error:
                raise DataError(
                    f"{self.path}, line {rows.line_num}: {error}. It is no table of"
                    f" {_NAMES_OF[self._delimiter]}-separated values; write it again."
                ) from error

    def _head(self) -> str:
        with _opened(self.path) as file:
            return file.readline(MOST_CELL)


class JsonTable(PathTable):
    """JSON with a record a line, a list of records, or such a list in a mapping.

    Parameters
    ----------
    path : Path
        The file.
    allowed : int
        Bytes that all its records may take.
    """

    def __init__(self, path: Path, allowed: int) -> None:
        super().__init__(path)
        self._records = list(_json_records(path, allowed))
        first = self._records[:SAMPLE]
        self.names = list(dict.fromkeys(key for record in first for key in record))
        self.candidates = self.names

    def sample(self) -> list[Sequence[Any]]:
        """Return the first rows."""
        rows: list[Sequence[Any]] = []
        for record in self._records[:SAMPLE]:
            rows.append([record.get(name) for name in self.names])
        return rows

    def column(self, name: str) -> list[Any]:
        """Return the value of each record."""
        return [_plain(record.get(name)) for record in self._records]


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table are read.

    Attributes
    ----------
    images : str
        The paths.
    labels, splits : str or None
        Labels, which scoring alone reads, and splits.
    """

    images: str
    labels: str | None
    splits: str | None


def open_table(path: Path, max_bytes: int | None) -> PathTable:
    """Open a table of text or JSON.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int or None
        What it may take in memory; see `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If it is missing, too large, or no such table.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path} is an empty file.")
        allowed = memory_budget.allowed_bytes(path, max_bytes)
        memory_budget.check(size, allowed, "its contents")
        is_json = path.suffix.lower() in (".json", ".jsonl", ".ndjson") or _begins_as_json(path)
        table = JsonTable(path, allowed) if is_json else _delimited(path, allowed)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise `max_bytes`."
        ) from error
    check_columns(path, table.names)
    return table


def _delimited(path: Path, allowed: int) -> DelimitedTable:
    n_lines = memory_budget.count_lines(path, allowed // ROW_BYTES)
    memory_budget.check(n_lines * ROW_BYTES, allowed, f"its {n_lines:,} lines or more")
    return DelimitedTable(path)


def check_columns(path: Path, names: Sequence[str]) -> None:
    """Refuse a table with so many columns that it is none of pictures.

    Parameters
    ----------
    path : Path
        The table.
    names : sequence of str
        Its columns.

    Raises
    ------
    DataError
        If there are more than `MOST_COLUMNS`, or none.
    """
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names):,} columns, more than the {MOST_COLUMNS:,} that a table of"
            " pictures may have. Numbers of images belong into a .npy file."
        )
    if not names:
        raise DataError(f"{path} has no columns: it names no pictures.")


def table_columns(
    table: PathTable, image_column: str | None, label_column: str | None
) -> TableColumns:
    """Return which columns hold paths, labels and splits.

    Parameters
    ----------
    table : PathTable
        The table.
    image_column, label_column : str or None
        Names that the user gave; None finds them.

    Raises
    ------
    ConfigError
        If there is no such column.
    DataError
        If no column holds paths, or several do.
    """
    images = path_column(table, image_column)
    others = [name for name in table.names if name != images]
    labels = label_column_of(table.path, others, label_column)
    if labels is None and label_column is None and table.names == _numbered(2):
        labels = others[0]  # path and label, without names
    return TableColumns(images, labels, column_named(others, SPLIT_COLUMNS))


def label_column_of(path: Path, names: Sequence[str], wanted: str | None) -> str | None:
    """Return the column of labels.

    Parameters
    ----------
    path : Path
        The table, for the error.
    names : sequence of str
        Its columns, without that of images.
    wanted : str or None
        The name that the user gave; None takes one of the usual names.

    Raises
    ------
    ConfigError
        If there is no such column.
    """
    if wanted is None:
        return column_named(names, LABEL_COLUMNS)
    if wanted not in names:
        raise ConfigError(
            f": {path} has no such column; it has {listed_columns(names)}",
            field="label_column",
            value=wanted,
        )
    return wanted


def path_column(table: PathTable, wanted: str | None) -> str:
    """Return the column of paths.

    Parameters
    ----------
    table : PathTable
        The table.
    wanted : str or None
        The name that the user gave; None looks at the first rows.

    Raises
    ------
    ConfigError
        If there is no such column.
    DataError
        If no column holds paths, or several do and no name decides.
    """
    if wanted is not None:
        if wanted not in table.candidates:
            raise ConfigError(
                f": {table.path} has no such column; it has {listed_columns(table.candidates)}",
                field="image_column",
                value=wanted,
            )
        return wanted
    rows = table.sample()
    columns = list(itertools.zip_longest(*rows))
    for holds in (_name_files, _look_like_paths):
        fitting = [
            name
            for name, values in zip(table.candidates, columns, strict=False)
            if holds(table.home, values)
        ]
        if fitting:
            return only_column(table.path, fitting, IMAGE_COLUMNS, "paths")
    raise DataError(_no_paths(table, len(rows)))


def holds_paths(table: PathTable, name: str) -> bool:
    """Return whether the first values of a column name files, or end as pictures do.

    Parameters
    ----------
    table : PathTable
        The table.
    name : str
        A column; False if it is none of the candidates.
    """
    if name not in table.candidates:
        return False
    number = table.candidates.index(name)
    values = [row[number] if number < len(row) else None for row in table.sample()]
    return _name_files(table.home, values) or _look_like_paths(table.home, values)


def table_splits(values: Sequence[str | None], column: str) -> tuple[np.ndarray, str] | None:
    """Return the split of each image of a table, and how it was found.

    Parameters
    ----------
    values : sequence of str or None
        The column of splits, for each image.
    column : str
        Its name.

    Returns
    -------
    tuple of ndarray of str and str, or None
        "train" or "test" for each image, and a clause for the account; None if a value stands for
        no split.
    """
    splits = [split_of_name((value or "").strip()) for value in values]
    if not all(splits):
        return None
    return np.array(splits, dtype="U5"), f"split by the column {column}"


def _name_files(home: Path, values: Sequence[Any]) -> bool:
    """Return whether a column names files that are there, in at least half of its first rows."""
    texts = _present(values)
    folder = base_folder(home, texts)
    count = sum(_is_named_file(folder, text) for text in texts)
    return count > 0 and 2 * count >= len(texts)


def _look_like_paths(_home: Path, values: Sequence[Any]) -> bool:
    texts = _present(values)
    count = sum(is_picture_name(text) or is_address(text) for text in texts)
    return count > 0 and 2 * count >= len(texts)


def _present(values: Sequence[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value.strip()]


def _is_named_file(folder: Path, text: str) -> bool:
    try:
        return not is_address(text) and (folder / local_text(text)).is_file()
    except (OSError, ValueError):
        return False


def _names_a_file(path: Path, cell: str) -> bool:
    """Return whether a cell of the first line is a path, so that the table has no names."""
    return is_picture_name(cell) or is_address(cell) or _is_named_file(path.parent, cell or ".")


def _no_paths(table: PathTable, n_rows: int) -> str:
    if n_rows == 0:
        return f"{table.path} has no rows: it names no pictures."
    return (
        f"{table.path} has no column of paths of pictures; its columns are"
        f" {listed_columns(table.names)}. Name one with `image_column`."
    )


def _delimiter_of(path: Path, head: str) -> str:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    return max(DELIMITERS, key=head.count)  # the comma if there is none at all


_NAMES_OF = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def _opened(path: Path) -> IO[str]:
    """Open a text; bytes that are not UTF-8 stay as they are, since they may belong to a path."""
    with path.open("rb") as file:
        encoding = "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def _unique(names: Sequence[str]) -> list[str]:
    """Return the names of columns; further ones of the same name get a number."""
    counts: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(name if counts[name] == 1 else f"{name}.{counts[name]}")
    return unique


def _numbered(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


def _begins_as_json(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(1) in ("{", "[")


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    """Yield the lines of a text; DataError for one that is too long for a table."""
    while line := file.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise DataError(f"{path} has a line of more than {MOST_LINE:,} characters.")
        yield line


def _json_records(path: Path, allowed: int) -> Iterator[dict[str, Any]]:
    """Yield the records of a file, a line each or in one list."""
    with _opened(path) as file:
        first = file.readline(MOST_CELL).strip()
    try:
        is_record = isinstance(memory_budget.parsed_json(first, allowed), dict)
    except ValueError:
        is_record = False
    is_lines = is_record and path.suffix.lower() != ".json"
    yield from (_records_of_lines if is_lines else _records_of_whole)(path, allowed)


def _records_of_lines(path: Path, allowed: int) -> Iterator[dict[str, Any]]:
    left = allowed
    with _opened(path) as file:
        for number, line in enumerate(_lines(path, file), start=1):
            if not line.strip():
                continue
            record = _parsed(path, line, left, f", line {number}")
            if not isinstance(record, dict):
                raise DataError(f"{path}, line {number}: it is no record of names and values.")
            left -= memory_budget.bytes_of_json(line)
            yield record


def _records_of_whole(path: Path, allowed: int) -> Iterator[dict[str, Any]]:
    # A letter takes up to four bytes in memory, in all of a text where one of it does.
    memory_budget.check(4 * path.stat().st_size, allowed, "its letters")
    with _opened(path) as file:
        content = _parsed(path, file.read(), allowed, "")
    if isinstance(content, dict):
        lists = (content[key] for key in RECORD_KEYS if isinstance(content.get(key), list))
        content = next(lists, [content])
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise DataError(f"{path} holds no list of records of names and values.")
    yield from content


def _parsed(path: Path, text: str, allowed: int, place: str) -> Any:
    try:
        return memory_budget.parsed_json(text, allowed)
    except TooLargeError:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}{place}: it is no JSON ({reason}). Write it again.") from error


def _plain(value: Any) -> Any:
    """Return a value that is no list or mapping; None for those."""
    return None if isinstance(value, (list, dict)) else value
