"""Text files with one path a line, perhaps with a label after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from latentlab.data.formats.listed_paths import base_folder, is_address, local_text
from latentlab.data.pictures.sniffing import PICTURE_SUFFIXES
from latentlab.errors import DataError
from latentlab.storage import memory_budget
from latentlab.storage.memory_budget import ROW_BYTES

COMMENT = "#"
MOST_LINE = 1 << 16  # characters
SAMPLE = 20  # lines that say whether labels stand after the paths
NOTHING = ""
MOST_PARTS = 0.5  # of the lines, that decide
MOST_SHOWN = 100  # characters of a line
SEPARATORS = ("\t", ",", ";", " ")  # of path and label
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class PathList:
    """The content of a list.

    Attributes
    ----------
    entries : list of str
        Its paths.
    labels : list of str or None
        The word after each path; None if there are none.
    """

    entries: list[str]
    labels: list[str] | None


def read_path_list(path: Path, max_bytes: int | None) -> PathList:
    """Read a list of paths.

    Parameters
    ----------
    path : Path
        The file; blank lines and lines that begin with # are skipped.
    max_bytes : int or None
        What it may take in memory; see `latentlab.storage.memory_budget`.

    Raises
    ------
    DataError
        If it is missing, too large, or no text.
    """
    lines = _lines(path, max_bytes)
    if not lines:
        raise DataError(f"{path} is empty: it names no pictures.")
    separator = _separator(path, lines[:SAMPLE])
    if separator == NOTHING:
        return PathList(lines, None)
    if separator is None:
        raise DataError(
            f"{path} lists no paths of pictures, one a line: no file is found for its first line, "
            f"{lines[0][:MOST_SHOWN]!r}."
        )
    pairs = [line.rpartition(separator) for line in lines]
    entries = [entry if between else label for entry, between, label in pairs]
    labels = [label.strip() if between else "" for _, between, label in pairs]
    return PathList(entries, labels)


def _lines(path: Path, max_bytes: int | None) -> list[str]:
    try:
        _check_size(path, memory_budget.allowed_bytes(path, max_bytes))
        content = path.read_bytes()
    except memory_budget.TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise `max_bytes`."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    text = _decoded(path, content)
    lines = [line.strip("\r") for line in text.split("\n")]
    lines = [line for line in lines if line.strip() and not line.startswith(COMMENT)]
    if any(len(line) > MOST_LINE for line in lines):
        raise DataError(
            f"{path} has a line of more than {MOST_LINE} characters: it lists no paths."
        )
    return lines


def _check_size(path: Path, allowed: int) -> None:
    size = path.stat().st_size
    memory_budget.check(size, allowed, "its contents")
    n_lines = memory_budget.count_lines(path, allowed // ROW_BYTES)
    memory_budget.check(n_lines * ROW_BYTES, allowed, f"its {n_lines:,} lines or more")


def _decoded(path: Path, content: bytes) -> str:
    if content[:2] in _UTF16:
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise DataError(f"{path} is no text: it lists no paths.")
    # Bytes that are not UTF-8 may belong to a name.
    return content.decode("utf-8-sig", errors="surrogateescape")


def _separator(path: Path, lines: Sequence[str]) -> str | None:
    """Return what stands between path and label, `NOTHING`, or None if lines are no paths."""
    if _share_of_paths(path, lines) >= MOST_PARTS:
        return NOTHING
    for separator in SEPARATORS:
        fronts = [line.rpartition(separator)[0] for line in lines]
        if _share_of_paths(path, [front for front in fronts if front]) >= MOST_PARTS:
            return separator
    return None


def _share_of_paths(path: Path, entries: Sequence[str]) -> float:
    """Return which share of entries names files, or ends as pictures do."""
    if not entries:
        return 0.0
    folder = base_folder(path.parent, entries)
    return sum(_is_path(folder, entry) for entry in entries) / len(entries)


def _is_path(folder: Path, entry: str) -> bool:
    if is_address(entry) or PurePath(entry.strip()).suffix.lower() in PICTURE_SUFFIXES:
        return True
    try:
        return (folder / local_text(entry)).is_file()
    except (OSError, ValueError):
        return False
