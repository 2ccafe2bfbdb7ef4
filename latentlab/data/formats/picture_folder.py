"""Pictures in a folder: their paths, and the splits and classes that folder names stand for."""

import functools
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from latentlab.data.decode import THREADS, pillow_limits_off
from latentlab.data.folder_walk import NO_PERMISSION, FolderWalk, is_passed_over, walk_folder
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.originals import Page
from latentlab.data.pages import ONE_PAGE, FilePages, pages_of
from latentlab.data.sniffing import HEAD_BYTES, UNKNOWN, Kind, has_picture_suffix, kind_of
from latentlab.data.splits import TEST, TRAIN, held_out_splits
from latentlab.errors import DataError

AT_ONCE = 256  # files that a thread looks at in a row
MOST_KNOWN = 1_000_000  # files whose facts are held in memory
CLOSED = Kind(NO_PERMISSION)
HELD_OUT_FOLDERS = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class PictureListing:
    """The pictures of a folder, pages and frames one by one, and what is left out.

    Attributes
    ----------
    root : Path
        The folder.
    paths : list of str
        Path of the file of each image, below the folder and with "/"; in order.
    numbers : list of int
        Number of each image among the pages of its file, from 1; 0 if the file holds no other.
    offsets : list of int
        See `latentlab.data.originals.Page`.
    passed_over : tuple of LeftOut
        What is no picture, or is none of the user's, by reason.
    """

    root: Path
    paths: list[str]
    numbers: list[int]
    offsets: list[int]
    passed_over: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @functools.cached_property
    def ids(self) -> list[str]:
        """Ids of the images: the path, with "#3" for the third page."""
        names = list(map(as_text, self.paths))
        files = {name for name, number in zip(names, self.numbers, strict=True) if not number}
        return list(map(functools.partial(_id_of, files=files), names, self.numbers))

    def pictures(self, rows: slice) -> list[Path | bytes | Page | None]:
        """Return some of the pictures.

        Parameters
        ----------
        rows : slice
            Positions of the images.
        """
        places = zip(self.paths[rows], self.numbers[rows], self.offsets[rows], strict=True)
        return [self._picture(*place) for place in places]

    def _picture(self, path: str, number: int, offset: int) -> Path | Page:
        file = self.root / path
        return Page(file, max(number, 1), offset) if number or offset else file


def list_pictures(root: Path, follow_links: bool = False) -> PictureListing:
    """Return all pictures in a folder and its sub-folders, by their content.

    The first bytes of every file are read, in threads, and of files that may hold several pages
    the headers of all pages: some 3 seconds for 100,000 files of a local disk, and 1 second when
    they are listed again by the same process.

    Parameters
    ----------
    root : Path
        The folder.
    follow_links : bool
        Whether to follow links that lead out of it.

    Returns
    -------
    PictureListing
        Sorted by path and page. A file that has the name of a picture is listed also where its
        content is none: whoever reads it learns why it cannot be read.

    Raises
    ------
    DataError
        If there is no such folder, it lies in a run, or holds no picture.
    """
    walk = walk_folder(root, follow_links)
    names = sorted(walk.files)
    paths: list[str] = []
    numbers: list[int] = []
    offsets: list[int] = []
    for path, facts in zip(names, _facts_of_all(walk, names), strict=True):
        if not _is_used(path, facts):
            _pass_over(path, facts, walk.passed_over)
            continue
        pages = facts.pages
        paths += [path] * pages.count
        numbers += range(1, pages.count + 1) if pages.count > 1 else [0] * pages.count
        offsets += pages.offsets or [0] * pages.count
        for _ in range(pages.further):
            walk.passed_over.add(path, pages.reason)
    passed_over = walk.passed_over.passed_over()
    if not paths:
        raise DataError(_no_pictures(root, passed_over))
    return PictureListing(root, paths, numbers, offsets, passed_over)


def picture_paths(root: Path) -> list[str]:
    """Return the paths of all images of a folder, see `list_pictures`; pages share that of a file.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    list of str
        Sorted paths below the folder, with "/".

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.
    """
    return list_pictures(root).paths


def holds_a_picture(folder: Path, most: int = 2000) -> bool:
    """Return whether one of the first files of a folder, or of its sub-folders, is a picture.

    Parameters
    ----------
    folder : Path
        The folder.
    most : int
        Files to look at, at most.
    """
    try:
        files = itertools.islice(_files_below(folder), most)
        return any(_facts(str(path), path.stat()).kind.is_picture for path in files)
    except OSError:
        return False


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield regular files, those at the top first; hidden ones, links and runs are left out."""
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_passed_over(f"{path}/{name}"))
        for name in sorted(names):
            file = Path(path, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a file is, and which pages it holds."""

    kind: Kind
    pages: FilePages


class _KnownFacts:
    """Facts of files that this process has looked at, by path, size and time of change."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, int, int], _Facts] = {}

    def get(self, key: tuple[str, int, int]) -> _Facts | None:
        """Return what is known of a file."""
        return self._facts.get(key)

    def add(self, key: tuple[str, int, int], facts: _Facts) -> None:
        """Note the facts of a file."""
        if len(self._facts) >= MOST_KNOWN:
            self._facts.clear()
        self._facts[key] = facts


_known_facts = _KnownFacts()


def _facts_of_all(walk: FolderWalk, names: list[str]) -> list[_Facts]:
    """Return the facts of all files, many at once since a disk may be slow to answer."""
    root = str(walk.root)
    blocks = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]

    def facts_of_block(block: list[str]) -> list[_Facts]:
        return [_facts(f"{root}/{name}", walk.files[name]) for name in block]

    with pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        return [facts for block in pool.map(facts_of_block, blocks) for facts in block]


def _facts(path: str, state: os.stat_result | None) -> _Facts:
    if state is None:
        return _Facts(UNKNOWN, ONE_PAGE)
    key = path, state.st_size, state.st_mtime_ns
    known = _known_facts.get(key)
    if known is None:
        known = _look_into(path, state.st_size)
        _known_facts.add(key, known)
    return known


def _look_into(path: str, size: int) -> _Facts:
    """Return what a file is; it is `CLOSED` if it cannot be opened."""
    if size == 0:
        return _Facts(kind_of(b"", path), ONE_PAGE)
    try:
        with open(path, "rb", buffering=0) as file:
            kind = kind_of(file.read(HEAD_BYTES), path)
    except OSError:
        return _Facts(CLOSED, ONE_PAGE)
    pages = pages_of(Path(path), kind) if kind.is_readable else ONE_PAGE
    return _Facts(kind, pages)


def _is_used(path: str, facts: _Facts) -> bool:
    """Return whether a file is tried: a picture, or at least one by its name."""
    if facts.kind.is_picture:
        return facts.kind.is_readable
    return has_picture_suffix(path)


def _pass_over(path: str, facts: _Facts, counts: PassedOverCounts) -> None:
    kind = facts.kind
    counts.add(as_text(path), kind.name, kind.advice, kind.is_expected)


def _no_pictures(root: Path, passed_over: tuple[LeftOut, ...]) -> str:
    there = ", ".join(entry.text for entry in passed_over)
    seen = f"; passed over: {there}" if there else ": there is no file in it"
    return f"{root} holds no pictures{seen}. Check the path given to `data`."


def _id_of(name: str, number: int, files: set[str]) -> str:
    """Return the id of an image; a file may have the name that its page would have."""
    if not number:
        return name
    mark = "#"
    while f"{name}{mark}{number}" in files:
        mark += "#"
    return f"{name}{mark}{number}"


def as_text(path: str) -> str:
    r"""Return a path as UTF-8, since tables hold text only; other bytes are spelled out.

    Parameters
    ----------
    path : str
        A path as Python gives it.

    Examples
    --------
    >>> as_text("caf\udce9.png")
    'caf\\xe9.png'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def folder_splits(paths: list[str], held_out: float | None) -> np.ndarray:
    """Return the split of each picture.

    Parameters
    ----------
    paths : list of str
        Paths as `picture_paths` gives them.
    held_out : float or None
        Share to hold out at random if the folder has no folders "train" and "test" at the top.

    Returns
    -------
    ndarray of str
        "train" or "test" for each path.
    """
    if not has_split_folders(paths):
        return held_out_splits(len(paths), held_out)
    tops = [path.partition("/")[0] for path in paths]
    return np.array([TEST if top in HELD_OUT_FOLDERS else TRAIN for top in tops])


def has_split_folders(paths: list[str]) -> bool:
    """Return whether the top folders are splits: "train", and "test" or one of its other names.

    Parameters
    ----------
    paths : list of str
        Paths as `picture_paths` gives them.

    Examples
    --------
    >>> has_split_folders(["train/cats/0.png", "val/cats/1.png"])
    True
    """
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    return TRAIN in tops and not tops.isdisjoint(HELD_OUT_FOLDERS)


def class_folder(path: str, has_splits: bool) -> str:
    """Return the name of the folder in which a picture lies, for `latentlab.scoring.labels` only.

    Parameters
    ----------
    path : str
        A path as `picture_paths` gives it.
    has_splits : bool
        Whether the folders at the top are splits.

    Returns
    -------
    str
        "" if the picture lies at the top or directly in a split's folder.

    Examples
    --------
    >>> class_folder("train/cats/0.png", has_splits=True)
    'cats'
    """
    folders = PurePosixPath(path).parts[:-1]
    if has_splits and folders and folders[0] in (TRAIN, *HELD_OUT_FOLDERS):
        folders = folders[1:]
    return folders[-1] if folders else ""
