"""Go through a folder: its files, without what is no data of the user's, and within its bounds.

Nothing outside the folder is named, unless links are followed on request. Passed over and counted
are hidden files, what cameras, file servers and systems leave, and what latentlab itself wrote:
every folder with a run.json, and the files that its commands write if they are told no other name.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from latentlab.data.intake import PassedOverCounts
from latentlab.data.pictures.sniffing import has_picture_suffix
from latentlab.errors import DataError

RUN_FILE = "run.json"
OUTPUT_FILE = ".latentlab-output"  # marks a folder that a command wrote beside a run
OWN_FILES = ("clusters.parquet", "predictions.parquet")  # names that commands write by default
COMPARISON_FILES = ("comparison.json", "index.html")  # of the folder that a comparison writes

OWN_OUTPUT = "own output"
HIDDEN = "hidden"
LEADS_OUT = "links that lead out of the folder"
LEADS_NOWHERE = "links to nothing"
SECOND_FILE = "second names of files (links)"
SECOND_FOLDER = "second names of folders (links)"
SPECIAL = "no regular files"
CLOSED_FOLDER = "folders that cannot be opened"
NO_PERMISSION = "files that cannot be opened"

_THUMBNAILS = "thumbnails of a camera or NAS"
_SYSTEM_FILES = "files of the system"
_FOLDER_REASONS = {
    "@eadir": _THUMBNAILS,
    "__macosx": _SYSTEM_FILES,
    "thumbnails.noindex": _THUMBNAILS,
    "ipod photo cache": _THUMBNAILS,
    "_vti_cnf": _THUMBNAILS,
    "thmbnl": _THUMBNAILS,
    "@recently-snapshot": "snapshots of a NAS",
    "#snapshot": "snapshots of a NAS",
    "#recycle": "deleted files",
    "@recycle": "deleted files",
    "$recycle.bin": "deleted files",
    "system volume information": _SYSTEM_FILES,
    "lost+found": _SYSTEM_FILES,
}
_FILE_REASONS = {
    "thumbs.db": _SYSTEM_FILES,
    "ehthumbs.db": _SYSTEM_FILES,
    "desktop.ini": _SYSTEM_FILES,
    "icon\r": _SYSTEM_FILES,
    "dicomdir": "side files of a camera",
    "picasa.ini": "side files of a camera",
}
_SIDE_SUFFIXES = (".aae", ".xmp", ".thm", ".lrv", ".pp3", ".dop", ".cos")
_APPLE_LIBRARY = ".photoslibrary"  # its folder "resources" holds smaller copies of "originals"


@dataclass
class FolderWalk:
    """The files of a folder, and what was passed over by its name or as a link.

    Attributes
    ----------
    root : Path
        The folder.
    files : dict of str to os.stat_result or None
        State of each file by its path below the folder, with "/"; None if it is no regular file
        and has the name of a picture.
    passed_over : PassedOverCounts
        The rest.
    """

    root: Path
    files: dict[str, os.stat_result | None] = field(default_factory=dict)
    passed_over: PassedOverCounts = field(default_factory=PassedOverCounts)


def walk_folder(root: Path, follow_links: bool = False) -> FolderWalk:
    """Return the files below a folder.

    A link to a file or folder within the folder is followed where its target has not been listed
    under its own name, so that nothing is there twice.

    Parameters
    ----------
    root : Path
        The folder.
    follow_links : bool
        Whether to follow links that lead out of it.

    Returns
    -------
    FolderWalk
        Files in no particular order.

    Raises
    ------
    DataError
        If there is no such folder, it cannot be opened, or it lies in a run of latentlab.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Check the path given to `data`.")
    _check_is_no_run(root)
    walker = _Walker(FolderWalk(root), os.path.realpath(root), follow_links)
    walker.go_through("", walker.real_root)
    walker.follow_links_found()
    return walker.walk


@dataclass
class _Walker:
    """The way through one folder."""

    walk: FolderWalk
    real_root: str
    follow_links: bool
    links: list[str] = field(default_factory=list)
    real_folders: set[str] = field(default_factory=set)
    real_files: set[str] = field(default_factory=set)

    def go_through(self, below: str, real_path: str) -> None:
        """List a folder and the folders in it; links are put by for later."""
        waiting = [(below, real_path)]
        while waiting:
            path, real_folder = waiting.pop()
            if real_folder in self.real_folders:
                self._pass_over(path, SECOND_FOLDER, is_expected=True)
                continue
            self.real_folders.add(real_folder)
            for entry in self._entries(path, real_folder):
                name = f"{path}/{entry.name}" if path else entry.name
                if entry.is_symlink():
                    self.links.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    waiting += self._folder(name, entry)
                else:
                    self._file(name, entry)

    def _entries(self, below: str, real_folder: str) -> Iterator[os.DirEntry[str]]:
        """Yield what is in a folder, but for hidden entries."""
        try:
            with os.scandir(real_folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not below:
                problem = f"{self.walk.root} cannot be opened: {error.strerror}."
                raise DataError(problem) from error
            self._pass_over(below, CLOSED_FOLDER)
            return
        for entry in entries:
            if entry.name.startswith("."):
                self._pass_over(f"{below}/{entry.name}", HIDDEN, is_expected=True)
            else:
                yield entry

    def _folder(self, path: str, entry: os.DirEntry[str]) -> list[tuple[str, str]]:
        """Return a folder to go through; none if it is passed over, and its files are counted."""
        reason = _reason_of_folder(entry.path)
        if not reason:
            return [(path, entry.path)]
        for name in _names_below(entry.path):
            self._pass_over(f"{path}/{name}", reason, is_expected=True)
        return []

    def _file(self, path: str, entry: os.DirEntry[str]) -> None:
        reason = _reason_of_file(entry.name)
        if reason:
            self._pass_over(path, reason, is_expected=True)
            return
        try:
            self._add(path, entry.path, entry.stat(follow_symlinks=False))
        except OSError:
            self._pass_over(path, NO_PERMISSION)  # or it was removed meanwhile

    def _add(self, path: str, real_path: str, state: os.stat_result) -> None:
        """Add a file, or what has the name of a picture and is none."""
        is_regular = stat.S_ISREG(state.st_mode)
        if not (is_regular or has_picture_suffix(path)):
            self._pass_over(path, SPECIAL)
            return
        self.real_files.add(real_path)
        self.walk.files[path] = state if is_regular else None

    def follow_links_found(self) -> None:
        """Go where the links lead, each file and folder once; they may lead to more links."""
        links_to_files: list[str] = []
        while self.links:
            links, self.links = sorted(self.links), []
            for path in links:
                if os.path.isdir(os.path.join(self.real_root, path)):
                    self._link(path)
                else:
                    links_to_files.append(path)
        # Folders come first: a file that is listed with its folder needs no other name.
        for path in links_to_files:
            self._link(path)

    def _link(self, path: str) -> None:
        real_path = os.path.realpath(os.path.join(self.real_root, path))
        if not os.path.exists(real_path):
            self._pass_over(path, LEADS_NOWHERE)
        elif not (self.follow_links or _is_inside(real_path, self.real_root)):
            self._pass_over(path, LEADS_OUT, "give `follow_links` to use them")
        elif self._is_own_output(real_path):
            self._pass_over(path, OWN_OUTPUT, is_expected=True)
        elif os.path.isdir(real_path):
            self.go_through(path, real_path)
        elif real_path in self.real_files:
            self._pass_over(path, SECOND_FILE, is_expected=True)
        else:
            self._add(path, real_path, os.stat(real_path))

    def _is_own_output(self, real_path: str) -> bool:
        """Return whether a path lies in a folder that latentlab wrote, below the whole folder."""
        folder = real_path if os.path.isdir(real_path) else os.path.dirname(real_path)
        while folder != self.real_root and folder != os.path.dirname(folder):
            if _is_output_folder(folder):
                return True
            folder = os.path.dirname(folder)
        return False

    def _pass_over(self, path: str, reason: str, hint: str = "", is_expected: bool = False) -> None:
        self.walk.passed_over.add(path.lstrip("/"), reason, hint, is_expected)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_own_file(name: str) -> bool:
    """Return whether a file has a name that commands write by default.

    Parameters
    ----------
    name : str
        Name of the file.
    """
    return name in OWN_FILES


def is_passed_over(folder: str) -> bool:
    """Return whether a folder is passed over by its name, or by what is in it.

    Parameters
    ----------
    folder : str
        Its path.
    """
    return os.path.basename(folder).startswith(".") or bool(_reason_of_folder(folder))


def _reason_of_folder(path: str) -> str:
    """Return why a folder is passed over; "" if it is not."""
    parent, name = os.path.split(path)
    if name == "resources" and parent.endswith(_APPLE_LIBRARY):
        return _THUMBNAILS
    return _FOLDER_REASONS.get(name.lower(), "") or (OWN_OUTPUT if _is_output_folder(path) else "")


def _is_output_folder(path: str) -> bool:
    if any(os.path.isfile(f"{path}/{name}") for name in (RUN_FILE, OUTPUT_FILE)):
        return True
    return all(os.path.isfile(f"{path}/{name}") for name in COMPARISON_FILES)


def _reason_of_file(name: str) -> str:
    """Return why a file is passed over by its name; "" if it is not."""
    if is_own_file(name):
        return OWN_OUTPUT
    lower = name.lower()
    if lower.endswith(_SIDE_SUFFIXES):
        return "side files of a camera"
    return _FILE_REASONS.get(lower, "")


def _names_below(folder: str) -> Iterator[str]:
    """Yield the paths of all files below a folder; links are not followed."""
    for path, _, names in os.walk(folder):
        below = os.path.relpath(path, folder)
        yield from names if below == "." else (f"{below}/{name}" for name in names)


def _check_is_no_run(root: Path) -> None:
    """Raise DataError if a folder is a run, or lies in one."""
    real_root = root.resolve()
    for folder in (real_root, *real_root.parents):
        if _is_run(folder):
            raise DataError(
                f"{root} lies in {folder}, a run of latentlab, which holds results and no data."
                " Give a folder outside of it to `data`."
            )


def _is_run(folder: Path) -> bool:
    """Return whether a folder holds a run.json of ours: others may use the name as well."""
    try:
        with (folder / RUN_FILE).open("rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    return b'"format"' in head and b'"stages"' in head
