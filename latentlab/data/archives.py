"""Read named files of a folder or a tar archive into memory; nothing is ever extracted to disk."""

import contextlib
import gzip
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from latentlab.errors import DataError

FOREIGN_LIMIT = (
    64 << 20
)  # bytes; a member that nobody asked for and that is larger shows that this is another archive
MOST_MEMBERS = 10_000


def read_files(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of those files of `limits` that a folder or tar archive (.tar, .tar.gz) holds.

    Parameters
    ----------
    path : Path
        A folder, whose files are taken from its top level, or an archive, in which the folders do not matter.
    limits : mapping of str to int
        Name without folders to the largest size in bytes that is read.

    Raises
    ------
    DataError
        If the archive is truncated or damaged, or a file larger than its limit.
    """
    yield from _from_folder(path, limits) if path.is_dir() else _from_tar(path, limits)


def _from_folder(folder: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    for name, limit in limits.items():
        file = folder / name
        if not file.is_file():
            continue
        try:
            _check_size(folder, name, file.stat().st_size, limit)
            yield name, file.read_bytes()
        except OSError as error:
            raise DataError(
                f"cannot read {file}: {error.strerror or error}. Check its permissions."
            ) from error


def _from_tar(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    try:
        with (
            _opened(path, sum(limits.values()) + FOREIGN_LIMIT) as content,
            tarfile.open(fileobj=content, mode="r:") as archive,
        ):
            for number, member in enumerate(archive):
                if number >= MOST_MEMBERS:
                    raise DataError(
                        f"{path} has more than {MOST_MEMBERS} members. Give the original archive or folder."
                    )
                name = member.name.rpartition("/")[2]
                _check_size(path, name, member.size, limits.get(name, FOREIGN_LIMIT))
                # Links are skipped: only regular members hold bytes of their own. The first of two equal names counts.
                file = (
                    archive.extractfile(member)
                    if member.isreg() and name in limits and name not in seen
                    else None
                )
                if file is not None:
                    seen.add(name)
                    yield name, _whole(file.read(), member)
            _read_to_end(content)
    except DataError:
        raise
    except (
        Exception
    ) as error:  # a damaged archive makes tarfile raise UnicodeDecodeError, OverflowError and more
        said = " ".join(str(error).split())
        raise DataError(
            f"cannot read the archive {path}: {said}. It is truncated or damaged: delete it and fetch it again."
        ) from error


@contextlib.contextmanager
def _opened(path: Path, limit: int) -> Iterator[Any]:
    """Open an archive, compressed by gzip or not, of which at most `limit` bytes will be unpacked."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield _Limited(raw, limit)
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield _Limited(unpacked, limit)


def _read_to_end(content: Any) -> None:
    """Read what follows the last member, since gzip's checksum is compared at the very end."""
    while content.read(1 << 20):
        pass


class _Limited:
    """A file that ends with an error after so many bytes: headers of an archive can ask for any number at once."""

    def __init__(self, file: Any, limit: int) -> None:
        self.file, self.limit = file, limit

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        if size < 0 or self.file.tell() + size > self.limit + (1 << 20):
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
            f"{path}: {name} has {size} bytes, more than the {limit} expected. Give the original archive or folder."
        )
