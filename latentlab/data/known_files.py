"""SHA-256 of picture files, read in threads, and not again while a file stays as it was."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.data.decode import NO_PICTURE, THREADS, chunks, reason_of

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
    ids: Iterable[str], pictures: Iterable[Path | bytes | None], known: KnownFiles | None
) -> Iterator[FileState]:
    """Yield the states of pictures, which are read in threads.

    Parameters
    ----------
    ids : iterable of str
        Ids of the images.
    pictures : iterable of Path, bytes or None
        Their picture files or contents; None for a missing picture.
    known : KnownFiles or None
        States of an earlier time. A file of the same size and time of change is not read again.

    Yields
    ------
    FileState
        In the order of the pictures.
    """
    names = iter(ids)
    with ThreadPoolExecutor(THREADS) as pool:
        for chunk in chunks(pictures):
            # The chunk comes first: at its end `zip` stops without taking a name too many.
            chunk_names = [name for _, name in zip(chunk, names, strict=False)]
            yield from pool.map(functools.partial(_state, known=known), chunk_names, chunk)


def _state(name: str, picture: Path | bytes | None, known: KnownFiles | None) -> FileState:
    if picture is None:
        return FileState(0, NO_TIME, "", NO_PICTURE)
    if isinstance(picture, bytes):
        return FileState(len(picture), NO_TIME, hashlib.sha256(picture).hexdigest())
    try:
        return _state_of_file(name, picture, known)
    except OSError as error:
        return FileState(0, NO_TIME, "", reason_of(error, picture))


def _state_of_file(name: str, path: Path, known: KnownFiles | None) -> FileState:
    if not path.is_file():
        return FileState(0, NO_TIME, "", "it is no regular file")
    status = path.stat()
    size, time = status.st_size, status.st_mtime_ns
    sha256 = known.sha256_of(name, size, time) if known else ""
    if not sha256:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileState(size, time, sha256)
