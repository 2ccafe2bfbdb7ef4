"""Write files so that a kill, a full disk or a power cut leaves either the old or the new one, never a half."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latentlab.errors import RunError

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


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is flushed to disk and renamed to `target`.

    Raises
    ------
    RunError
        If the disk refuses the write (read-only, full, no permission); nothing is left behind.
    """
    temporary = _temporary(target)
    try:
        with refusals(target):
            _sweep(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            flush(temporary)
            os.replace(temporary, target)
            flush(target.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it replaces `target` by renaming.

    Where `target` exists, a kill between the two renames leaves it under another name, from which `recover` takes it back.
    """
    temporary = _temporary(target)
    aside = target.with_name(REPLACED_PREFIX + target.name)
    try:
        with refusals(target):
            _sweep(target)
            temporary.mkdir(parents=True)
            yield temporary
            for path in temporary.rglob("*"):
                flush(path)
            flush(temporary)
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
    """Remove a folder, if it is there, so that a kill in between leaves no half of it under its name."""
    doomed = folder.with_name(DOOMED_PREFIX + folder.name)
    shutil.rmtree(doomed, ignore_errors=True)
    with refusals(folder), contextlib.suppress(FileNotFoundError):
        folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def clear_folder(folder: Path, keep: str) -> None:
    """Remove what a folder holds, if it is there, but the file called `keep`."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name != keep:
            with refusals(path):
                remove_folder(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def recover(folder: Path) -> None:
    """Remove below `folder` what killed processes left half-written, and take back what they had put aside.

    To be called by the one process that holds the folder. Temporary files of processes that live are left alone.
    """
    for path in sorted(folder.rglob(f"{TEMPORARY_PREFIX}*")):
        owner = re.match(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-", path.name)
        if owner and int(owner[1]) != os.getpid() and _lives(int(owner[1])):
            continue
        whole = path.with_name(path.name.removeprefix(REPLACED_PREFIX))
        with contextlib.suppress(OSError):
            if path.name.startswith(REPLACED_PREFIX) and not whole.exists():
                path.rename(whole)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


@contextlib.contextmanager
def refusals(target: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a RunError that names `target`.

    Libraries wrap it now and then: zipfile raises ValueError while it closes what a full disk has cut, h5py RuntimeError.
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
            f"cannot write {target}: {_reason(refused)}. Free or unlock the disk, or choose another folder."
        ) from error


def append_line(path: Path, line: str) -> None:
    """Append one line to a text file and flush it to disk; what a kill or a full disk has cut off before is removed first.

    Raises
    ------
    RunError
        If the disk refuses the write.
    """
    with refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(max(0, end - (1 << 16)))
                tail = file.read()
                if torn := len(tail) - (tail.rfind(b"\n") + 1):
                    file.truncate(end - torn)
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if not _is_utf8(text):  # a path whose bytes are no UTF-8
        text = json.dumps(value, indent=2)
    with atomic_path(target) as path:
        path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read ({error}). Run its stage again.") from error


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in 1 MiB pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Return the hexadecimal SHA-256 of a JSON-serialisable value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}-{target.name}")


def _sweep(target: Path) -> None:
    """Remove what killed processes left of earlier tries at `target`; outside a run nobody else does."""
    for path in target.parent.glob(f"{TEMPORARY_PREFIX}*-{glob.escape(target.name)}"):
        owner = re.match(rf"{re.escape(TEMPORARY_PREFIX)}(\d+)-[0-9a-f]{{8}}-", path.name)
        if owner and path.name[owner.end() :] == target.name and not _lives(int(owner[1])):
            with contextlib.suppress(OSError):
                shutil.rmtree(
                    path, ignore_errors=True
                ) if path.is_dir() and not path.is_symlink() else path.unlink()
    aside = target.with_name(REPLACED_PREFIX + target.name)
    if aside.exists() and not target.exists():
        with contextlib.suppress(OSError):
            aside.rename(target)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _refusal_behind(error: BaseException) -> OSError | None:
    """Return the OSError that `error` is, or that made it where that is the disk's."""
    if isinstance(error, OSError):
        return error
    seen: BaseException | None = error.__cause__ or error.__context__
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in DISK_ERRORS:
            return seen
        seen = seen.__cause__ or seen.__context__
    # h5py tells the system's error in its text only.
    number = re.search(r"errno = (\d+)", str(error))
    return (
        OSError(int(number[1]), os.strerror(int(number[1])))
        if number and int(number[1]) in DISK_ERRORS
        else None
    )


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split())


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
