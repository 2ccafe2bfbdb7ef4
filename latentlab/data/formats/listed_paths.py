"""Pictures that a list or table names by their paths.

A list may come from somebody else, so that its paths lead below its own folder or the working
directory only; `follow_links` allows others.
"""

import os
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from latentlab.data.formats.file_facts import facts_of_files, page_id, page_numbers
from latentlab.data.formats.picture_folder import as_text
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.originals import Page
from latentlab.data.pictures.sniffing import Kind
from latentlab.errors import DataError

ADDRESSES = Kind("addresses of the network", hint="nothing is downloaded")
MISSING = Kind("files that do not exist")
OUTSIDE = Kind("paths that lead out of the folder", hint="follow_links reads them")
TWICE = Kind("listed twice", is_expected=True)
NULLS = Kind("rows without a path")
FOLDERS = Kind("folders")
IRREGULAR = Kind("no regular files")
PROBED = 20  # entries that decide to which folder relative paths belong
MOST_FOLDERS = 100  # beside a list that are tried
MOST_SHOWN = 200  # characters of an entry
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")
_WINDOWS_PATH = re.compile(r"[a-zA-Z]:\\")


@dataclass(frozen=True)
class ListedPictures:
    """The pictures of a list.

    Attributes
    ----------
    files : list of Path or Page
        Their files, or pages of these.
    ids : list of str
        Their paths below the folder of the list, or else as they are; "#3" marks a third page.
    rows : list of int
        Their positions in the list.
    passed_over : tuple of LeftOut
        The other entries.
    """

    files: list[Path | Page]
    ids: list[str]
    rows: list[int]
    passed_over: tuple[LeftOut, ...]


def listed_pictures(
    file: Path, entries: Sequence[str | None], follow_links: bool, home: Path | None = None
) -> ListedPictures:
    """Return the pictures that a list names.

    Parameters
    ----------
    file : Path
        The list or table.
    entries : sequence of str or None
        Its paths: absolute, or below the folder of the list, a folder in it, or the working
        directory.
    follow_links : bool
        Whether paths may lead elsewhere.
    home : Path or None
        The folder to which relative paths belong; None is that of the list.

    Raises
    ------
    DataError
        If no entry names a picture.
    """
    home = home or file.parent
    folder = base_folder(home, entries)
    rules = _Rules([folder, home, Path.cwd()], follow_links)
    counts = PassedOverCounts()
    row_of: dict[str, int] = {}
    for row, entry in enumerate(entries):
        text = os.path.normpath(folder / local_text(entry)) if entry else ""
        obstacle = rules.obstacle(entry, text) or (TWICE if text in row_of else None)
        if obstacle:
            _count(counts, entry or f"row {row}", obstacle)
        else:
            row_of[text] = row
    pictures = _with_pages(row_of, folder, counts)
    if not pictures.files:
        raise _nothing(file, folder, len(entries), counts)
    return pictures


def _with_pages(row_of: dict[str, int], folder: Path, counts: PassedOverCounts) -> ListedPictures:
    """Return the pictures among files, a page each, with the row in which each file stands."""
    paths = list(row_of)
    names = {path: _id_of(path, folder) for path in paths}
    all_names = set(names.values())
    listed = ListedPictures([], [], [], ())
    for path, facts in zip(paths, facts_of_files(paths, list(map(_state, paths))), strict=True):
        pages = facts.pages
        if not facts.is_used(path):
            _count(counts, names[path], facts.kind)
            continue
        for number, offset in zip_longest(page_numbers(pages), pages.offsets, fillvalue=0):
            is_page = number or offset
            listed.files.append(Page(Path(path), max(number, 1), offset) if is_page else Path(path))
            listed.ids.append(page_id(names[path], number, all_names))
            listed.rows.append(row_of[path])
        for _ in range(pages.further):
            counts.add(names[path], pages.reason)
    return replace(listed, passed_over=counts.passed_over())


def _state(path: str) -> os.stat_result | None:
    """Return the state of a regular file; None if it is gone meanwhile."""
    try:
        return os.stat(path)
    except OSError:
        return None


def local_text(entry: str) -> str:
    r"""Return an entry as a path of this system.

    Parameters
    ----------
    entry : str
        A path, perhaps as file://, from a home folder, or as Windows writes it.

    Examples
    --------
    >>> local_text("file:///data/a%20b.png"), local_text("images\\a.png")
    ('/data/a b.png', 'images/a.png')
    """
    entry = entry.strip()
    if entry.startswith("file://"):
        return urllib.parse.unquote(urllib.parse.urlsplit(entry).path)
    if entry.startswith("~/"):
        return os.path.expanduser(entry)
    if "\\" in entry and "/" not in entry and not _WINDOWS_PATH.match(entry) and os.sep == "/":
        return entry.replace("\\", "/")
    return entry


def is_address(entry: str) -> bool:
    """Return whether an entry names a place in the network, such as https://example.org/1.jpg.

    Parameters
    ----------
    entry : str
        An entry of a list.
    """
    scheme = _ADDRESS.match(entry.strip())
    return scheme is not None and scheme.group(1).lower() != "file"


def base_folder(home: Path, entries: Sequence[str | None]) -> Path:
    """Return the folder to which relative entries of a list belong.

    Parameters
    ----------
    home : Path
        The folder of the list.
    entries : sequence of str or None
        Its entries; the first of them decide.
    """
    probes = [local_text(entry) for entry in entries[:PROBED] if entry and not is_address(entry)]
    for folder in _likely_folders(home):
        if any(_is_file(folder / probe) for probe in probes):
            return folder
    return home


def _likely_folders(folder: Path) -> Iterator[Path]:
    """Yield the folder of a list, the working directory, and folders beside the list."""
    yield folder
    yield Path.cwd()
    try:
        below = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        below = []
    yield from below[:MOST_FOLDERS]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds NUL
        return False


class _Rules:
    """Says of each entry whether it is read.

    Parameters
    ----------
    folders : list of Path
        Below which paths may lead.
    follow_links : bool
        Whether they may lead elsewhere.
    """

    def __init__(self, folders: list[Path], follow_links: bool) -> None:
        self._roots = tuple({os.path.realpath(folder) for folder in folders})
        self._follow_links = follow_links
        self._real_folders: dict[str, str] = {}  # folder -> where it really is

    def obstacle(self, entry: str | None, path: str) -> Kind | None:
        """Return why an entry is passed over, None if it is a picture."""
        if not entry or not entry.strip():
            return NULLS
        if is_address(entry):
            return ADDRESSES
        try:
            if not os.path.exists(path):
                return MISSING
            if os.path.isdir(path):
                return FOLDERS
            if not self._may_be_read(path):
                return OUTSIDE
            return None if os.path.isfile(path) else IRREGULAR
        except (OSError, ValueError) as error:
            return Kind(getattr(error, "strerror", None) or "names that no file can have")

    def _may_be_read(self, path: str) -> bool:
        if self._follow_links:
            return True
        folder, name = os.path.split(path)
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        real = os.path.join(self._real_folders[folder], name)
        if os.path.islink(real):
            real = os.path.realpath(real)
        return any(real.startswith(root.rstrip(os.sep) + os.sep) for root in self._roots)


def _id_of(path: str, folder: Path) -> str:
    root = os.path.normpath(folder) + os.sep
    return as_text(path.removeprefix(root) if path.startswith(root) else path)


def _count(counts: PassedOverCounts, name: str, obstacle: Kind) -> None:
    # One line stays one line, whatever stands in a list.
    name = "".join(sign if sign.isprintable() else "?" for sign in as_text(name)[:MOST_SHOWN])
    counts.add(name, obstacle.name, obstacle.advice, obstacle.is_expected)


def _nothing(file: Path, folder: Path, n_entries: int, counts: PassedOverCounts) -> DataError:
    """Return the error for a list of which no entry is a picture."""
    if n_entries == 0:
        return DataError(f"{file} is empty: it names no pictures.")
    first, *others = counts.passed_over()
    if first.reason == ADDRESSES.name:
        return DataError(
            f"{file} lists addresses of the network, such as {first.examples[0]}, and nothing is"
            " downloaded: fetch the pictures into a folder, and give that or a list of its paths."
        )
    if first.reason == OUTSIDE.name:
        return DataError(
            f"{file}: {first.count} paths lead out of its folder and of the working directory, such"
            f" as {first.examples[0]}. If you trust the list, add `follow_links`."
        )
    if first.reason == MISSING.name:
        return DataError(
            f"{file}: {first.count} of the {n_entries} paths that it names do not exist; the first,"
            f" {first.examples[0]}, was looked for in {folder}."
        )
    listed = ", ".join(entry.text for entry in (first, *others))
    return DataError(f"{file} names no pictures. Passed over: {listed}.")
