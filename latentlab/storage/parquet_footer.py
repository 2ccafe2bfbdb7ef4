"""The footer of a parquet file: where the parts of each column lie.

Arrow reads it too, and ends the whole process where the sizes that it tells of a part of a column
contradict each other ("size mismatch"). So the parts are read here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from latentlab.storage.thrift_compact import LIST, STRUCT, CompactReader

MAGIC = b"PAR1"
TAIL = 8  # bytes at the end of a file: the length of the footer, and the magic
ROW_GROUPS = 4  # field of the footer
COLUMNS = 1  # field of a row group
META_DATA = 3  # field of a column chunk
PATH, N_VALUES, UNPACKED, DATA_PAGE, DICTIONARY_PAGE = 3, 5, 6, 9, 11  # fields of its meta data
LARGEST = (1 << 63) - 1  # as places in a file go
NOT_READABLE = "its footer is damaged"


@dataclass(frozen=True)
class Chunk:
    """The part of a column in one row group.

    Attributes
    ----------
    path : str
        Name of the column, with those of the columns that it is part of.
    n_values : int
        Number of values, nulls among them.
    unpacked : int
        Bytes, as the footer says.
    data_page_offset : int
        Place of the first data page in the file.
    dictionary_page_offset : int or None
        Place of the dictionary, if there is one.
    """

    path: str
    n_values: int
    unpacked: int
    data_page_offset: int
    dictionary_page_offset: int | None

    @property
    def first_page_offset(self) -> int:
        """Place of the first page that Arrow reads."""
        place = self.dictionary_page_offset or 0
        return place if 0 < place < self.data_page_offset else self.data_page_offset


def row_groups_of(file: IO[bytes]) -> list[list[Chunk]]:
    """Return the parts of all columns, for each row group.

    Parameters
    ----------
    file : binary file
        A parquet file.

    Returns
    -------
    list of list of Chunk
        In the order of the schema's leaves.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it has no footer, or a damaged one.
    """
    try:
        return list(_row_groups(CompactReader(_footer(file))))
    except IndexError as error:
        raise ValueError(NOT_READABLE) from error


def _footer(file: IO[bytes]) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > size - TAIL:
        raise ValueError(NOT_READABLE)
    file.seek(size - TAIL - length)
    return file.read(length)


def _row_groups(footer: CompactReader) -> Iterator[list[Chunk]]:
    for field, kind in footer.fields():
        if (field, kind) != (ROW_GROUPS, LIST):
            footer.value(kind)
            continue
        for _ in _structs(footer):
            yield _columns(footer)


def _structs(reader: CompactReader) -> range:
    """Return a range over a list of structs, which are read next."""
    length, kind = reader.list_of()
    if length and kind != STRUCT:
        raise ValueError(NOT_READABLE)
    return range(length)


def _columns(reader: CompactReader) -> list[Chunk]:
    chunks: list[Chunk] = []
    for field, kind in reader.fields():
        if (field, kind) == (COLUMNS, LIST):
            chunks = [_chunk(reader) for _ in _structs(reader)]
        else:
            reader.value(kind)
    return chunks


def _chunk(reader: CompactReader) -> Chunk:
    chunk = None
    for field, kind in reader.fields():
        if (field, kind) == (META_DATA, STRUCT):
            chunk = _meta_data(reader)
        else:
            reader.value(kind)
    if chunk is None:
        raise ValueError(NOT_READABLE)
    return chunk


def _meta_data(reader: CompactReader) -> Chunk:
    parts: list[str] = []
    numbers: dict[int, int] = {}
    for field, kind in reader.fields():
        if (field, kind) == (PATH, LIST):
            parts = [reader.text() for _ in range(reader.list_of()[0])]
        else:
            numbers[field] = reader.value(kind)
    chunk = Chunk(
        path=".".join(parts),
        n_values=numbers.get(N_VALUES, -1),
        unpacked=numbers.get(UNPACKED, -1),
        data_page_offset=numbers.get(DATA_PAGE, -1),
        dictionary_page_offset=numbers.get(DICTIONARY_PAGE),
    )
    sizes = (chunk.n_values, chunk.unpacked, chunk.data_page_offset, chunk.first_page_offset)
    if min(sizes) < 0 or max(sizes) > LARGEST:
        raise ValueError(NOT_READABLE)
    return chunk
