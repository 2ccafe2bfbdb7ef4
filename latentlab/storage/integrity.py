"""Whether a file of a run still has the content that run.json records.

A file is compared where it is read, once in a process as long as it stays the same file: by its
SHA-256, and a large parquet file by the digest of its footer, since its pages have checksums that
Arrow compares. `latentlab verify` reads everything whole.

A file that is about to be replaced is recorded with both contents, so that a kill between the file
and its record leaves a run that is whole.

Reasons: docs/decisions/0082-integrity.md.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from latentlab.errors import RunError

if TYPE_CHECKING:
    from latentlab.storage.manifest import Output

SMALL = 16 << 20  # bytes of a file that is compared whole where it is read
# Files whose parts have checksums that their readers compare.
CHECKED_BY_READERS = (".parquet", ".npz", ".keras")
FOOTER_END = 8  # bytes behind the footer of a parquet file: its length, and a mark
NOT_RECORDED = ("run.json", "run.lock", "run.lock.json")
WORK_FOLDER = "update/"  # whose files get their places later, see latentlab.storage.changes
Records = Callable[[], Mapping[str, "Output"]]


class DamagedFileError(RunError):
    """A file of a run is missing, or has other content than run.json records."""


class Keeper(Protocol):
    """What keeps the records of a run that this process holds: the run."""

    def records(self) -> "Mapping[str, Output]":
        """Return what is recorded of each file, by its path below the run's folder."""

    def keep(self, name: str, output: "Output") -> None:
        """Record a file that is about to take its place."""

    def let_go(self, name: str) -> None:
        """Drop the records of a file, or of all files in a folder, that is about to be removed."""


_State = tuple[int, int, int, int]  # device, inode, bytes, time of change
_digests: dict[str, tuple[_State, str]] = {}
_keepers: dict[str, Keeper] = {}


# Reading


def check(path: str, name: str, records: Records) -> None:
    """Pass a file of a run that is about to be read.

    Parameters
    ----------
    path : str
        Its absolute path.
    name : str
        Its path below the run's folder, with "/".
    records : callable
        records() -> what run.json records of each file, by such paths.

    Raises
    ------
    DamagedFileError
        If it is missing, or its content is not what run.json records.
    """
    output = records().get(name)
    if output is None or is_as_recorded(path, output):
        return
    # Another process may have written the file since run.json was read.
    folder = path.removesuffix(name)
    output = _records_on_disk(folder).get(name)
    if output is not None and not is_as_recorded(path, output):
        raise damaged(path, name, folder)


def check_folder(folder: str, name: str, records: Records) -> None:
    """Pass a folder of a run whose files are about to be listed.

    Parameters
    ----------
    folder : str
        Its absolute path.
    name : str
        Its path below the run's folder, with "/".
    records : callable
        As for `check`.

    Raises
    ------
    DamagedFileError
        If a file is missing that run.json records.
    """
    for listed in records():
        if listed.startswith(f"{name}/"):
            path = f"{folder}/{listed.removeprefix(f'{name}/')}"
            if not os.path.lexists(path):
                check(path, listed, records)


def is_as_recorded(path: str, output: "Output") -> bool:
    """Return whether a file is there with the content that was recorded, as far as a reader needs.

    Parameters
    ----------
    path : str
        The file.
    output : Output
        What is recorded. Files of rows may have got further rows since.
    """
    try:
        size = os.stat(path).st_size
        if output.before == "" and not _has_size(size, output):
            return False
        if size > SMALL and output.before == "" and path.endswith(CHECKED_BY_READERS):
            return output.footer in ("", footer_digest(path))
        if path.endswith(".jsonl") and output.bytes is not None:
            return _digest_of_first(path, output.bytes) == output.sha256
        return digest(path) in (output.sha256, output.before)
    except OSError:
        return False


def is_exactly_as_recorded(path: str, output: "Output") -> bool:
    """Return the same by every byte of the file.

    Parameters
    ----------
    path : str
        The file.
    output : Output
        What is recorded.
    """
    _refuse_links(path)
    try:
        if path.endswith(".jsonl") and output.bytes is not None:
            return _digest_of_first(path, output.bytes) == output.sha256
        return digest(path) in (output.sha256, output.before)
    except OSError:
        return False


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, which is read once in a process while it stays the same file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    """
    place = os.path.abspath(path)
    state = _state(place)
    seen = _digests.get(place)
    if seen is not None and seen[0] == state:
        return seen[1]
    with _opened(place) as file:
        value = hashlib.file_digest(file, "sha256").hexdigest()
    _digests[place] = (state, value)
    return value


def footer_digest(path: str | Path) -> str:
    """Return the SHA-256 of the footer of a parquet file, with its length; "" if it has none.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    """
    if not str(path).endswith(".parquet"):
        return ""
    with _opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FOOTER_END))
        length = int.from_bytes(file.read(FOOTER_END)[:4], "little") + FOOTER_END
        if length > size:
            return ""
        file.seek(size - length)
        return hashlib.sha256(file.read()).hexdigest()


def damaged(path: str, name: str, folder: str) -> DamagedFileError:
    """Return the error for a file that is missing or has other content than is recorded.

    Parameters
    ----------
    path, name : str
        As for `check`.
    folder : str
        The run's folder.
    """
    trouble = "was changed or damaged since it was written"
    if not os.path.lexists(path):
        trouble = "is missing"
    return DamagedFileError(f"{path} {trouble}", hint=remedy(name, folder))


def remedy(name: str, folder: str) -> str:
    """Return what to do about a damaged file, in a sentence.

    Parameters
    ----------
    name : str
        Its path below the run's folder, with "/".
    folder : str
        The run's folder.
    """
    stage = _writer_of(name, folder)
    run = folder.rstrip("/")
    command = _COMMANDS.get(stage.partition("/")[0])
    if command is not None:
        return f"Make it again with: `{command}(run={run!r})`"
    if stage.startswith("cluster/"):
        return f"The command that made the clusters {stage.removeprefix('cluster/')} makes it again"
    if stage:
        return "The command that made the run makes it again"
    if name.startswith("baselines/"):
        return f"Remove it; `evaluate(run={run!r})` makes it again"
    return "It cannot be made again: restore it from a copy, or make another run"


_COMMANDS = {
    "embed": "embed",
    "average": "embed",
    "evaluate": "evaluate",
    "trust": "trust",
    "decode": "report",
    "reconstruct": "report",
    "project": "report",
    "report": "report",
    "probe": "probe",
    "audit": "audit",
    "choose-k": "choose_k",
    "score-by-k": "score_by_k",
}


# Writing


@contextmanager
def keeping(folder: str | Path, keeper: Keeper) -> Iterator[None]:
    """Let a run that this process holds record the files that are written in it.

    Parameters
    ----------
    folder : str or pathlib.Path
        Its folder.
    keeper : Keeper
        The run.
    """
    place = os.path.abspath(folder)
    before = _keepers.get(place)
    _keepers[place] = keeper
    try:
        yield
    finally:
        if before is None:
            del _keepers[place]
        else:
            _keepers[place] = before


def is_held(folder: str | Path) -> bool:
    """Return whether this process holds a run, so that its files are recorded.

    Parameters
    ----------
    folder : str or pathlib.Path
        The run's folder.
    """
    return os.path.abspath(folder) in _keepers


def replacing(temporary: Path, target: Path) -> None:
    """Record a file that is about to take its place in a run, if it lies in one.

    Parameters
    ----------
    temporary : pathlib.Path
        The new file.
    target : pathlib.Path
        Its place.
    """
    found = _keeper_of(target)
    if found is None:
        return
    keeper, name = found
    if name in NOT_RECORDED or name.startswith(WORK_FOLDER):
        return
    from latentlab.storage.manifest import Output

    value = digest(temporary)
    info = os.stat(temporary)
    # The file keeps its state under its new name.
    _digests[os.path.abspath(target)] = (_state(str(temporary)), value)
    footer = footer_digest(temporary) if info.st_size > SMALL else ""
    keeper.keep(name, Output(name, info.st_size, value, footer))


def removing(path: Path) -> None:
    """Drop the records of a file or folder of a run that is about to be removed on purpose.

    Parameters
    ----------
    path : pathlib.Path
        The file or folder.
    """
    found = _keeper_of(path)
    if found is not None:
        keeper, name = found
        keeper.let_go(name)


def remove_changed(folder: Path, outputs: "Iterable[Output]") -> None:
    """Remove those files of a stage that are not as recorded, since it is to be done again.

    A stage takes up complete files of an earlier try; damaged ones must not be among them.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.
    outputs : iterable of Output
        What is recorded of the stage.
    """
    from latentlab.storage import guard

    for output in outputs:
        path = folder / output.path
        guard.inside(path)
        if path.is_file() and not is_exactly_as_recorded(str(path), output):
            guard.writing(path)
            path.unlink()


# Inside


def _opened(path: str | Path) -> BufferedReader:
    """Open a file of a run; not where a link leads out of it."""
    _refuse_links(path)
    return open(path, "rb")


def _refuse_links(path: str | Path) -> None:
    from latentlab.storage import guard  # which imports this module

    guard.inside(path)


def _state(path: str) -> _State:
    info = os.stat(path)
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns


def _has_size(size: int, output: "Output") -> bool:
    if output.bytes is None:  # runs of the first version
        return True
    is_rows = output.path.endswith(".jsonl")
    return size >= output.bytes if is_rows else size == output.bytes


def _digest_of_first(path: str, count: int) -> str:
    """Return the SHA-256 of the first `count` bytes of a file."""
    with _opened(path) as file:
        return hashlib.sha256(file.read(count)).hexdigest()


def _records_on_disk(folder: str) -> "Mapping[str, Output]":
    """Return what the run.json in a folder records now; nothing if it cannot be read."""
    from latentlab.storage.run import read_manifest

    try:
        return read_manifest(Path(folder)).records()
    except RunError:
        return {}


def _writer_of(name: str, folder: str) -> str:
    """Return the stage that wrote a file last; "" if it is of no stage."""
    from latentlab.storage.run import read_manifest

    try:
        return read_manifest(Path(folder)).writer_of(name)
    except RunError:
        return ""


def _keeper_of(path: Path) -> tuple[Keeper, str] | None:
    """Return the innermost held run that a path lies in, with the path below its folder."""
    if not _keepers:
        return None
    target = os.path.abspath(path)
    place = os.path.dirname(target)
    while place not in _keepers:
        above = os.path.dirname(place)
        if above == place:
            return None
        place = above
    return _keepers[place], os.path.relpath(target, place).replace(os.sep, "/")
