"""Animations, stacks of pages and further views in a column of pictures: each row is one image."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from latentlab.data.formats.parquet_files import picture_batches
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.pictures.pages import pages_of
from latentlab.data.pictures.sniffing import HEAD_BYTES, kind_of
from latentlab.errors import DataError

FURTHER_FRAMES = "further frames, pages or views of pictures in rows"
MOST_KNOWN = 64  # files of which the count is held


def further_frames(
    files: Sequence[Path], column: str, max_bytes: int | None = None
) -> tuple[LeftOut, ...]:
    """Count what the pictures of a column hold beside the one that is read.

    The first bytes of every picture are looked at: 13 microseconds each, 4% of what it takes to
    open and decode pictures of 32 pixels.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    column : str
        Name of the column of pictures.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.

    Returns
    -------
    tuple of LeftOut
        Empty if every picture is a single one.
    """
    counts = PassedOverCounts()
    for file in files:
        status = file.stat()
        state = status.st_mtime_ns, status.st_size
        for row, further in _rows_with_frames(file, state, column, max_bytes):
            for _ in range(further):
                counts.add(f"{file.name}, row {row}", FURTHER_FRAMES)
    return counts.passed_over()


@functools.lru_cache(MOST_KNOWN)
def _rows_with_frames(
    file: Path, _state: tuple[int, int], column: str, max_bytes: int | None
) -> tuple[tuple[int, int], ...]:
    """Return the number of each such row, with how many frames are not read."""
    with contextlib.suppress(DataError):  # whoever reads the rows says what is damaged
        return tuple(_counted(picture_batches(file, column, max_bytes)))
    return ()


def _counted(batches: Iterator[pa.Array]) -> Iterator[tuple[int, int]]:
    first = 0
    for pictures in batches:
        for place, head in enumerate(pc.binary_slice(pictures, 0, HEAD_BYTES).to_pylist()):
            kind = kind_of(head or b"")
            if kind.is_readable and kind.may_hold_several:
                pages = pages_of(pictures[place].as_py(), kind)
                yield first + place, pages.count + pages.further - 1
        first += len(pictures)
