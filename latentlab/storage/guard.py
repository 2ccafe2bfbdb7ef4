"""Every open, write, rename and removal in a run passes here first: a run is a sealed tree.

A run folder may come from somebody else. A link in it could lead a reader or a writer anywhere, so
each place that touches a file of a run calls `reading` or `writing` with its path before. Paths
below no run that this process has opened are not looked at.

The folder of the run itself may be a link, and so may everything above it: they are the user's.

Reasons: docs/decisions/0081-sealed-runs.md.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latentlab.errors import RunError
from latentlab.storage import integrity
from latentlab.storage.integrity import Records

# Of Windows: a junction is a mount point, see os.lstat and `st_reparse_tag`. Not tested there.
LINK_TAGS = {
    getattr(stat, "IO_REPARSE_TAG_SYMLINK", 0xA000000C),
    getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 0xA0000003),
}


@dataclass
class GuardedRun:
    """A run folder that this process has opened.

    Attributes
    ----------
    folder : str
        Its absolute path when it was opened; links above it are as they were given.
    records : callable
        records() -> what run.json records of each file, by its path below the folder, with "/".
    look_through : callable
        look_through(folder) -> the first thing in it that only a run from somebody else holds, such
        as "the link report"; "" if there is none, or the user has accepted it. It is asked before
        the first write.
    """

    folder: str
    records: Records
    look_through: Callable[[str], str]
    _foreign: str | None = None

    @property
    def foreign(self) -> str:
        """The first thing of somebody else's, as `look_through` saw it once; or ""."""
        if self._foreign is None:
            self._foreign = self.look_through(self.folder)
        return self._foreign


_runs: dict[str, GuardedRun] = {}


def enter(run: GuardedRun) -> None:
    """Guard a run from now on; another entry for its folder is replaced.

    Parameters
    ----------
    run : GuardedRun
        The run, which is being opened.
    """
    _runs[run.folder] = run


def look_again(folder: str) -> None:
    """Have an open run looked through anew before its next write.

    Parameters
    ----------
    folder : str
        Absolute path of its folder.
    """
    if folder in _runs:
        _runs[folder]._foreign = None


def follow(folder: str | Path, records: Records) -> None:
    """Take the records of a run from another manifest, which was read or written just now.

    Parameters
    ----------
    folder : str or pathlib.Path
        The folder of a run.
    records : callable
        As in `GuardedRun`.
    """
    run = _runs.get(os.path.abspath(folder))
    if run is not None:
        run.records = records


def inside(path: str | Path) -> None:
    """Pass a file or folder of a run whose content need not be what run.json records.

    Parameters
    ----------
    path : str or pathlib.Path
        Any path; one below no run passes.

    Raises
    ------
    RunError
        If a link on the way leads out of the run, or it is no plain file or folder.
    """
    _passed(path)


def reading(path: str | Path) -> None:
    """Pass a file or folder of a run that is about to be read.

    Parameters
    ----------
    path : str or pathlib.Path
        Any path; one below no run passes.

    Raises
    ------
    RunError
        If a link on the way leads out of the run, if it is no plain file or folder, or if its
        content is not what run.json records.
    """
    runs = _passed(path)
    if runs:
        integrity.check(*_recorded_place(path, runs[0]))


def is_there(path: str | Path) -> bool:
    """Return whether a file exists that a run need not have.

    Parameters
    ----------
    path : str or pathlib.Path
        Any path.

    Raises
    ------
    RunError
        If it does not exist and run.json records it.
    """
    if os.path.exists(path):
        return True
    reading(path)
    return False


def is_whole(path: str | Path) -> bool:
    """Return whether a file exists, with the content that run.json records if it records it.

    Parameters
    ----------
    path : str or pathlib.Path
        Any path.

    Raises
    ------
    RunError
        If a link on the way leads out of the run, or it is no plain file.
    """
    try:
        reading(path)
    except integrity.DamagedFileError:
        return False
    return os.path.exists(path)


def listing(folder: str | Path) -> None:
    """Pass a folder of a run whose files are about to be listed.

    Parameters
    ----------
    folder : str or pathlib.Path
        Any folder; one below no run passes.

    Raises
    ------
    RunError
        If a file is missing that run.json records, or a link on the way leads out of the run.
    """
    runs = _passed(folder)
    if runs:
        integrity.check_folder(*_recorded_place(folder, runs[0]))


def writing(path: str | Path) -> None:
    """Pass a file or folder of a run that is about to be written, renamed or removed.

    Parameters
    ----------
    path : str or pathlib.Path
        Any path; one below no run passes.

    Raises
    ------
    RunError
        If the run holds links or files of others and was not accepted, or as for `reading`.
    """
    runs = _passed(path)
    if runs and runs[-1].foreign:
        run = runs[-1]
        raise RunError(
            f"{run.folder} is read-only, since it holds {run.foreign}: it may come from somebody"
            " else",
            hint=f"If that is as it should be, say so with: `verify(run={run.folder!r},"
            " accept=True)`",
        )


def refuse_outside(folder: str, target: str) -> None:
    """Raise RunError if a path below a run's folder leaves it by a link, or is no plain file.

    Parameters
    ----------
    folder : str
        Absolute path of the run's folder, which may be a link itself.
    target : str
        Absolute path below it; what does not exist passes.
    """
    place = folder
    for part in target[len(folder) :].split(os.sep):
        if not part:
            continue
        place = os.path.join(place, part)
        try:
            info = os.lstat(place)
        except OSError:
            return  # whoever opens it says what is wrong
        if is_link(info):
            if leaves(folder, place):
                raise RunError(
                    f"{place} is a link that leads out of the run, and is not followed. Remove it,"
                    " or put in its place what it should lead to."
                )
        elif not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
            raise RunError(f"{place} is {kind_of(info)} and not a file. Remove it.")


def is_link(info: os.stat_result) -> bool:
    """Return whether something is a link, or a junction of Windows.

    Parameters
    ----------
    info : os.stat_result
        What `os.lstat` said of it.
    """
    return stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) in LINK_TAGS


def leaves(folder: str, link: str) -> bool:
    """Return whether a link leads out of a run, to nothing or in a circle.

    Parameters
    ----------
    folder : str
        The folder of the run.
    link : str
        The path of the link.
    """
    try:
        root = os.path.realpath(folder)
        return not os.path.realpath(link, strict=True).startswith(os.path.join(root, ""))
    except OSError:  # to nothing, where a write would make a file, or in a circle
        return True


def kind_of(info: os.stat_result) -> str:
    """Return what something that is no file and no folder is, in words.

    Parameters
    ----------
    info : os.stat_result
        What `os.lstat` said of it.
    """
    kinds = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    for is_kind, name in kinds:
        if is_kind(info.st_mode):
            return name
    return "a device"


def _passed(path: str | Path) -> list[GuardedRun]:
    """Return the runs that a path lies in, the innermost first; refuse it if it leads out."""
    if not _runs:
        return []
    target = os.path.abspath(path)
    runs = _runs_above(target)
    if runs:
        refuse_outside(runs[-1].folder, target)
    return runs


def _recorded_place(path: str | Path, run: GuardedRun) -> tuple[str, str, Records]:
    """Return an absolute path, the path below a run's folder, and what the run records.

    Runs lie in seeds/ of another one: it is the inner run.json that records a file.
    """
    target = os.path.abspath(path)
    return target, os.path.relpath(target, run.folder).replace(os.sep, "/"), run.records


def _runs_above(target: str) -> list[GuardedRun]:
    """Return the runs that hold a path, the innermost first: seeds/ of a run holds runs."""
    runs = []
    place = os.path.dirname(target)
    while True:
        run = _runs.get(place)
        if run is not None:
            runs.append(run)
        above = os.path.dirname(place)
        if above == place:
            return runs
        place = above
