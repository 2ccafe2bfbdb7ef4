"""Zip archives of pictures, read in place."""

import functools
import zipfile
from pathlib import Path

from latentlab.data.formats.containers import (
    Container,
    ContainerLimits,
    Member,
    check_expansion,
    damaged,
    plain_name,
)
from latentlab.data.formats.member_kinds import is_picture_name, kind_beyond_name
from latentlab.data.pictures.sniffing import HEAD_BYTES, UNKNOWN, Kind
from latentlab.errors import DataError

ENCRYPTED = "encrypted"
_IS_ENCRYPTED = 0x1  # bit of a member's flags
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class ZipContainer(Container):
    """A zip archive; a member's `place` is its number in the directory."""

    def _opened(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def _content(self, member: Member) -> bytes:
        # No more than the size of the directory is unpacked, and the checksum is compared.
        with self._file.open(self._file.infolist()[member.place]) as file:
            return file.read(member.size + 1)


def open_zip(path: Path, limits: ContainerLimits) -> ZipContainer:
    """List a zip archive; only its directory is read, and the heads of members of no known kind.

    Parameters
    ----------
    path : Path
        The archive.
    limits : ContainerLimits
        What it may unpack to.

    Raises
    ------
    DataError
        If it is no zip archive, damaged, or refused.
    """
    try:
        status = path.stat()
        members = _members(path, status.st_mtime_ns, status.st_size)
    except DataError:
        raise
    except Exception as error:  # damaged archives make zipfile raise nearly anything
        raise damaged(path, error) from error
    check_expansion(path, sum(member.size for member in members), limits)
    if members and all(member.obstacle == ENCRYPTED for member in members):
        raise DataError(
            f"{path} is encrypted: unpack it with its password and give the folder to `data`."
        )
    return ZipContainer(path, members)


@functools.lru_cache(maxsize=64)
def _members(path: Path, _mtime_ns: int, size: int) -> tuple[Member, ...]:
    """Return all files of an archive; they are listed anew if it has changed."""
    if size == 0:
        raise DataError(f"{path} is an empty file.")
    with zipfile.ZipFile(path) as archive:
        return tuple(
            _member(archive, number, info)
            for number, info in enumerate(archive.infolist())
            if not info.is_dir()
        )


def _member(archive: zipfile.ZipFile, number: int, info: zipfile.ZipInfo) -> Member:
    name = plain_name(info.filename)
    obstacle = _obstacle(info)
    kind = None if obstacle else _kind(archive, info, name)
    return Member(name, info.file_size, number, kind, obstacle)


def _obstacle(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _IS_ENCRYPTED:
        return ENCRYPTED
    return "" if info.compress_type in _READABLE else "of a compression that is not read"


def _kind(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Kind | None:
    try:
        with archive.open(info) as file:
            return kind_beyond_name(file.read(HEAD_BYTES), name)
    except Exception:  # a damaged member
        return None if is_picture_name(name) else UNKNOWN


def array_names(path: Path) -> list[str]:
    """Return the names of NumPy arrays in a zip archive: it is an .npz file if there are any.

    Parameters
    ----------
    path : Path
        The archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return []
