"""Files of vectors in four formats, each as columns: parquet, npy, npz and CSV.

Nothing is unpickled. What a file would take in memory is known from its header, or from the length
of its text, before memory is taken.
"""

import abc
import contextlib
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from latentlab.errors import DataError
from latentlab.storage import memory_budget, npz
from latentlab.storage.memory_budget import OBJECT_BYTES, ROW_BYTES
from latentlab.storage.parquet_reading import ParquetReader

VECTORS = "vectors"  # each entry is a vector
NUMBERS = "numbers"  # each entry is one number of a vector
OTHER = "other"
NESTED = "nested"  # pictures, dates with parts and the like
WIDEST_LINE = 1 << 24  # characters of the first line of a CSV file
DELIMITERS = ",;\t"
BYTES = 4  # of a float32
MOST_COLUMNS = 100_000


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name : str
        Its name; "" where the format has none.
    kind : {"vectors", "numbers", "nested", "other"}
        The entries.
    """

    name: str
    kind: str


class VectorFormat(abc.ABC):
    """A file of one format.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    limit : int
        Largest number of bytes that any part of it may take.
    is_trusted : bool
        Whether a user has set the limit.
    """

    def __init__(self, path: Path, limit: int, is_trusted: bool = False) -> None:
        self.path = path
        self.limit = limit
        self.is_trusted = is_trusted

    @abc.abstractmethod
    def columns(self) -> list[Column]:
        """Return the columns, in order."""

    @abc.abstractmethod
    def vectors(self, name: str) -> np.ndarray:
        """Return the column `name` of vectors, float32 (n, d); NaN for what is missing."""

    def numbers(self, names: list[str]) -> np.ndarray:
        """Return the columns `names` of numbers, (n, d), NaN for gaps; DataError if it has none."""
        raise self.not_as_vectors(f"it has no columns of single numbers: {', '.join(names)}")

    @abc.abstractmethod
    def values(self, name: str) -> list[Any]:
        """Return the entries of the other column `name`: numbers, text or None."""

    @abc.abstractmethod
    def table(self, names: list[str], n_rows: int) -> pa.Table:
        """Return the other columns `names` as they are; those without `n_rows` entries are not."""

    def refuse_above_limit(self, n_numbers: int) -> None:
        """Raise DataError if `n_numbers` numbers are too many."""
        if n_numbers * BYTES > self.limit:
            raise DataError(
                f"{self.path} is refused: its vectors have {n_numbers * BYTES:,} bytes, more than"
                f" {self.limit:,}. If you trust it, raise `max_bytes`."
            )

    def check(self, taken: int, owner: str) -> None:
        """Raise TooLargeError if `taken`, the bytes that `owner` takes, are above the limit."""
        memory_budget.check(taken, self.limit, owner)

    def not_as_vectors(self, reason: str) -> DataError:
        """Return the error for content that is no table of vectors, for a `reason`."""
        return DataError(f"{self.path}: {reason}.")


class ParquetVectors(VectorFormat):
    """A parquet file: a column of lists of numbers, or many columns of numbers."""

    def __init__(self, path: Path, limit: int, is_trusted: bool = False) -> None:
        super().__init__(path, limit, is_trusted)
        self._reader = ParquetReader(path, limit, is_trusted)
        self._reader.check_rows()

    def columns(self) -> list[Column]:
        """Return the columns, in order."""
        schema = self._reader.metadata.schema.to_arrow_schema()
        if len(schema) > MOST_COLUMNS:
            raise self.not_as_vectors(f"it has {len(schema):,} columns, more than {MOST_COLUMNS:,}")
        return [Column(field.name, _kind(field.type)) for field in schema]

    def vectors(self, name: str) -> np.ndarray:
        """Return a column of lists as a matrix, read piece by piece."""
        n_rows = self._reader.metadata.num_rows
        self.refuse_above_limit(sum(leaf.n_values for leaf in self._reader.leaves([name])))
        matrix: np.ndarray | None = None
        done = 0
        for batch in self._reader.batches([name]):
            column = batch.column(0)
            there = column.drop_null()
            if len(there):
                lengths = pc.unique(pc.list_value_length(there)).to_pylist()
                if matrix is None:
                    self.refuse_above_limit(n_rows * lengths[0])
                    matrix = np.full((n_rows, lengths[0]), np.nan, np.float32)
                if lengths != [matrix.shape[1]] or not lengths[0]:
                    raise self._uneven(name)
                rows = done + np.flatnonzero(column.is_valid())
                matrix[rows] = _as_float32(there.flatten()).reshape(-1, matrix.shape[1])
            done += len(column)
        if matrix is None:
            raise self._uneven(name)
        return matrix

    def _uneven(self, name: str) -> DataError:
        return self.not_as_vectors(f"the vectors of column {name!r} are empty or differ in length")

    def numbers(self, names: list[str]) -> np.ndarray:
        """Return columns of numbers as a matrix, read piece by piece."""
        n_rows = self._reader.metadata.num_rows
        self.refuse_above_limit(n_rows * len(names))
        matrix = np.empty((n_rows, len(names)), np.float32)
        done = 0
        for batch in self._reader.batches(names):
            rows = slice(done, done + batch.num_rows)
            for place, name in enumerate(names):
                matrix[rows, place] = _as_float32(batch.column(name))
            done = rows.stop
        return matrix

    def values(self, name: str) -> list[Any]:
        """Return the entries of a column."""
        return self._reader.values(name)

    def table(self, names: list[str], n_rows: int) -> pa.Table:
        """Return columns as they are."""
        return self._reader.table(names).replace_schema_metadata(None)


class NpyVectors(VectorFormat):
    """An .npy file: one matrix."""

    def columns(self) -> list[Column]:
        """Return the one column, which has no name."""
        return [Column("", VECTORS)]

    def vectors(self, name: str) -> np.ndarray:
        """Return the matrix."""
        array = npz.open_npy(self.path)
        if not _is_matrix(array.shape, array.dtype):
            raise self.not_as_vectors(
                f"vectors are an array of shape (n, d) of numbers, and it holds {array.dtype}"
                f" {array.shape}"
            )
        self.refuse_above_limit(array.size)
        self.check(len(array) * ROW_BYTES, f"its {len(array):,} rows")
        return _narrowed(array)

    def values(self, name: str) -> list[Any]:
        """Raise KeyError: there is no other column."""
        raise KeyError(name)

    def table(self, names: list[str], n_rows: int) -> pa.Table:
        """Return an empty table: there is no other column."""
        return pa.table({})


class NpzVectors(VectorFormat):
    """An .npz file: a matrix, and arrays of as many ids, splits or labels."""

    def __init__(self, path: Path, limit: int, is_trusted: bool = False) -> None:
        super().__init__(path, limit, is_trusted)
        self._headers = npz.read_headers(path)

    def columns(self) -> list[Column]:
        """Return the arrays."""
        columns = []
        for name, header in self._headers.items():
            is_matrix = _is_matrix(header.shape, header.dtype)
            columns.append(Column(name, VECTORS if is_matrix else OTHER))
        return columns

    def vectors(self, name: str) -> np.ndarray:
        """Return a matrix."""
        header = self._headers[name]
        self.refuse_above_limit(int(np.prod(header.shape, dtype=object)))
        self.check(header.shape[0] * ROW_BYTES, f"its {header.shape[0]:,} rows")
        return _narrowed(self._array(name))

    def values(self, name: str) -> list[Any]:
        """Return the entries of an array of one axis."""
        header = self._headers[name]
        if header.dtype.hasobject:
            raise self.not_as_vectors(
                f"the array {name} holds Python objects, which are not read: save it as plain text"
                " or numbers, for example with astype(str)"
            )
        if len(header.shape) != 1:
            raise self.not_as_vectors(f"the array {name} needs one axis and has {header.shape}")
        self._check_objects(name, header)
        values = self._array(name).tolist()
        return [value.decode() if isinstance(value, bytes) else value for value in values]

    def table(self, names: list[str], n_rows: int) -> pa.Table:
        """Return arrays of one axis, of as many entries as there are vectors."""
        headers = {name: self._headers[name] for name in names}
        columns = [
            name
            for name, header in headers.items()
            if header.shape == (n_rows,) and not header.dtype.hasobject
        ]
        return pa.table({name: self.values(name) for name in columns})

    def _check_objects(self, name: str, header: npz.ArrayHeader) -> None:
        """Refuse an array of which the entries take too much as Python objects."""
        of_an_entry = OBJECT_BYTES + 2 * header.dtype.itemsize
        self.check(header.shape[0] * of_an_entry, f"the entries of its array {name}")

    def _array(self, name: str) -> np.ndarray:
        # A float64 takes twice the bytes of the float32 that it becomes.
        return npz.read_npz(self.path, [name], 2 * self.limit)[name]


class CsvVectors(VectorFormat):
    """A CSV file: a column per number, with a line of names or without."""

    def __init__(self, path: Path, limit: int, is_trusted: bool = False) -> None:
        super().__init__(path, limit, is_trusted)
        lines = _first_lines(path)
        self._delimiter = max(DELIMITERS, key=lines[0].count)
        try:
            rows = list(csv.reader(lines, delimiter=self._delimiter))
        except csv.Error as error:
            raise self.not_as_vectors(f"its first lines are no such values ({error})") from error
        self._has_header = _is_header(rows[0])
        example = rows[-1] if self._has_header else rows[0]
        if len(example) != len(rows[0]):
            raise self.not_as_vectors(
                f"its first two lines have {len(rows[0])} and {len(example)} entries"
            )
        self._names = rows[0] if self._has_header else _names_for(example)
        if len(self._names) > MOST_COLUMNS:
            raise self.not_as_vectors(
                f"it has {len(self._names):,} columns, more than {MOST_COLUMNS:,}"
            )
        if len(set(self._names)) != len(self._names):
            raise self.not_as_vectors("two of its columns have the same name")
        self._is_number = dict(zip(self._names, map(_is_numeric, example), strict=True))

    def columns(self) -> list[Column]:
        """Return the columns, in order."""
        return [
            Column(name, NUMBERS if is_number else OTHER)
            for name, is_number in self._is_number.items()
        ]

    def vectors(self, name: str) -> np.ndarray:
        """Raise KeyError: no column holds whole vectors."""
        raise KeyError(name)

    def numbers(self, names: list[str]) -> np.ndarray:
        """Return columns of numbers as a matrix, read piece by piece."""
        self._check_rows()
        # A number takes a digit and a delimiter at least.
        self.refuse_above_limit(self.path.stat().st_size // 2)
        parts = []
        for batch in self._open(dict.fromkeys(names, pa.float32())):
            columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
            parts.append(np.column_stack(columns).astype(np.float32, copy=False))
        return np.concatenate(parts) if parts else np.empty((0, len(names)), np.float32)

    def _check_rows(self) -> None:
        """Refuse a file of so many lines that lists of their entries would be too large."""
        n_lines = memory_budget.count_lines(self.path, self.limit // ROW_BYTES)
        self.check(n_lines * ROW_BYTES, f"its {n_lines:,} lines or more")

    def values(self, name: str) -> list[Any]:
        """Return the entries of a column, as numbers if the first one is a number."""
        self._check_rows()
        kind = pa.float64() if self._is_number[name] else pa.string()
        values: list[Any] = []
        for batch in self._open({name: kind}):
            values += batch.column(name).to_pylist()
        return values

    def texts(self, name: str) -> list[str | None]:
        """Return the entries of the column `name` as they are written."""
        self._check_rows()
        texts: list[str | None] = []
        for batch in self._open({name: pa.string()}):
            texts += batch.column(name).to_pylist()
        return texts

    def table(self, names: list[str], n_rows: int) -> pa.Table:
        """Return columns; what all their entries look like decides their type."""
        if not names:
            return pa.table({})
        texts = {name: self.texts(name) for name in names}
        return pa.table({name: _typed(values) for name, values in texts.items()})

    def _open(self, types: dict[str, pa.DataType]) -> pa_csv.CSVStreamingReader:
        return pa_csv.open_csv(
            self.path,
            read_options=pa_csv.ReadOptions(
                column_names=self._names, skip_rows=1 if self._has_header else 0
            ),
            parse_options=pa_csv.ParseOptions(delimiter=self._delimiter),
            convert_options=pa_csv.ConvertOptions(
                column_types=types, include_columns=list(types), strings_can_be_null=True
            ),
        )


FORMATS: dict[str, type[VectorFormat]] = {
    ".parquet": ParquetVectors,
    ".npy": NpyVectors,
    ".npz": NpzVectors,
    ".csv": CsvVectors,
}


# Kinds and numbers


def _kind(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_floating(kind) or types.is_integer(kind):
        return NUMBERS
    is_list = types.is_list(kind) or types.is_fixed_size_list(kind) or types.is_large_list(kind)
    if is_list and _kind(kind.value_type) == NUMBERS:
        return VECTORS
    return NESTED if types.is_nested(kind) else OTHER


def _is_matrix(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    return len(shape) == 2 and shape[1] > 0 and dtype.kind in "fiu"


def _as_float32(numbers: pa.Array) -> np.ndarray:
    """Return numbers as float32; NaN for null, infinity for what is too large."""
    return numbers.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)


def _narrowed(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large numbers become infinite, and are left out later
        return np.ascontiguousarray(array, dtype=np.float32)


def _typed(texts: list[str | None]) -> pa.Array:
    """Return text as whole numbers or numbers, if all of it is such."""
    column = pa.array(texts, pa.string())
    for kind in (pa.int64(), pa.float64()):
        with contextlib.suppress(pa.ArrowInvalid):
            return column.cast(kind)
    return column


# The first lines of a CSV file


def _first_lines(path: Path) -> list[str]:
    """Return the first line of a CSV file, and the second if there is one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [file.readline(WIDEST_LINE), file.readline(WIDEST_LINE)]
    if not lines[0].strip():
        raise DataError(f"{path} is empty.")
    if max(map(len, lines)) == WIDEST_LINE:
        raise DataError(f"{path} has a line of more than {WIDEST_LINE:,} characters.")
    return [line for line in lines if line.strip()]


def _is_header(cells: list[str]) -> bool:
    """Return whether a first line holds names: no numbers, or such as pandas gives to columns."""
    numbers = [cell.strip() for cell in cells if _is_numeric(cell)]
    if not numbers:
        return True
    counted = (list(map(str, range(first, first + len(numbers)))) for first in (0, 1))
    return len(numbers) > 1 and numbers in counted


def _names_for(cells: list[str]) -> list[str]:
    """Return names for the columns of a file without any; the first that is no number is the id."""
    names = [f"column {number}" for number in range(1, len(cells) + 1)]
    text = [number for number, cell in enumerate(cells) if not _is_numeric(cell)]
    if text:
        names[text[0]] = "id"
    return names


def _is_numeric(cell: str) -> bool:
    """Return whether a cell holds a number, or nothing where a number may be missing."""
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
