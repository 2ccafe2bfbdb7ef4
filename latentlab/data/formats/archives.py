"""Read named files of a folder or a tar archive into memory. Nothing is ever extracted to disk."""

import contextlib
import gzip
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from latentlab.errors import DataError

# Bytes. A member that nobody asked for and that is larger shows that this is another archive.
FOREIGN_LIMIT = 64 << 20
MOST_MEMBERS = 10_000
SLACK = 1 << 20  # bytes that headers and padding may add
_GZIP = b"\x1f\x8b"


def read_files(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a folder or a tar archive (.tar, .tar.gz) that have certain names.

    Parameters
    ----------
    path : Path
        A folder, of which the top level is read, or an archive, in which folders do not matter.
    limits : mapping of str to int
        Name without folders -> largest size in bytes that is read.

    Yields
    ------
    tuple of str and bytes
        Name and content.

    Raises
    ------
    DataError
        If the archive is truncated or damaged, or a file is larger than its limit.
    """
    if path.is_dir():
        yield from _from_folder(path, limits)
    else:
        yield from _from_tar(path, limits)


def _from_folder(folder: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    for name, limit in limits.items():
        file = folder / name
        if not file.is_file():
            continue
        try:
            _check_size(folder, name, file.stat().st_size, limit)
            content = file.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"cannot read {file}: {reason}. Check its permissions.") from error
        yield name, content


def _from_tar(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    most_bytes = sum(limits.values()) + FOREIGN_LIMIT
    try:
        with (
            _opened(path, most_bytes, max(limits.values())) as content,
            tarfile.open(fileobj=content, mode="r:") as archive,
        ):
            yield from _members(path, archive, limits)
            _read_to_end(content)
    except DataError:
        raise
    except Exception as error:  # a damaged archive makes tarfile raise nearly anything
        reason = " ".join(str(error).split())
        raise DataError(
            f"cannot read the archive {path}: {reason}. "
            "It is truncated or damaged: delete it and fetch it again."
        ) from error


def _members(
    path: Path, archive: tarfile.TarFile, limits: Mapping[str, int]
) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted members of an archive; of two with one name the first counts."""
    seen: set[str] = set()
    for number, member in enumerate(archive):
        if number >= MOST_MEMBERS:
            raise DataError(
                f"{path} has more than {MOST_MEMBERS} members. Give the original archive or folder."
            )
        name = member.name.rpartition("/")[2]
        _check_size(path, name, member.size, limits.get(name, FOREIGN_LIMIT))
        # Links have no bytes and are skipped.
        if not member.isreg() or name not in limits or name in seen:
            continue
        file = archive.extractfile(member)
        if file is not None:
            seen.add(name)
            yield name, _whole(file.read(), member)


@contextlib.contextmanager
def _opened(path: Path, limit: int, at_once: int) -> Iterator[Any]:
    """Open an archive, compressed or not, of which at most `limit` bytes are unpacked.

    At most `at_once` of them, those of the largest member, are read in one piece.
    """
    with path.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
        raw.seek(0)
        if not is_packed:
            yield _Limited(raw, limit, at_once)
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield _Limited(unpacked, limit, at_once)


def _read_to_end(content: Any) -> None:
    """Read the rest: gzip compares its checksum at the very end."""
    while content.read(1 << 20):
        pass


class _Limited:
    """A file that fails beyond a limit, since headers of an archive can ask for any number."""

    def __init__(self, file: Any, limit: int, at_once: int) -> None:
        self.file = file
        self.limit = limit
        self.at_once = at_once

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        is_too_long = size > self.at_once + SLACK or self.file.tell() + size > self.limit + SLACK
        if size < 0 or is_too_long:
            raise tarfile.ReadError(
                f"it asks for more than the {self.limit} bytes that such an archive has"
            )
        return self.file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a position, at most the limit."""
        if whence != 0 or position > self.limit:
            raise tarfile.ReadError(
                f"it goes beyond the {self.limit} bytes that such an archive has"
            )
        return self.file.seek(position)

    def tell(self) -> int:
        """Return the position."""
        return self.file.tell()


def _whole(content: bytes, member: tarfile.TarInfo) -> bytes:
    if len(content) < member.size:
        raise EOFError(f"{member.name} ends after {len(content)} of {member.size} bytes")
    return content


def _check_size(path: Path, name: str, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(
            f"{path}: {name} has {size} bytes, more than the {limit} expected. "
            "Give the original archive or folder."
        )
