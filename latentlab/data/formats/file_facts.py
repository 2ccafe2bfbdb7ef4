"""What files are by their content, and which pages they hold; each is looked at once."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from latentlab.data.folder_walk import NO_PERMISSION
from latentlab.data.pictures.decode import THREADS, pillow_limits_off
from latentlab.data.pictures.jpeg_views import lists_views
from latentlab.data.pictures.pages import ONE_PAGE, FilePages, pages_of
from latentlab.data.pictures.sniffing import (
    HEAD_BYTES,
    JPEG,
    JPEG_OF_VIEWS,
    UNKNOWN,
    Kind,
    has_picture_suffix,
    kind_of,
)

AT_ONCE = 256  # files that a thread looks at in a row
MOST_KNOWN = 1_000_000  # files whose facts are held in memory
CLOSED = Kind(NO_PERMISSION)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file is.

    Attributes
    ----------
    kind : Kind
        Its kind, by its content.
    pages : FilePages
        The pages that it holds.
    """

    kind: Kind
    pages: FilePages

    def is_used(self, name: str) -> bool:
        """Return whether a file called `name` is tried: a picture, or at least one by its name."""
        if self.kind.is_picture:
            return self.kind.is_readable
        return has_picture_suffix(name)


class _KnownFacts:
    """Facts of files that this process has looked at, by path, size and time of change."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, int, int], FileFacts] = {}

    def get(self, key: tuple[str, int, int]) -> FileFacts | None:
        """Return what is known of a file."""
        return self._facts.get(key)

    def add(self, key: tuple[str, int, int], facts: FileFacts) -> None:
        """Note the facts of a file."""
        if len(self._facts) >= MOST_KNOWN:
            self._facts.clear()
        self._facts[key] = facts


_known_facts = _KnownFacts()


def facts_of_files(
    paths: Sequence[str], states: Sequence[os.stat_result | None]
) -> list[FileFacts]:
    """Return the facts of files, many at once since a disk may be slow to answer.

    Parameters
    ----------
    paths : sequence of str
        The files.
    states : sequence of os.stat_result or None
        State of each; None if it is no regular file.
    """
    starts = range(0, len(paths), AT_ONCE)

    def facts_of_block(start: int) -> list[FileFacts]:
        block = slice(start, start + AT_ONCE)
        return list(map(_facts, paths[block], states[block]))

    with pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        return [facts for block in pool.map(facts_of_block, starts) for facts in block]


def _facts(path: str, state: os.stat_result | None) -> FileFacts:
    if state is None:
        return FileFacts(UNKNOWN, ONE_PAGE)
    key = path, state.st_size, state.st_mtime_ns
    known = _known_facts.get(key)
    if known is None:
        known = _look_into(path, state.st_size)
        _known_facts.add(key, known)
    return known


def _look_into(path: str, size: int) -> FileFacts:
    """Return what a file is; it is `CLOSED` if it cannot be opened."""
    if size == 0:
        return FileFacts(kind_of(b"", path), ONE_PAGE)
    try:
        with open(path, "rb", buffering=0) as file:
            kind = kind_of(file.read(HEAD_BYTES), path)
            if kind is JPEG and lists_views(file):  # beyond the first bytes
                kind = JPEG_OF_VIEWS
    except OSError:
        return FileFacts(CLOSED, ONE_PAGE)
    pages = pages_of(Path(path), kind) if kind.is_readable else ONE_PAGE
    return FileFacts(kind, pages)


def page_numbers(pages: FilePages) -> list[int]:
    """Return the numbers of `pages` from 1; 0 for the only page of a file."""
    return list(range(1, pages.count + 1)) if pages.count > 1 else [0] * pages.count


def page_id(name: str, number: int, files: Collection[str]) -> str:
    """Return the id of an image.

    Parameters
    ----------
    name : str
        That of its file.
    number : int
        Number of the page; 0 if the file holds no other.
    files : collection of str
        Names of all files, since one may have the name that a page would have.

    Examples
    --------
    >>> page_id("scan.tif", 3, {"scan.tif"}), page_id("a.png", 0, {"a.png"})
    ('scan.tif#3', 'a.png')
    """
    if not number:
        return name
    mark = "#"
    while f"{name}{mark}{number}" in files:
        mark += "#"
    return f"{name}{mark}{number}"
