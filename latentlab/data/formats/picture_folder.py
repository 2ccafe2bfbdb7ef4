"""Pictures in a folder: which files they are, and what is passed over."""

import functools
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from latentlab.data.folder_walk import is_passed_over, walk_folder
from latentlab.data.formats.file_facts import FileFacts, facts_of_files, page_id, page_numbers
from latentlab.data.intake import LeftOut, PassedOverCounts
from latentlab.data.originals import Page
from latentlab.data.pictures.sniffing import kind_of_file
from latentlab.errors import DataError


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
        return list(map(functools.partial(page_id, files=files), names, self.numbers))

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
    the headers of all pages. On a busy machine of two cores 100,000 files took about 15 seconds,
    and 4 to 5 seconds when the same process listed them again.

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
    states = [walk.files[name] for name in names]
    all_facts = facts_of_files([f"{root}/{name}" for name in names], states)
    for path, facts in zip(names, all_facts, strict=True):
        if not facts.is_used(path):
            _pass_over(path, facts, walk.passed_over)
            continue
        pages = facts.pages
        paths += [path] * pages.count
        numbers += page_numbers(pages)
        offsets += pages.offsets or [0] * pages.count
        for _ in range(pages.further):
            walk.passed_over.add(path, pages.reason)
    passed_over = tuple(map(_with_text_alone, walk.passed_over.passed_over()))
    if not paths:
        raise DataError(_no_pictures(root, passed_over))
    return PictureListing(root, paths, numbers, offsets, passed_over)


def holds_a_picture(folder: Path, most: int = 2000) -> bool:
    """Return whether one of the first files of a folder, or of its sub-folders, is a picture.

    Parameters
    ----------
    folder : Path
        The folder.
    most : int
        Files to look at, at most.
    """
    return any(map(_is_picture, itertools.islice(_files_below(folder), most)))


def _is_picture(path: Path) -> bool:
    try:
        return kind_of_file(path).is_picture
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


def _pass_over(path: str, facts: FileFacts, counts: PassedOverCounts) -> None:
    kind = facts.kind
    counts.add(path, kind.name, kind.advice, kind.is_expected)


def _with_text_alone(entry: LeftOut) -> LeftOut:
    """Return an entry whose examples are UTF-8, as the run's files need it."""
    return replace(entry, examples=tuple(map(as_text, entry.examples)))


def _no_pictures(root: Path, passed_over: tuple[LeftOut, ...]) -> str:
    there = ", ".join(entry.text for entry in passed_over)
    seen = f"; passed over: {there}" if there else ": there is no file in it"
    return f"{root} holds no pictures{seen}. Check the path given to `data`."


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
