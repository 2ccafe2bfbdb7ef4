"""Tar archives of pictures, plain or compressed, and the shards of WebDataset; read in place."""

import bz2
import functools
import gzip
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from latentlab.data.formats.containers import (
    Container,
    ContainerLimits,
    Member,
    check_expansion,
    damaged,
    plain_name,
)
from latentlab.data.formats.member_kinds import is_picture_name, kind_beyond_name
from latentlab.data.pictures.sniffing import HEAD_BYTES, Kind
from latentlab.errors import DataError

MOST_HEADER_BYTES = 16 << 20  # that one header of an archive may ask for
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


class TarContainer(Container):
    """A tar archive; a member's `place` is where its content begins, unpacked.

    Of a compressed archive members are read in order about as fast as from a plain one. Going back
    means to unpack it from its beginning again.
    """

    def _opened(self) -> IO[bytes]:
        return open_unpacked(self.path)

    def _content(self, member: Member) -> bytes:
        self._file.seek(member.place)
        return self._file.read(member.size)


def open_tar(path: Path, limits: ContainerLimits) -> TarContainer:
    """List a tar archive, plain or compressed by gzip, bzip2 or xz; its headers are read.

    Parameters
    ----------
    path : Path
        The archive.
    limits : ContainerLimits
        What it may unpack to.

    Raises
    ------
    DataError
        If it is no tar archive, damaged, or refused.
    """
    try:
        status = path.stat()
        members = _members(path, status.st_mtime_ns, status.st_size, limits.allowed(path))
    except DataError:
        raise
    except Exception as error:  # damaged archives make tarfile raise nearly anything
        raise damaged(path, error) from error
    check_expansion(path, sum(member.size for member in members), limits)
    return TarContainer(path, members)


def open_unpacked(path: Path) -> Any:
    """Open an archive for reading, unpacked as it is read.

    Parameters
    ----------
    path : Path
        The archive.

    Raises
    ------
    DataError
        If it is compressed by Zstandard.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_ZSTD):
        raise DataError(f"{path} is compressed by Zstandard: unpack it (zstd -d {path.name}).")
    if head.startswith(_GZIP):
        return gzip.open(path)
    if head.startswith(_BZIP2):
        return bz2.open(path)
    return lzma.open(path) if head.startswith(_XZ) else path.open("rb")


@functools.lru_cache(maxsize=64)
def _members(path: Path, _mtime_ns: int, size: int, most_bytes: int) -> tuple[Member, ...]:
    """Return all files of an archive; they are listed anew if it has changed."""
    if size == 0:
        raise DataError(f"{path} is an empty file.")
    with (
        open_unpacked(path) as unpacked,
        _archive(_Bounded(path, unpacked, most_bytes)) as archive,
    ):
        return tuple(_listed(archive, unpacked))


def _archive(file: Any) -> Any:
    return tarfile.open(fileobj=file, mode="r:")


def _listed(archive: Any, unpacked: Any) -> Iterator[Member]:
    """Yield the files of an archive; links to files in it have their content."""
    listed: dict[str, Member] = {}
    while (info := archive.next()) is not None:
        archive.members.clear()  # or else tarfile keeps them all
        name = plain_name(info.name)
        if info.isreg() and not info.issparse():
            member = Member(name, info.size, info.offset_data, _kind(name, info, unpacked))
            listed[info.name] = member
            yield member
        elif info.islnk() and info.linkname in listed:
            obstacle = "" if is_picture_name(name) else "links"
            yield listed[info.linkname]._replace(name=name, obstacle=obstacle)
        elif not info.isdir():
            yield Member(name, info.size, 0, obstacle="links and devices")
    _check_end(archive, unpacked)


def _check_end(archive: Any, unpacked: Any) -> None:
    """Refuse an archive that does not end with zeros: tarfile takes a cut header as its end."""
    unpacked.seek(archive.offset)
    if any(unpacked.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError("it ends within a header")


def _kind(name: str, info: tarfile.TarInfo, unpacked: Any) -> Kind | None:
    """Return the kind of a member of which the name does not say enough."""
    unpacked.seek(info.offset_data)
    return kind_beyond_name(unpacked.read(min(info.size, HEAD_BYTES)), name)


class _Bounded:
    """An unpacked archive that ends where it would be larger than it may be.

    Parameters
    ----------
    path : Path
        The archive, for the error.
    file : file
        Its unpacked content.
    most_bytes : int
        That are unpacked.
    """

    def __init__(self, path: Path, file: Any, most_bytes: int) -> None:
        self._path = path
        self._file = file
        self._most_bytes = most_bytes

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        if not 0 <= size <= MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a position."""
        if whence != 0 or position > self._most_bytes:
            raise DataError(
                f"{self._path} is refused: it unpacks to more than {self._most_bytes} bytes. "
                "If you trust it, raise `max_bytes`."
            )
        return self._file.seek(position)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()
