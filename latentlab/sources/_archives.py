"""Read named files of a folder or a tar archive into memory; nothing is ever extracted to disk."""

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from latentlab.errors import DataError

FOREIGN_LIMIT = 64 << 20  # bytes; a member that nobody asked for and that is larger shows that this is another archive


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
            raise DataError(f"cannot read {file}: {error.strerror or error}. Check its permissions.") from error


def _from_tar(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                _check_size(path, name, member.size, limits.get(name, FOREIGN_LIMIT))
                # Links are skipped: only regular members hold bytes of their own. The first of two equal names counts.
                file = archive.extractfile(member) if member.isreg() and name in limits and name not in seen else None
                if file is not None:
                    seen.add(name)
                    yield name, _whole(file.read(), member)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"cannot read the archive {path}: {error}. It is truncated or damaged: delete it and fetch it again.") from error


def _whole(content: bytes, member: tarfile.TarInfo) -> bytes:
    if len(content) < member.size:
        raise EOFError(f"{member.name} ends after {len(content)} of {member.size} bytes")
    return content


def _check_size(path: Path, name: str, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(f"{path}: {name} has {size} bytes, more than the {limit} expected. Give the original archive or folder.")
