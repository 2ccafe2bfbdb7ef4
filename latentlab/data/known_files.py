"""SHA-256 of picture files, read in threads, and not again while a file stays as it was."""

import functools
import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.data.originals import Page, Picture
from latentlab.data.pictures.decode import THREADS, chunks, reason_of
from latentlab.data.pictures.picture_faults import GONE, NO_FILE, NO_PICTURE
from latentlab.data.pictures.picture_opening import file_of

NO_TIME = -1  # of a picture that is no file of its own


@dataclass(frozen=True, slots=True)
class FileState:
    """A picture file as it was when it was read.

    Attributes
    ----------
    bytes : int
        Its size.
    mtime_ns : int
        When it was last changed, in nanoseconds; `NO_TIME` if it is no file of its own.
    sha256 : str
        Of its content, hexadecimal; "" if it could not be read.
    reason : str
        Why it could not be read; "" if it could.
    """

    bytes: int
    mtime_ns: int
    sha256: str
    reason: str = ""


@dataclass(frozen=True)
class KnownFiles:
    """States of the picture files of a set; images.parquet can keep them, a column each.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Ids of the images.
    bytes : ndarray of shape (n,), int64
        See `FileState`.
    mtime_ns : ndarray of shape (n,), int64
        See `FileState`.
    sha256 : list of str, of length n
        See `FileState`.
    """

    ids: np.ndarray
    bytes: np.ndarray
    mtime_ns: np.ndarray
    sha256: list[str]

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids.tolist())}

    @classmethod
    def of(cls, ids: np.ndarray, states: Sequence[FileState]) -> "KnownFiles":
        """Return the states of a set's images as columns.

        Parameters
        ----------
        ids : ndarray of shape (n,), str
            Ids of the images.
        states : sequence of FileState
            Their states.
        """
        return cls(
            ids=ids,
            bytes=np.array([state.bytes for state in states], dtype=np.int64),
            mtime_ns=np.array([state.mtime_ns for state in states], dtype=np.int64),
            sha256=[state.sha256 for state in states],
        )

    def subset(self, positions: np.ndarray) -> "KnownFiles":
        """Return the states of some images.

        Parameters
        ----------
        positions : ndarray of int
            Their positions, from 0, in their new order.
        """
        return KnownFiles(
            ids=self.ids[positions],
            bytes=self.bytes[positions],
            mtime_ns=self.mtime_ns[positions],
            sha256=[self.sha256[position] for position in positions],
        )

    def sha256_of(self, name: str, size: int, mtime_ns: int) -> str:
        """Return the SHA-256 of a file that is as it was, or "".

        Parameters
        ----------
        name : str
            Id of the image.
        size : int
            Bytes of the file now.
        mtime_ns : int
            When it was last changed, in nanoseconds.
        """
        row = self._rows.get(name)
        if row is None or (self.bytes[row], self.mtime_ns[row]) != (size, mtime_ns):
            return ""
        return self.sha256[row]


def file_states(
    ids: Iterable[str], pictures: Iterable[Picture | None], known: KnownFiles | None
) -> Iterator[FileState]:
    """Yield the states of pictures, which are read in threads.

    Parameters
    ----------
    ids : iterable of str
        Ids of the images.
    pictures : iterable of Path, bytes, Page or None
        Their picture files, contents or pages; None for a missing picture. Pages of one file follow
        each other, and it is read once.
    known : KnownFiles or None
        States of an earlier time. A file of the same size and time of change is not read again.

    Yields
    ------
    FileState
        In the order of the pictures.
    """
    names = iter(ids)
    state_of = functools.partial(_state, known=known, digests=_Digests())
    with ThreadPoolExecutor(THREADS) as pool:
        for chunk in chunks(pictures):
            # The chunk comes first: at its end `zip` stops without taking a name too many.
            chunk_names = [name for _, name in zip(chunk, names, strict=False)]
            yield from pool.map(state_of, chunk_names, chunk)


class _Digests:
    """SHA-256 of files, that of the last one held for its pages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: Path | bytes | None = None
        self._sha256 = ""

    def of_file(self, file: Path | bytes) -> str:
        """Return the SHA-256 of a file that holds one picture."""
        if isinstance(file, bytes):
            return hashlib.sha256(file).hexdigest()
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def of_page(self, page: Page) -> str:
        """Return the SHA-256 that stands for a page: that of its file with the page's number."""
        with self._lock:
            if self._file != page.file:
                self._sha256 = self.of_file(page.file)
                self._file = page.file
            return hashlib.sha256(f"{self._sha256}#{page.number}".encode()).hexdigest()

    def of(self, picture: Picture) -> str:
        """Return the SHA-256 that stands for a picture."""
        return self.of_page(picture) if isinstance(picture, Page) else self.of_file(picture)


def _state(
    name: str, picture: Picture | None, known: KnownFiles | None, digests: _Digests
) -> FileState:
    if picture is None:
        return FileState(0, NO_TIME, "", NO_PICTURE)
    try:
        return _state_of_picture(name, picture, known, digests)
    except OSError as error:
        return FileState(0, NO_TIME, "", reason_of(error, picture))


def _state_of_picture(
    name: str, picture: Picture, known: KnownFiles | None, digests: _Digests
) -> FileState:
    file = file_of(picture)
    if isinstance(file, bytes):
        return FileState(len(file), NO_TIME, digests.of(picture))
    if not file.is_file():
        return FileState(0, NO_TIME, "", NO_FILE if file.exists() else GONE)
    status = file.stat()
    size, time = status.st_size, status.st_mtime_ns
    sha256 = known.sha256_of(name, size, time) if known else ""
    return FileState(size, time, sha256 or digests.of(picture))
