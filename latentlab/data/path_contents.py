"""What a file given as data holds, by its content, so that its name need not say so."""

from pathlib import Path

from latentlab.data.formats.tar_files import open_unpacked
from latentlab.data.formats.zip_files import array_names
from latentlab.data.pictures.sniffing import (
    ARCHIVE,
    ARRAYS,
    HEAD_BYTES,
    TAR_MAGIC,
    TEXT,
    Kind,
    kind_of,
)

NUMPY = b"\x93NUMPY"
PARQUET = b"PAR1"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
TEXT_KINDS = (TEXT.name, "tables")


def content_of(path: Path) -> tuple[str, Kind]:
    """Return what a file holds.

    Parameters
    ----------
    path : Path
        A regular file.

    Returns
    -------
    {"picture", "zip", "tar", "parquet", "arrays", "table", "text", ""}
        As in `SourceCapabilities.contents`; "" for anything else.
    Kind
        The kind of file, for texts.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    kind = kind_of(head, path.name)
    if kind.is_picture:
        return "picture", kind
    if head.startswith(ZIP):
        return _content_of_zip(path, kind), kind
    if head.startswith(PARQUET):
        return "parquet", kind
    if head.startswith(NUMPY):
        return "arrays", kind
    if head[TAR_MAGIC] == b"ustar" or (kind is ARCHIVE and _is_packed_tar(path)):
        return "tar", kind
    if kind.name in TEXT_KINDS and b"\0" not in head[2:]:
        return _content_of_text(head), kind
    return "", kind


def _content_of_zip(path: Path, kind: Kind) -> str:
    if kind not in (ARCHIVE, ARRAYS):
        return ""  # a document or a table, which are zip archives too
    return "arrays" if array_names(path) else "zip"


def _is_packed_tar(path: Path) -> bool:
    try:
        with open_unpacked(path) as file:
            return bool(file.read(HEAD_BYTES)[TAR_MAGIC] == b"ustar")
    except Exception:  # damaged, or packed by what is not read
        return False


def _content_of_text(head: bytes) -> str:
    """Return "table" for JSON, and for several columns of which a line of names tells."""
    text = head.decode("utf-8-sig", errors="replace")
    if text.lstrip().startswith(("{", "[")):
        return "table"
    lines = [line for line in text.splitlines()[:3] if line.strip()]
    counts = [_most_separators(line) for line in lines]
    return "table" if len(lines) > 1 and min(counts) > 0 else "text"


def _most_separators(line: str) -> int:
    """Return how often the commonest separator of columns stands in a line."""
    return max(line.count(mark) for mark in ",\t;")
