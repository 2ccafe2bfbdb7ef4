"""Columns of parquet files within a memory budget.

A dictionary holds a text once that a column repeats a million times, and a few bytes can say that a
number comes a billion times. What columns take is therefore known from the headers of their pages
(`latentlab.storage.parquet_pages`) before anything is unpacked. Texts are then read as places in a
dictionary wherever they would not be known to be small, and counted before they are copied.

Reasons: docs/decisions/0080-memory-budget.md.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from latentlab.storage import memory_budget
from latentlab.storage.memory_budget import OBJECT_BYTES, ROW_BYTES, check
from latentlab.storage.parquet_pages import Leaf, leaves_of

PIECE = 32 << 20  # bytes that are unpacked at once
LARGEST_PAGE = 8 << 20  # bytes; a larger one must not unpack to more than 100 times its own
LEVELS = 4  # bytes a value that say where lists begin and what is missing
MOST_ROWS = 1 << 16  # read at once


class ParquetReader:
    """The columns of a parquet file.

    Parameters
    ----------
    path : Path
        The file.
    allowed : int or None
        Bytes that its columns may take in memory; None is as `memory_budget.allowed_bytes` says.
    is_trusted : bool
        Whether a user has set `allowed`: single pages may then unpack to as much.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If it cannot be read as parquet.
    """

    def __init__(self, path: Path, allowed: int | None = None, is_trusted: bool = False) -> None:
        self.path = path
        self.allowed = allowed or memory_budget.allowed_bytes(path)
        self.is_trusted = is_trusted
        self.metadata = pq.read_metadata(path)

    def check_rows(self) -> None:
        """Raise TooLargeError if lists with an entry for each row would be too large."""
        n_rows = self.metadata.num_rows
        check(n_rows * ROW_BYTES, self.allowed, f"its {n_rows:,} rows")

    def leaves(self, columns: list[str] | None = None) -> list[Leaf]:
        """Return what columns unpack to; see `leaves_of`.

        Parameters
        ----------
        columns : list of str or None
            Their names; None is all.

        Raises
        ------
        TooLargeError
            If a page unpacks to far more than it has in the file.
        ValueError
            If pages are damaged, or hold more values than the file announces.
        """
        leaves = leaves_of(self.path, self.metadata, columns)
        for leaf in leaves:
            self._check_pages(leaf)
        return leaves

    def _check_pages(self, leaf: Leaf) -> None:
        page = leaf.most_packed
        if page is not None:
            small = self.allowed if self.is_trusted else LARGEST_PAGE
            most = max(small, memory_budget.EXPANSION * page.packed)
            check(page.unpacked, min(most, self.allowed), f"pages of its column {leaf.path}")
        if not leaf.is_repeated and leaf.n_values != self.metadata.num_rows:
            raise ValueError(
                f"its column {leaf.path} has {leaf.n_values} rows, not the"
                f" {self.metadata.num_rows} that it announces"
            )

    def check_columns(self, columns: list[str] | None = None) -> None:
        """Raise TooLargeError if `columns` take more than is allowed, ValueError as `leaves`."""
        leaves = self.leaves(columns)
        known = sum(map(_plain_bytes, leaves))
        check(known, self.allowed, _named(columns))
        for leaf in leaves:
            if leaf.longest_repeat and _most_bytes(leaf) > PIECE:
                known += self._bytes_of_texts(leaf)
        check(known, self.allowed, _named(columns))

    def rows_at_once(self, column: str, most: int) -> int:
        """Return how many rows of a column may be unpacked together.

        Parameters
        ----------
        column : str
            Its name.
        most : int
            No more than these.

        Raises
        ------
        TooLargeError, ValueError
            As `leaves`, and if one row could take all memory.
        """
        largest = 0
        for leaf in self.leaves([column]):
            if leaf.is_repeated:
                check(_most_bytes(leaf), self.allowed, f"lists of its column {leaf.path}")
            largest = max(largest, leaf.longest_repeat, leaf.width)
        return max(1, min(most, PIECE // max(largest, 1)))

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of columns of numbers, or of lists of them, a piece at a time.

        What all pieces take together is for the caller to compare.

        Parameters
        ----------
        columns : list of str
            Their names.

        Raises
        ------
        TooLargeError, ValueError
            As `leaves`.
        """
        leaves = self.leaves(columns)
        row_bytes = sum(map(_plain_bytes, leaves)) // max(1, self.metadata.num_rows)
        rows = max(1, min(MOST_ROWS, PIECE // max(1, row_bytes)))
        yield from self._open(()).iter_batches(batch_size=rows, columns=columns)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return whole columns, of the types that the file says.

        Parameters
        ----------
        columns : list of str or None
            Their names; None is all.

        Raises
        ------
        TooLargeError, ValueError
            As `leaves`, and if all of them together take more than is allowed.
        """
        leaves = self.leaves(columns)
        known = sum(map(_plain_bytes, leaves))
        check(known, self.allowed, _named(columns))
        repeated = [leaf for leaf in leaves if _most_bytes(leaf) > PIECE and leaf.longest_repeat]
        table = self._read(columns, repeated)
        if not repeated:
            return table
        schema = self.metadata.schema.to_arrow_schema()
        wanted = pa.schema([schema.field(name) for name in table.column_names])
        for column, field in zip(table.columns, wanted, strict=True):
            known += 0 if pa.types.is_dictionary(field.type) else _copied_bytes(column)
        check(known, self.allowed, _named(columns))
        return table.cast(wanted.with_metadata(table.schema.metadata))

    def values(self, column: str) -> list[Any]:
        """Return the values of a column as Python objects; equal texts may be the same object.

        Parameters
        ----------
        column : str
            Its name.

        Raises
        ------
        TooLargeError, ValueError
            As `table`; what the objects take counts too.
        """
        leaves = self.leaves([column])
        n_values = sum(leaf.n_values for leaf in leaves)
        known = sum(map(_plain_bytes, leaves))
        check(n_values * OBJECT_BYTES + known, self.allowed, f"values of its column {column}")
        read = self._read([column], [leaf for leaf in leaves if not leaf.width]).column(0)
        if not pa.types.is_dictionary(read.type):  # texts in lists and structs are copied
            taken = n_values * OBJECT_BYTES + known + _copied_bytes(read)
            check(taken, self.allowed, f"values of its column {column}")
        values: list[Any] = []
        for chunk in read.chunks:
            values += _objects(chunk)
        return values

    def _read(self, columns: list[str] | None, texts: Sequence[Leaf]) -> pa.Table:
        """Return columns, with `texts` as places in dictionaries wherever Arrow can do so."""
        file = self._open([leaf.path for leaf in texts if leaf.is_plain_text])
        others = [leaf for leaf in texts if not leaf.is_plain_text and _most_bytes(leaf) > PIECE]
        for leaf in others:
            if leaf.is_repeated and _most_bytes(leaf) > self.allowed:
                check(self._bytes_of_texts(leaf), self.allowed, f"lists of {leaf.path}")
        streamed = [leaf.longest_repeat for leaf in others if not leaf.is_repeated]
        if not streamed:
            return file.read(columns)
        rows = min(MOST_ROWS, max(1, PIECE // max(1, *streamed)))
        batches = []
        taken = 0
        for batch in file.iter_batches(batch_size=rows, columns=columns):
            taken += batch.nbytes
            check(taken, self.allowed, _named(columns))
            batches.append(batch)
        return pa.Table.from_batches(batches) if batches else file.read(columns)

    def _bytes_of_texts(self, leaf: Leaf) -> int:
        """Return what texts take, by reading them as places in dictionaries."""
        if leaf.has_prefixes or not (leaf.is_flat or leaf.is_repeated):
            return _most_bytes(leaf)
        file = self._open([leaf.path])
        try:
            batches = file.iter_batches(batch_size=MOST_ROWS, columns=[leaf.path])
            return sum(_copied_bytes(batch.column(0)) for batch in batches)
        except pa.ArrowNotImplementedError:  # of several dictionaries in one piece
            return _most_bytes(leaf)

    def _open(self, as_dictionary: Sequence[str]) -> pq.ParquetFile:
        return pq.ParquetFile(
            self.path, read_dictionary=list(as_dictionary), page_checksum_verification=True
        )


def _named(columns: list[str] | None) -> str:
    if columns is None or len(columns) > 1:
        return "its columns"
    return f"values of its column {', '.join(columns)}"


def _plain_bytes(leaf: Leaf) -> int:
    """Return what a leaf takes if each text is held once."""
    of_values = leaf.n_values * leaf.width if leaf.width else leaf.unpacked
    return of_values + LEVELS * leaf.n_values


def _most_bytes(leaf: Leaf) -> int:
    """Return what a leaf takes at most, if all of its texts are the longest."""
    return _plain_bytes(leaf) + leaf.n_values * max(leaf.longest_repeat, OBJECT_BYTES)


def _copied_bytes(column: pa.ChunkedArray | pa.Array) -> int:
    """Return what the texts of a column take once each stands for itself."""
    if isinstance(column, pa.ChunkedArray):
        return sum(map(_copied_bytes, column.chunks))
    kind = column.type
    if pa.types.is_dictionary(kind):
        column.validate(full=True)  # a damaged page may point beyond its dictionary
        lengths = np.asarray(pc.binary_length(column.dictionary).fill_null(0), np.int64)
        places = np.asarray(column.indices.drop_null())
        return int(lengths[places].sum()) if len(lengths) else 0
    if pa.types.is_struct(kind):
        return sum(_copied_bytes(column.field(place)) for place in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _copied_bytes(column.keys) + _copied_bytes(column.items)
    return _copied_bytes(column.flatten()) if pa.types.is_nested(kind) else 0


def _objects(chunk: pa.Array) -> list[Any]:
    """Return values as Python objects; those of a dictionary are made once."""
    if not pa.types.is_dictionary(chunk.type):
        return chunk.to_pylist()
    chunk.validate(full=True)
    entries = chunk.dictionary.to_pylist()
    return [None if place is None else entries[place] for place in chunk.indices.to_pylist()]
