"""What an opening looks for in a run: links, and what is not the user's own.

A run that holds any of it is read-only until the user accepts it; `latentlab.storage.guard` keeps
the files. The acceptance lies with the user and not in the run, and holds for these very findings
in this very folder.

Reasons: docs/decisions/0081-sealed-runs.md.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.storage import guard

if TYPE_CHECKING:
    from latentlab.storage.manifest import Output


def enter(folder: Path, output_of: Callable[[str], "Output | None"]) -> None:
    """Look through a run that is being opened, and guard it from now on.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the run.
    output_of : callable
        output_of(path below the folder, with "/") -> what run.json records of it, or None.
    """
    root = os.path.abspath(folder)
    findings = tuple(scan(root))
    guard.enter(guard.GuardedRun(root, output_of, findings))


def scan(root: str) -> Iterator[str]:
    """Yield what a run of the user's own does not hold, in words, in the order of the names.

    Parameters
    ----------
    root : str
        The folder of the run. Links in it are not followed.
    """
    user = os.geteuid() if hasattr(os, "geteuid") else None
    folders = [root]
    while folders:
        folder = folders.pop()
        for entry in _entries(folder):
            info = entry.stat(follow_symlinks=False)
            name = os.path.relpath(entry.path, root).replace(os.sep, "/")
            if guard.is_link(info):
                yield f"the link {name}"
            elif stat.S_ISDIR(info.st_mode):
                folders.append(entry.path)
            elif not stat.S_ISREG(info.st_mode):
                yield f"{name}, which is {guard.kind_of(info)}"
            elif user is not None and info.st_uid != user:
                yield f"{name}, which another user owns"


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
