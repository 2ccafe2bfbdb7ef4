"""Files of a run that change together: all of them or, after a kill, all of them a moment later.

    update/new/...        the new files, at their paths in the run; run.json is among them
    update/changes.json   which of them take their places, and which old files go

While changes.json is not there, nothing of the run has changed. Once it is there, whoever opens
the run next finishes what a killed process has begun.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from latentlab.errors import RunError
from latentlab.storage import guard
from latentlab.storage.files import flush, read_json, refusals, remove_folder, write_json

FOLDER = "update"
NEW = "new"
JOURNAL = f"{FOLDER}/changes.json"


@dataclass
class Changes:
    """Files to replace, to add and to remove in one step.

    Attributes
    ----------
    run_folder : pathlib.Path
        The folder of a run, which this process holds.
    """

    run_folder: Path
    _written: list[str] = field(default_factory=list)
    _removed: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where work towards the changes may be kept, to go on after a kill."""
        return self.run_folder / FOLDER

    @property
    def new_folder(self) -> Path:
        """The folder that stands for the run's: new files lie here at their paths in the run."""
        return self.folder / NEW

    @property
    def written(self) -> tuple[str, ...]:
        """The paths that get a new file, in order."""
        return tuple(self._written)

    @property
    def removed(self) -> tuple[str, ...]:
        """The paths whose files go."""
        return tuple(path for path in self._removed if path not in self._written)

    def start(self) -> None:
        """Forget new files of an attempt that was killed; other work in `folder` stays."""
        remove_folder(self.new_folder)
        guard.writing(self.new_folder)
        with refusals(self.new_folder):
            self.new_folder.mkdir(parents=True)

    def write(self, path: str) -> Path:
        """Return where to write the new file that takes the place of a path.

        Parameters
        ----------
        path : str
            Its path below the run's folder, with "/".
        """
        if path not in self._written:
            self._written.append(path)
        target = self.new_folder / path
        guard.writing(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def remove(self, path: str) -> None:
        """Let an old file go.

        Parameters
        ----------
        path : str
            Its path below the run's folder, with "/".
        """
        self._removed.append(path)

    def current(self, path: str) -> Path:
        """Return the new file of `path`, below the run, if there is one, else the old one."""
        return (self.new_folder if path in self._written else self.run_folder) / path

    def commit(self) -> None:
        """Make the changes. The file that was added last takes its place last."""
        for path in self._written:
            guard.inside(self.new_folder / path)
            flush(self.new_folder / path)
        value = {"written": self._written, "removed": list(self.removed)}
        write_json(self.run_folder / JOURNAL, value)
        finish(self.run_folder)


def finish(run_folder: Path) -> None:
    """Make changes that were committed; what is done already is passed over.

    Parameters
    ----------
    run_folder : pathlib.Path
        The folder of a run, which this process holds.

    Raises
    ------
    RunError
        If changes.json is damaged, or the disk refuses.
    """
    from latentlab.storage.manifest import are_inside

    journal = run_folder / JOURNAL
    value = read_json(journal)
    is_list = isinstance(value, dict) and all(
        isinstance(value.get(name), list) for name in ("written", "removed")
    )
    if not is_list or not are_inside([*value["written"], *value["removed"]]):
        raise RunError(f"{journal} is damaged. Remove the folder {journal.parent}.")
    guard.writing(journal)
    for path in [*value["removed"], *value["written"]]:
        guard.writing(run_folder / path)
        guard.writing(run_folder / FOLDER / NEW / path)
    with refusals(journal):
        for path in value["removed"]:
            (run_folder / path).unlink(missing_ok=True)
        for path in value["written"]:
            new = run_folder / FOLDER / NEW / path
            if new.exists():
                (run_folder / path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(new, run_folder / path)
        journal.unlink()
    remove_folder(run_folder / FOLDER)
