"""The pages of parquet files by their headers: what a column unpacks to, without unpacking it.

The footer of a file says how large its columns are, and may say anything. What a reader takes is in
the header of each page: its packed and unpacked size, and its number of values.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

from latentlab.storage.parquet_footer import Chunk, row_groups_of
from latentlab.storage.thrift_compact import LIST, MAP, SET, STRUCT, CompactReader

WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
BYTE_ARRAY = "BYTE_ARRAY"
DATA_PAGES = {0: 5, 3: 8}  # kind of page -> field of its own header
DICTIONARY_PAGE = 2
PREFIXED = 7  # DELTA_BYTE_ARRAY: values that begin as the value before them
FIRST_LOOK = 256  # bytes of a header that are read at once; statistics make some longer
LONGEST_HEADER = 16 << 20  # bytes; Arrow's own limit
MOST_PAGES = 500_000  # of a column of a row group


@dataclass(frozen=True)
class Page:
    """What the header of a page says.

    Attributes
    ----------
    kind : int
        0 and 3 for data, 2 for a dictionary.
    unpacked, packed : int
        Bytes.
    n_values, encoding : int
        Number of values, nulls among them, and how they are written.
    """

    kind: int
    unpacked: int
    packed: int
    n_values: int
    encoding: int


@dataclass
class Leaf:
    """A column of numbers or texts, which may be a part of a column of lists or structs.

    Attributes
    ----------
    path : str
        Its name, with those of the columns that it is part of.
    width : int
        Bytes of a value; 0 for texts.
    is_repeated : bool
        Whether a row may have several values.
    is_flat : bool
        Whether it is a column by itself, and no part of one.
    n_values : int
        In all pages, nulls among them.
    unpacked : int
        Bytes of all pages.
    largest_page : int
        Bytes of the largest page, unpacked.
    most_packed : Page or None
        The page that unpacks to most for its size.
    longest_repeat : int
        Bytes that a value may have though the file holds them once: in a dictionary, or as the
        beginning of another value. 0 where each value stands for itself.
    has_prefixes : bool
        Whether values begin as the values before them.
    """

    path: str
    width: int
    is_repeated: bool
    is_flat: bool
    n_values: int = 0
    unpacked: int = 0
    largest_page: int = 0
    most_packed: Page | None = None
    longest_repeat: int = 0
    has_prefixes: bool = False

    @property
    def is_plain_text(self) -> bool:
        """Whether Arrow can read it as places in a dictionary."""
        return self.is_flat and not self.width and not self.has_prefixes

    def add(self, page: Page) -> None:
        """Count `page`."""
        self.unpacked += page.unpacked
        self.largest_page = max(self.largest_page, page.unpacked)
        if self.most_packed is None or page.unpacked > self.most_packed.unpacked:
            self.most_packed = page
        is_dictionary = page.kind == DICTIONARY_PAGE
        if not is_dictionary:
            self.n_values += page.n_values
        is_prefixed = page.encoding == PREFIXED and not is_dictionary
        self.has_prefixes |= is_prefixed
        if not self.width and (is_dictionary or is_prefixed):
            self.longest_repeat = max(self.longest_repeat, page.unpacked)


def leaves_of(path: Path, metadata: pq.FileMetaData, columns: list[str] | None) -> list[Leaf]:
    """Return what columns unpack to, by the headers of all their pages.

    Parameters
    ----------
    path : Path
        A parquet file.
    metadata : pyarrow.parquet.FileMetaData
        Its footer.
    columns : list of str or None
        Names of columns; None is all.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a header is damaged.
    """
    leaves = []
    wanted = None if columns is None else frozenset(columns)
    with path.open("rb") as file:
        groups = row_groups_of(file)
        if any(len(chunks) != len(metadata.schema) for chunks in groups):
            raise ValueError("its row groups differ in their columns")
        for number in range(len(metadata.schema)):
            column = metadata.schema.column(number)
            if not _is_wanted(column.path, wanted):
                continue
            width = WIDTHS.get(column.physical_type, max(0, column.length or 0))
            is_flat = column.path == column.name
            leaf = Leaf(column.path, width, column.max_repetition_level > 0, is_flat)
            for chunks in groups:
                for page in _pages(file, chunks[number]):
                    leaf.add(page)
            leaves.append(leaf)
    return leaves


def _is_wanted(path: str, columns: frozenset[str] | None) -> bool:
    """Return whether Arrow reads a leaf when it is asked for columns."""
    if columns is None or path in columns:
        return True
    parts = path.split(".")
    return any(".".join(parts[:end]) in columns for end in range(1, len(parts)))


def _pages(file: IO[bytes], chunk: Chunk) -> Iterator[Page]:
    """Yield the pages of a column in a row group, as far as Arrow reads them."""
    place = chunk.first_page_offset
    n_values = 0
    for _ in range(MOST_PAGES):
        if n_values >= chunk.n_values:
            return
        page, header_bytes = _page_at(file, place)
        place += header_bytes + page.packed
        n_values += page.n_values if page.kind in DATA_PAGES else 0
        yield page
    raise ValueError(f"{chunk.path} has more than {MOST_PAGES:,} pages")


def _page_at(file: IO[bytes], place: int) -> tuple[Page, int]:
    """Return the page whose header stands at a place of a file, and the header's length."""
    length = FIRST_LOOK
    while True:
        file.seek(place)
        content = file.read(length)
        try:
            return _page(CompactReader(content))
        except (IndexError, struct.error):
            if len(content) < length or length >= LONGEST_HEADER:
                raise ValueError("the header of a page is damaged") from None
            length *= 8


def _page(header: CompactReader) -> tuple[Page, int]:
    numbers: dict[tuple[int, int], int] = {}
    for field, kind in header.fields():
        if kind in (LIST, SET, MAP):  # no page has one
            raise ValueError("the header of a page is damaged")
        if kind != STRUCT or field not in (*DATA_PAGES.values(), 7):
            numbers[field, 0] = header.value(kind)
            continue
        for inner, inner_kind in header.fields():
            numbers[field, inner] = header.value(inner_kind)
    kind, unpacked, packed = (numbers.get((field, 0), -1) for field in (1, 2, 3))
    header_field = DATA_PAGES.get(kind, 7)
    # The encoding is the second field of the header of data pages and dictionaries, and the
    # fourth of data pages of the second version.
    encoding = numbers.get((header_field, 4 if kind == 3 else 2), 0)
    n_values = numbers.get((header_field, 1), 0)
    if kind < 0 or min(unpacked, packed, n_values) < 0:
        raise ValueError("the header of a page is damaged")
    return Page(kind, unpacked, packed, n_values, encoding), header.place
