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
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from latentlab.errors import RunError

if TYPE_CHECKING:
    from latentlab.storage.manifest import StageRecord

SMALL = 16 << 20  # bytes of a file that is compared whole where it is read
# Files whose parts have checksums that their readers compare.
CHECKED_BY_READERS = (".parquet", ".npz", ".keras")
FOOTER_END = 8  # bytes behind the footer of a parquet file: its length, and a mark
NOT_RECORDED = ("run.json", "run.lock", "run.lock.json")
WORK_FOLDER = "update/"  # whose files get their places later, see latentlab.storage.changes
NO_DIGEST = "0" * 64  # in the place of the digest of run.json while it is taken
Records = Callable[[], Mapping[str, "Output"]]


class BrokenSealError(ValueError):
    """A run.json is not as it was written."""


class DamagedFileError(RunError):
    """A file of a run is missing, or has other content than run.json records."""


@dataclass(frozen=True)
class Output:
    """One file that a stage has written.

    Attributes
    ----------
    path : str
        Below the run's folder, with "/" between folders.
    bytes : int or None
        Its size; None in runs of the first version.
    sha256 : str
        Hexadecimal digest of its content.
    footer : str
        That of the footer of a large parquet file; "" for other files.
    before : str
        That of the content which it had until now, while it is being replaced; else "".
    """

    path: str
    bytes: int | None
    sha256: str
    footer: str = ""
    before: str = ""

    @classmethod
    def of_file(cls, path: Path, folder: Path) -> "Output":
        """Return the record of the file `path` in a run's `folder`."""
        from latentlab.storage import guard

        guard.inside(path)
        size = path.stat().st_size
        footer = footer_digest(path) if size > SMALL else ""
        return cls(path.relative_to(folder).as_posix(), size, digest(path), footer)

    @classmethod
    def from_json(cls, value: Any) -> "Output":
        """Return the record that `value`, of run.json, holds; ValueError if it is none."""
        try:
            output = cls(
                path=value["path"],
                bytes=value.get("bytes"),
                sha256=value["sha256"],
                footer=value.get("footer", ""),
                before=value.get("before", ""),
            )
        except (TypeError, KeyError, AttributeError):
            raise ValueError("it is no record of a file") from None
        texts = (output.path, output.sha256, output.footer, output.before)
        has_size = output.bytes is None or isinstance(output.bytes, int)
        if not has_size or not all(isinstance(text, str) for text in texts):
            raise ValueError("it is no record of a file")
        return output

    def to_json(self) -> dict[str, Any]:
        """Return the record as run.json holds it."""
        digests = {"sha256": self.sha256, "footer": self.footer, "before": self.before}
        value = {name: digest for name, digest in digests.items() if digest}
        return {"path": self.path, "bytes": self.bytes, **value}


class Recorded(Protocol):
    """What says of each stage and of other files what they hold: a manifest."""

    stages: "dict[str, StageRecord]"
    files: "dict[str, Output]"
    merged: "tuple[tuple[int, ...], dict[str, Output]] | None"


class Keeper(Protocol):
    """What keeps the records of a run that this process holds: the run."""

    def records(self) -> "Mapping[str, Output]":
        """Return what is recorded of each file, by its path below the run's folder."""

    def keep(self, name: str, output: "Output") -> None:
        """Record the `output` that is about to take the place of the file `name`."""

    def let_go(self, name: str) -> None:
        """Drop the records of `name`, a file or folder that is about to be removed."""


_State = tuple[int, int, int, int]  # device, inode, bytes, time of change
_digests: dict[str, tuple[_State, str]] = {}
_keepers: dict[str, Keeper] = {}


# Records


def records_of(manifest: Recorded) -> Mapping[str, Output]:
    """Return what is recorded of each file; what the latest stage says of it counts.

    Parameters
    ----------
    manifest : Recorded
        The manifest of a run.
    """
    state = (*map(id, manifest.stages.values()), *map(id, manifest.files.values()))
    if manifest.merged is not None and manifest.merged[0] == state:
        return manifest.merged[1]
    records: dict[str, Output] = {}
    for record in sorted(manifest.stages.values(), key=lambda record: record.order):
        records.update({output.path: output for output in record.outputs})
    # What is listed here as well has been written again by a stage that is not listed yet.
    records |= manifest.files
    manifest.merged = (state, records)
    return records


# The seal of run.json


def sealed_text(value: dict[str, Any]) -> str:
    """Return the text of a run.json, which ends with its own digest.

    Parameters
    ----------
    value : dict
        Its content; a digest in it is replaced.

    Examples
    --------
    >>> sealed_text({"format": 2, "stages": {}}).splitlines()[-2]
    '  "sha256": "e97032867c1e8fa41488ba4447eec6c639f83161507fc0751b06226ff0f1e940"'
    """
    from latentlab.storage.files import as_text

    rest = {name: entry for name, entry in value.items() if name != "sha256"}
    text = as_text(rest | {"sha256": NO_DIGEST})
    head, _, tail = text.rpartition(NO_DIGEST)
    return head + hashlib.sha256(text.encode()).hexdigest() + tail


def refuse_broken_seal(content: bytes, value: Any) -> None:
    """Raise BrokenSealError if the digest in a run.json is not that of its content.

    Parameters
    ----------
    content : bytes
        What the file holds.
    value : object
        The same, parsed. A file of the first format may have no digest.
    """
    if not isinstance(value, dict) or (value.get("format") in (0, 1) and "sha256" not in value):
        return
    recorded = value.get("sha256")
    if not isinstance(recorded, str) or len(recorded) != len(NO_DIGEST):
        raise BrokenSealError
    head, _, tail = content.rpartition(recorded.encode())
    if hashlib.sha256(head + NO_DIGEST.encode() + tail).hexdigest() != recorded:
        raise BrokenSealError


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
        return _has_content(path, output)
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
        return _has_content(path, output)
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
    kept_by = _keeper_of(target)
    if kept_by is None:
        return
    keeper, name = kept_by
    if name in NOT_RECORDED or name.startswith(WORK_FOLDER):
        return
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
    kept_by = _keeper_of(path)
    if kept_by is not None:
        keeper, name = kept_by
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


def _has_content(path: str, output: "Output") -> bool:
    """Return whether a file has the recorded content; one of rows may go on behind it."""
    if path.endswith(".jsonl") and output.bytes is not None:
        return _digest_of_first(path, output.bytes) == output.sha256
    return digest(path) in (output.sha256, output.before)


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
