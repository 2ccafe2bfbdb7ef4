"""What only a run from somebody else holds: links, special files, files of other users.

A run that holds any of it is read-only until the user accepts it; `latentlab.storage.guard` asks
before each write. The acceptance lies with the user and not in the run, and holds for this very
folder and what it held then.

Reasons: docs/decisions/0081-sealed-runs.md.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentlab.errors import RunError
from latentlab.private_folders import private_state
from latentlab.storage import guard
from latentlab.storage.files import fingerprint, write_json
from latentlab.storage.integrity import Records
from latentlab.storage.manifest import MANIFEST_NAME

STATE = "accepted"  # our folder of the user's acceptances


def enter(folder: Path, records: Records) -> None:
    """Guard a run that is being opened.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the run.
    records : callable
        records() -> what run.json records of each file, by its path below the folder, with "/".
    """
    guard.enter(guard.GuardedRun(os.path.abspath(folder), records, first_foreign))


def first_foreign(folder: str) -> str:
    """Return the first thing in a run that only one from somebody else holds, in words.

    Parameters
    ----------
    folder : str
        The folder of the run.

    Returns
    -------
    str
        Such as "the link report"; "" if there is none, or the user has accepted all of it.
    """
    findings = list(scan(folder))
    if not findings:
        return ""
    accepted = _Acceptance.of(folder, findings)
    return "" if accepted.is_recorded() else findings[0]


def accept(folder: Path) -> tuple[str, ...]:
    """Record that a run may be written to, with all that `scan` yields in it now.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of a run, which need not be open.

    Returns
    -------
    tuple of str
        What was accepted; empty if there is nothing to accept.

    Raises
    ------
    RunError
        If there is no run, or the user has no place where that could be kept.
    """
    if not os.path.lexists(folder / MANIFEST_NAME):
        raise RunError(f"{folder} holds no latentlab run ({MANIFEST_NAME} is missing).")
    root = os.path.abspath(folder)
    findings = list(scan(root))
    if findings:
        _Acceptance.of(root, findings).record()
        guard.look_again(root)
    return tuple(findings)


def scan(folder: str) -> Iterator[str]:
    """Yield what a run of the user's own does not hold, in words; links are not followed.

    Parameters
    ----------
    folder : str
        The folder of the run, which may be a link itself.
    """
    user = os.geteuid() if hasattr(os, "geteuid") else None  # Windows: owners are not looked at
    owners = {user, os.stat(folder).st_uid}
    yield from (_owned_by(owner) for owner in owners - {user})
    waiting = [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # another process has removed it since
                continue
            name = os.path.relpath(entry.path, folder).replace(os.sep, "/")
            if guard.is_link(info):
                yield f"the link {name}"
            elif stat.S_ISDIR(info.st_mode):
                waiting.append(entry.path)
            elif not stat.S_ISREG(info.st_mode):
                yield f"{name}, which is {guard.kind_of(info)}"
            if user is not None and info.st_uid not in owners:
                owners.add(info.st_uid)
                yield _owned_by(info.st_uid)


def _owned_by(user: int | None) -> str:
    return f"files of another user (number {user})"


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; nothing if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


@dataclass(frozen=True)
class _Acceptance:
    """What a user has accepted in one folder.

    Attributes
    ----------
    folder : str
        The folder, without links.
    device, inode : int
        Which folder that is: another one may get its name.
    findings : tuple of str
        What `scan` has yielded.
    """

    folder: str
    device: int
    inode: int
    findings: tuple[str, ...]

    @classmethod
    def of(cls, folder: str, findings: list[str]) -> "_Acceptance":
        """Return what accepting `findings` in a folder comes to."""
        info = os.stat(folder)
        return cls(os.path.realpath(folder), info.st_dev, info.st_ino, tuple(findings))

    def record(self) -> None:
        """Keep it among the user's own files."""
        place = private_state(STATE)
        if place is None:
            raise RunError(
                f"there is no place to remember that {self.folder} is accepted",
                hint="Set XDG_STATE_HOME to a folder that you alone can write to.",
            )
        write_json(place / self._name, self._place() | {"findings": self.findings})

    def is_recorded(self) -> bool:
        """Whether the user has accepted at least these findings in this folder."""
        place = private_state(STATE)
        recorded: Any = None
        if place is not None:
            with contextlib.suppress(OSError, ValueError):
                recorded = json.loads((place / self._name).read_text(encoding="utf-8"))
        if not isinstance(recorded, dict):
            return False
        same_place = all(recorded.get(key) == value for key, value in self._place().items())
        return same_place and set(self.findings) <= set(recorded.get("findings", ()))

    @property
    def _name(self) -> str:
        return f"{fingerprint(self.folder)[:32]}.json"

    def _place(self) -> dict[str, str | int]:
        return {"folder": self.folder, "device": self.device, "inode": self.inode}
