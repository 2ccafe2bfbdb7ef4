"""Atomic writes: a kill, a full disk or a power cut leaves the old file or the new one."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from latentlab.errors import RunError
from latentlab.storage import guard, integrity, memory_budget

TEMPORARY_PREFIX = ".tmp-"
REPLACED_PREFIX = f"{TEMPORARY_PREFIX}replaced-"  # the old folder while a new one takes its name
DOOMED_PREFIX = f"{TEMPORARY_PREFIX}old-"  # a folder that is being removed
DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
}
TAIL = 1 << 16  # bytes at the end of a text file in which a torn line is looked for
PIECE = 1 << 20  # bytes that are read at once


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `target` on success, flushed to disk.

    Parameters
    ----------
    target : Path
        The file to write; its folder is created.

    Yields
    ------
    Path
        Where to write, in the same folder.

    Raises
    ------
    RunError
        If the disk refuses the write (read-only, full, no permission). Nothing is left behind.
    """
    guard.writing(target)
    temporary = _temporary(target)
    try:
        with refusals(target):
            _sweep(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            flush(temporary)
            integrity.replacing(temporary, target)
            os.replace(temporary, target)
            flush(target.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` on success, by renaming.

    An existing `target` is renamed first. After a kill between the two renames `recover` takes it
    back.

    Parameters
    ----------
    target : Path
        The folder to write.

    Yields
    ------
    Path
        Where to write, in the same folder as `target`.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    temporary = _temporary(target)
    aside = target.with_name(REPLACED_PREFIX + target.name)
    guard.writing(target)
    guard.writing(aside)
    try:
        with refusals(target):
            _sweep(target)
            temporary.mkdir(parents=True)
            yield temporary

            # The content must be on disk before it gets its name.
            for path in temporary.rglob("*"):
                flush(path)
            flush(temporary)

            # A folder cannot be replaced in one step.
            if target.exists():
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(target, aside)
            os.replace(temporary, target)
            flush(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder if it exists; a kill leaves it whole or gone.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    RunError
        If the disk refuses it.
    """
    doomed = folder.with_name(DOOMED_PREFIX + folder.name)
    guard.writing(folder)
    guard.writing(doomed)
    integrity.removing(folder)
    shutil.rmtree(doomed, ignore_errors=True)
    with refusals(folder), contextlib.suppress(FileNotFoundError):
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def copy_folder(folder: Path, target: Path) -> None:
    """Copy the files of a folder into another one; links that lead out of a run are refused.

    Parameters
    ----------
    folder : Path
        The folder, which may lie in a run.
    target : Path
        An existing folder.

    Raises
    ------
    RunError
        If there is such a link.
    """
    for path in folder.rglob("*"):
        guard.inside(path)
    shutil.copytree(folder, target, dirs_exist_ok=True)


def clear_folder(folder: Path, keep: Collection[str]) -> None:
    """Remove everything in a folder except some files.

    Parameters
    ----------
    folder : Path
        The folder; it need not exist.
    keep : collection of str
        Names of the files that stay.

    Raises
    ------
    RunError
        If the disk refuses it.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in keep:
            continue
        with refusals(path):
            if _is_real_folder(path):
                remove_folder(path)
            else:
                guard.writing(path)
                integrity.removing(path)
                path.unlink()


def recover(folder: Path) -> None:
    """Remove what killed processes left half-written, and restore folders that they put aside.

    Temporary files of live processes stay, and links, which no process of ours makes. Only the
    process that holds the folder may call it.

    Parameters
    ----------
    folder : Path
        Everything below it is searched.
    """
    for path in sorted(folder.rglob(f"{TEMPORARY_PREFIX}*")):
        if path.is_symlink():
            continue
        guard.writing(path)
        owner = re.match(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-", path.name)
        if owner and int(owner[1]) != os.getpid() and _is_alive(int(owner[1])):
            continue
        original = path.with_name(path.name.removeprefix(REPLACED_PREFIX))
        with contextlib.suppress(OSError):
            if path.name.startswith(REPLACED_PREFIX) and not original.exists():
                path.rename(original)
            else:
                _remove(path)


@contextlib.contextmanager
def refusals(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a RunError that names `target`.

    Libraries sometimes wrap it: zipfile raises ValueError while it closes an archive on a full
    disk, h5py RuntimeError.

    Parameters
    ----------
    target : Path
        The file to write.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        refused = _refusal_behind(error)
        if refused is None:
            raise
        raise RunError(
            f"cannot write {target}: {_reason(refused)}."
            " Free or unlock the disk, or choose another folder."
        ) from error


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file and flush it to disk.

    A last line that a kill or a full disk has torn is removed first.

    Parameters
    ----------
    path : Path
        The file; it is created with its folder.
    line : str
        The line, without its end.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    guard.writing(path)
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _unshare(path)
        with path.open("ab+") as file:
            _cut_torn_line(file)
            file.write(line.encode() + b"\n")  # at the end, in append mode
            file.flush()
            os.fsync(file.fileno())


def write_json(target: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically.

    Parameters
    ----------
    target : Path
        The file.
    value : Any
        Anything that `json.dumps` takes.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    write_text(target, as_text(value))


def as_text(value: Any) -> str:
    r"""Return a value as indented JSON that UTF-8 can hold, with the end of its last line.

    Parameters
    ----------
    value : Any
        Anything that `json.dumps` takes.

    Examples
    --------
    >>> as_text({"k": 3})
    '{\n  "k": 3\n}\n'
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not _is_utf8(text):  # a path with bytes that are not UTF-8
        text = json.dumps(value, indent=2)
    return text + "\n"


def write_text(target: Path, text: str) -> None:
    """Write a text as UTF-8, atomically.

    Parameters
    ----------
    target : Path
        The file.
    text : str
        Its content.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8", newline="")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    guard.reading(path)
    try:
        return json.loads(memory_budget.json_content(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}). Run its stage again.") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    guard.inside(path)  # what is compared is up to the caller
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a value as JSON.

    Parameters
    ----------
    value : Any
        Anything that JSON can hold; other values count by their text. The order of keys does not
        matter.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> fingerprint({"k": 10, "seed": 0}) == fingerprint({"seed": 0, "k": 10})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk.

    Parameters
    ----------
    path : Path
        The file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unshare(path: Path) -> None:
    """Give a file that has further names (hard links) a copy of its own, since it is written to."""
    if not path.exists() or path.stat().st_nlink == 1:
        return
    temporary = _temporary(path)
    try:
        shutil.copyfile(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _cut_torn_line(file: BinaryIO) -> None:
    """Cut off what follows the last complete line."""
    end = file.seek(0, os.SEEK_END)
    if not end:
        return
    file.seek(max(0, end - TAIL))
    tail = file.read()
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        file.truncate(end - torn)


def _temporary(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{target.name}")


def _sweep(target: Path) -> None:
    """Remove what killed processes left of earlier tries; outside a run nothing else does."""
    name_pattern = rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-[0-9a-f]{{8}}-"
    for path in target.parent.glob(f"{TEMPORARY_PREFIX}*-{glob.escape(target.name)}"):
        owner = re.match(name_pattern, path.name)
        is_of_target = owner is not None and path.name[owner.end() :] == target.name
        is_left_over = is_of_target and not path.is_symlink()
        if owner is not None and is_left_over and not _is_alive(int(owner[1])):
            with contextlib.suppress(OSError):
                _remove(path)
    aside = target.with_name(REPLACED_PREFIX + target.name)
    if aside.exists() and not aside.is_symlink() and not target.exists():
        with contextlib.suppress(OSError):
            aside.rename(target)


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder."""
    if _is_real_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _refusal_behind(error: BaseException) -> OSError | None:
    """Return the OSError that an error is, or a disk's refusal that caused it."""
    if isinstance(error, OSError):
        return error
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK_ERRORS:
            return cause
        cause = cause.__cause__ or cause.__context__
    return _refusal_in_text(str(error))


def _refusal_in_text(text: str) -> OSError | None:
    """Return the disk's refusal that a message names; h5py gives the number in its text only."""
    match = re.search(r"errno = (\d+)", text)
    if match is None or int(match[1]) not in DISK_ERRORS:
        return None
    return OSError(int(match[1]), os.strerror(int(match[1])))


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
