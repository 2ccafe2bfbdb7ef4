"""Parquet files: their columns, their rows a few at a time, and the splits that names stand for."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from latentlab.data.formats.column_names import listed_columns
from latentlab.errors import ConfigError, DataError
from latentlab.storage import memory_budget, parquet_footer
from latentlab.storage.memory_budget import TooLargeError
from latentlab.storage.parquet_reading import PIECE, ParquetReader

SUFFIXES = (".parquet", ".pq")
ROWS = 32  # read at once, or fewer where a dictionary may unpack to many large pictures
_DAMAGE = (OSError, ValueError, KeyError, IndexError, pa.ArrowException)


def metadata_of(file: Path) -> pq.FileMetaData:
    """Return the metadata of a parquet file.

    Parameters
    ----------
    file : Path
        The file.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    if file.exists() and not file.is_file():
        raise DataError(f"{file} is no regular file. Check the path given to `data`.")
    try:
        metadata = pq.read_metadata(file)
        _ = metadata.schema.to_arrow_schema().names  # raises if one is not UTF-8
    except FileNotFoundError:
        raise DataError(f"{file} does not exist. Check the path given to `data`.") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{file} cannot be read as parquet ({_in_one_line(error)}). Fetch or write it again."
        ) from error
    return metadata


def schema_of(file: Path) -> pa.Schema:
    """Return the columns of the parquet file `file`; for errors see `metadata_of`."""
    return metadata_of(file).schema.to_arrow_schema()


def row_counts(files: Sequence[Path]) -> list[int]:
    """Return the number of rows of each of `files`; for errors see `metadata_of`."""
    return [metadata_of(file).num_rows for file in files]


def row_ids(count: int, first: int = 0) -> np.ndarray:
    """Return the ids of rows, counted through all files.

    Parameters
    ----------
    count : int
        Number of rows.
    first : int
        Number of the first one.

    Examples
    --------
    >>> row_ids(2).tolist()
    ['row-0000000', 'row-0000001']
    """
    return np.array([f"row-{row:07d}" for row in range(first, first + count)], dtype=str)


def picture_column(files: Sequence[Path], wanted: str | None) -> str:
    """Return the name of the column of pictures, which all files have to have.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    wanted : str or None
        A name that the user gave; None takes the first such column.

    Raises
    ------
    ConfigError
        If the column that the user named is none of pictures.
    DataError
        If a file has no such column.
    """
    column = _column_of(files[0], wanted)
    for file in files[1:]:
        if column not in _picture_columns(file):
            raise DataError(
                f"{file} has no column {column} of pictures as {files[0].name} has. "
                "Fetch or write it again."
            )
    return column


def column_values(
    file: Path, column: str, first_group: int = 0, max_bytes: int | None = None
) -> Iterator[Any]:
    """Yield the values of a column as Python objects, reading a few rows at a time.

    Parameters
    ----------
    file : Path
        A parquet file.
    column : str
        Name of the column.
    first_group : int
        Number of the row group to begin with.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If the file is damaged, or the column has another number of rows than the file, or would
        take too much memory.
    """
    metadata = metadata_of(file)
    groups = range(first_group, metadata.num_row_groups)
    rows_before = sum(metadata.row_group(group).num_rows for group in range(first_group))
    announced = metadata.num_rows - rows_before
    count = 0
    with _errors_of(file):
        rows = _rows_at_once(file, column, ROWS, max_bytes)
        batches = _open(file).iter_batches(
            batch_size=rows, row_groups=list(groups), columns=[column]
        )
        for batch in batches:
            count += batch.num_rows
            for value in batch.column(0):
                yield value.as_py()
    if count != announced:
        raise DataError(
            f"{file} is damaged: it has {count} rows of {column}, "
            f"not the {announced} that it announces. Fetch or write it again."
        )


def picture_batches(file: Path, column: str, max_bytes: int | None = None) -> Iterator[pa.Array]:
    """Yield the pictures of a column, undecoded, a few rows at a time.

    Parameters
    ----------
    file : Path
        A parquet file.
    column : str
        Name of the column: bytes, or a struct with a field "bytes".
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Yields
    ------
    pyarrow.Array
        Of bytes; null for a missing picture.

    Raises
    ------
    DataError
        If the file is damaged, or would take too much memory.
    """
    with _errors_of(file):
        rows = _rows_at_once(file, column, ROWS, max_bytes)
        for batch in _open(file).iter_batches(batch_size=rows, columns=[column]):
            pictures = batch.column(0)
            if pa.types.is_struct(pictures.type):
                pictures = pc.struct_field(pictures, "bytes")
            yield pictures.cast(pa.large_binary())


def all_values(files: Sequence[Path], column: str, max_bytes: int | None = None) -> list[Any]:
    """Return the values of a column of numbers or texts, of all files, as Python objects.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    column : str
        Name of the column.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If a file is damaged, or the values of one would take too much memory.
    """
    values: list[Any] = []
    for file in files:
        with _errors_of(file):
            values += _reader(file, max_bytes).values(column)
    return values


def first_values(
    file: Path, column: str, count: int, max_bytes: int | None = None
) -> Iterator[Any]:
    """Yield the values of the first rows of a column as Python objects.

    Parameters
    ----------
    file : Path
        A parquet file.
    column : str
        Name of the column.
    count : int
        Number of rows, at most; fewer if they are large.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If the file is damaged, or would take too much memory.
    """
    with _errors_of(file):
        rows = _rows_at_once(file, column, count, max_bytes)
        n_bytes = 0
        for batch in _open(file).iter_batches(batch_size=rows, columns=[column]):
            if not batch.num_columns:
                return
            n_bytes += batch.nbytes
            for value in batch.column(0).slice(0, count):
                yield value.as_py()
            count -= batch.num_rows
            if count <= 0 or n_bytes > PIECE:
                return


@functools.lru_cache(maxsize=256)
def _known_rows_at_once(  # noqa: PLR0913  # what the answer depends on
    file: Path, _mtime_ns: int, _size: int, column: str, most: int, max_bytes: int | None
) -> int:
    return _reader(file, max_bytes).rows_at_once(column, most)


def _rows_at_once(file: Path, column: str, most: int, max_bytes: int | None) -> int:
    status = file.stat()
    return _known_rows_at_once(file, status.st_mtime_ns, status.st_size, column, most, max_bytes)


def _reader(file: Path, max_bytes: int | None) -> ParquetReader:
    allowed = memory_budget.allowed_bytes(file, max_bytes)
    return ParquetReader(file, allowed, is_trusted=max_bytes is not None)


@contextlib.contextmanager
def _errors_of(file: Path) -> Iterator[None]:
    """Turn what a damaged or too large file raises into a DataError."""
    try:
        yield
    except DataError:
        raise
    except TooLargeError as error:
        raise _too_large(file, error) from error
    except _DAMAGE as error:
        raise DataError(
            f"{file} is damaged ({_in_one_line(error)}). Fetch or write it again."
        ) from error


def _too_large(file: Path, error: TooLargeError) -> DataError:
    return DataError(f"{file} is refused: {error}. If you trust it, raise `max_bytes`.")


def check_rows(file: Path, max_bytes: int | None = None) -> None:
    """Refuse a file with more rows than lists of them may have; DataError then.

    Parameters
    ----------
    file : Path
        A parquet file.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.
    """
    with _errors_of(file):
        _reader(file, max_bytes).check_rows()


def check_sizes(files: Sequence[Path], column: str, max_bytes: int | None) -> None:
    """Refuse files if their rows, or a row group of a column, would fill the memory.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    column : str
        Name of the column.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If one is larger.
    """
    for file in files:
        check_rows(file, max_bytes)
        with _errors_of(file):
            allowed = max_bytes or memory_budget.LARGEST
            for size in _group_sizes(file, column):
                memory_budget.check(size, allowed, f"values of a row group of {column}")
            _rows_at_once(file, column, ROWS, max_bytes)


class ColumnReader:
    """The pictures in a column of a file, read in order with as little repetition as possible.

    Parameters
    ----------
    file : Path
        A parquet file.
    column : str
        A column of bytes, or of structs with a field "bytes".
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.
    """

    def __init__(self, file: Path, column: str, max_bytes: int | None = None) -> None:
        self.file = file
        self.column = column
        self.max_bytes = max_bytes
        self.n_rows = metadata_of(file).num_rows
        self._waiting: _Stream | None = None  # where the last reading ended

    def parts(self, size: int) -> Iterator["ColumnRows"]:
        """Yield all rows in parts.

        Parameters
        ----------
        size : int
            Rows of a part; the last one may be smaller.
        """
        for start in range(0, self.n_rows, size):
            yield ColumnRows(self, range(start, min(start + size, self.n_rows)))

    def pictures(self, rows: range) -> Iterator[bytes | None]:
        """Yield the bytes of consecutive rows; None for a missing picture.

        Parameters
        ----------
        rows : range
            Numbers of the rows.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        # Two readings at the same time must not move each other: each takes a stream for itself.
        stream, self._waiting = self._waiting, None
        if stream is None or not stream.can_reach(rows.start):
            stream = _Stream(self, rows.start)
        try:
            for value in stream.values:
                stream.next_row += 1
                if stream.next_row > rows.start:
                    yield _picture_bytes(value)
                # At the end of the file its number of rows is still to be compared.
                if stream.next_row >= rows.stop and rows.stop < self.n_rows:
                    break
        except DataError:
            stream = None  # it has ended
            raise
        finally:
            self._waiting = stream

    def picture(self, row: int) -> bytes | None:
        """Return the bytes of one row; row after row is as fast as `pictures`.

        Parameters
        ----------
        row : int
            Number of the row.

        Raises
        ------
        DataError
            If the file is damaged or has changed.
        """
        for picture in self.pictures(range(row, row + 1)):
            return picture
        raise DataError(
            f"{self.file.name} has fewer rows than it had. Fit again into another `run`."
        )


class _Stream:
    """The values of a column from the row group on that holds a row.

    It goes forward only, and `next_row` is the number of the row that comes next.
    """

    def __init__(self, reader: ColumnReader, row: int) -> None:
        metadata = metadata_of(reader.file)
        counts = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        self._starts = np.cumsum([0, *counts])
        group = self._group(row)
        self.next_row = int(self._starts[group])
        self.values = column_values(reader.file, reader.column, group, reader.max_bytes)

    def can_reach(self, row: int) -> bool:
        """Return whether `row` comes next or soon: a new stream would not be nearer to it."""
        return self.next_row <= row and self._starts[self._group(row)] <= self.next_row

    def _group(self, row: int) -> int:
        """Return the number of the row group of a row, the last one if there is no such row."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return max(0, min(number, len(self._starts) - 2))


class ColumnRows(Sequence[bytes | None]):
    """Pictures in consecutive rows of a column, read when they are asked for.

    Parameters
    ----------
    reader : ColumnReader
        The column. Shards of one file share it, so that going through all of them reads it once.
    rows : range
        Numbers of the rows.
    """

    def __init__(self, reader: ColumnReader, rows: range) -> None:
        self._reader = reader
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: Any) -> Any:
        return self._reader.picture(self._rows[position])

    def __iter__(self) -> Iterator[bytes | None]:
        return self._reader.pictures(self._rows)


def _open(file: Path) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True)


def _picture_bytes(value: Any) -> bytes | None:
    return value.get("bytes") if isinstance(value, dict) else value


def _column_of(file: Path, wanted: str | None) -> str:
    columns = _picture_columns(file)
    if wanted is not None and wanted not in columns:
        raise ConfigError(
            f": {file} has no such column of pictures; it has {listed_columns(columns)}",
            field="image_column",
            value=wanted,
        )
    if not columns:
        raise DataError(
            f"{file} has no column of pictures (bytes, or a struct of bytes and path); "
            f"its columns are {listed_columns(schema_of(file).names)}."
        )
    return wanted or columns[0]


def _picture_columns(file: Path) -> list[str]:
    return [field.name for field in schema_of(file) if is_bytes(field.type)]


def is_bytes(kind: pa.DataType) -> bool:
    """Return whether a column of this type may hold pictures.

    Parameters
    ----------
    kind : pa.DataType
        The type of a column: bytes, or a struct with a field "bytes".
    """
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and is_bytes(kind.field("bytes").type)
    is_view = pa.types.is_binary_view(kind)
    return bool(is_view or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _group_sizes(file: Path, column: str) -> list[int]:
    """Return the unpacked bytes of a column in each row group; a struct has several parts."""
    with file.open("rb") as content:
        groups = parquet_footer.row_groups_of(content)
    sizes = []
    for chunks in groups:
        parts = [chunk for chunk in chunks if f"{chunk.path}.".startswith(f"{column}.")]
        sizes.append(sum(chunk.unpacked for chunk in parts))
    return sizes


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
