"""What scripts/reliability.py and its tests share: command lines in forked children, faults put
into them, and what a run holds.

Starting TensorFlow takes seconds, so the parent imports everything once, without starting
TensorFlow's runtime, and every command line runs in a fork of it. What a fork writes is watched
through Python's audit events (open for writing, rename, remove, mkdir) and through fsync: a fault
is put at the n-th of them.
"""

import ctypes
import errno
import io
import json
import os
import re
import resource
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TIMED = (
    "seconds",
    "finished",
    "created",
    "argv",
    "git",
    "since",
    "images_per_second",
    "device",
    "peak_memory",
    "check",  # of rows, whose times differ
    "at",  # of edits
)
# Of a setting that is compared itself, and may hold the hash of a file with its date.
HASHED = "config_sha256"
# Of files that hold times the digests differ.
DATED = (".keras", ".html", ".jsonl", "state.json", "edits.json")
UNEQUAL = (
    "tensorboard",
    "run.lock",
    "run.lock.json",
)  # event files carry the time; the lock is nobody's result


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th write event below a folder, and from then on where `lasting`.

    Attributes
    ----------
    kind : {"count", "kill", "error"}
        Only count; SIGKILL to oneself; OSError with `number`.
    at : int
        The event, from 1.
    number : int
        errno of the OSError.
    lasting : bool
        Whether all later writes fail too, as on a full disk; else only this one, as for a bad
        sector.
    """

    kind: str = "count"
    at: int = 0
    number: int = errno.ENOSPC
    lasting: bool = False


@dataclass
class Ended:
    """How a command line ended: exit code (negative: the signal), what it said, its write events
    and seconds.
    """

    code: int
    out: str
    err: str
    events: int
    seconds: float
    peak_mib: float


def warm_up(with_umap: bool = True) -> None:
    """Import what command lines need, and compile UMAP's functions; TensorFlow's runtime is not
    started.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "TF_ENABLE_ONEDNN_OPTS", "1"
    )  # as latentlab.backend sets it: the commands that run whole have it
    os.environ["NUMBA_THREADING_LAYER"] = (
        "workqueue"  # GNU OpenMP, where numba has used it once, ends every fork
    )
    import matplotlib.figure
    import seaborn
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.manifold
    import sklearn.mixture
    import tensorflow as tf

    tf.get_logger()
    import keras
    import numpy as np

    from latentlab import cli, pipeline  # noqa: F401
    from latentlab.nets import layers  # noqa: F401
    from latentlab.refinement import deep_clustering  # noqa: F401
    from latentlab.reporting import report, umap_map  # noqa: F401

    if with_umap:
        umap_map.lay_out(np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32), 0)
    del matplotlib, seaborn, sklearn, keras


def run_in_fork(
    arguments: list[str] | Callable[[], int],
    folder: Path,
    place: Path,
    fault: Fault | None = None,
    **how: Any,
) -> Ended:
    """Run one command line in a fork and return how it ended.

    Parameters
    ----------
    arguments : list of str or callable
        Of `latentlab`; or what is called instead, and returns the exit code.
    folder : Path
        Below it write events are counted.
    place : Path
        Where stdout, stderr and the count go.
    how : see `start_in_fork` and `wait_for`
    """
    after, number = how.pop("kill_after", None), how.pop("signal", signal.SIGKILL)
    process = start_in_fork(arguments, folder, place, fault or Fault(), **how)
    return wait_for(process, place, after, number)


def start_in_fork(
    arguments: list[str] | Callable[[], int],
    folder: Path,
    place: Path,
    fault: Fault,
    before: Callable[[], None] | None = None,
    memory: int | None = None,
) -> int:
    """Fork, run the command line there, and return the process number.

    Parameters
    ----------
    before : callable or None
        Called in the fork first.
    memory : int or None
        RLIMIT_AS in bytes.
    """
    place.mkdir(parents=True, exist_ok=True)
    (place / "events").write_bytes(bytes(8))
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if before is not None:
            before()
        _watch(str(folder), place / "events", fault)
        code = arguments() if callable(arguments) else _command_line(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass(frozen=True)
class Said:
    """What one of several command lines in a process said: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str


def commands_in_fork(lines: list[list[str]], place: Path, limit: int = 600) -> list[Said]:
    """Run command lines one after the other in one fork.

    Parameters
    ----------
    lines : list of list of str
        Arguments of `latentlab`.
    place : Path
        Where their output goes.
    limit : int
        Seconds after which the fork is killed.
    """
    place.mkdir(parents=True, exist_ok=True)
    for path in place.glob("*-*"):
        path.unlink()
    process = os.fork()
    if not process:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(limit)
            for number, line in enumerate(lines):
                for descriptor, name in ((1, "out"), (2, "err")):
                    file = os.open(place / f"{number}-{name}", os.O_WRONLY | os.O_CREAT)
                    os.dup2(file, descriptor)
                code = _guarded_command_line(line)
                sys.stdout.flush()
                sys.stderr.flush()
                (place / f"{number}-code").write_text(str(code))
        finally:
            os._exit(0)
    os.waitpid(process, 0)
    return [_said(place, number) for number in range(len(lines))]


def _guarded_command_line(line: list[str]) -> int:
    try:
        return _command_line(line)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 70


def _said(place: Path, number: int) -> Said:
    """Return what a command line said; -1 is the code of one that did not end."""
    texts = {}
    for name in ("code", "out", "err"):
        path = place / f"{number}-{name}"
        texts[name] = path.read_text(errors="replace") if path.exists() else ""
    return Said(int(texts["code"] or -1), texts["out"], texts["err"])


def wait_for(
    process: int,
    place: Path,
    kill_after: float | None = None,
    number: int = signal.SIGKILL,
    limit: float = 900,
) -> Ended:
    """Wait for a fork, send it a signal after some seconds where asked, and return how it ended."""
    started, sent = time.monotonic(), False
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            break
        passed = time.monotonic() - started
        if kill_after is not None and not sent and passed >= kill_after:
            os.kill(process, number)
            sent = True
        if passed > limit:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)
    events = int.from_bytes((place / "events").read_bytes()[:8], "little")
    text = {
        name: (place / name).read_text(errors="replace") if (place / name).exists() else ""
        for name in ("out", "err")
    }
    return Ended(
        os.waitstatus_to_exitcode(status),
        text["out"],
        text["err"],
        events,
        time.monotonic() - started,
        usage.ru_maxrss / 1024,
    )


def _command_line(arguments: list[str]) -> int:
    from latentlab.cli import main

    sys.argv = ["latentlab", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


def _watch(folder: str, counter: Path, fault: Fault) -> None:
    """Count write events below `folder` in a mapped file, which a kill leaves readable, and put the
    fault in.
    """
    import mmap

    with counter.open("r+b") as file:
        count = ctypes.c_uint64.from_buffer(mmap.mmap(file.fileno(), 8))

    def event(path: Any) -> None:
        if not str(path).startswith(folder) or "/tensorboard/" in str(path):
            return
        count.value += 1
        if (
            fault.kind == "count"
            or count.value < fault.at
            or (count.value > fault.at and not fault.lasting)
        ):
            return
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(fault.number, os.strerror(fault.number), str(path))

    def hook(name: str, arguments: tuple) -> None:
        if (
            name == "open"
            and isinstance(arguments[0], str | os.PathLike)
            and (arguments[2] or 0) & WRITING
        ):
            event(os.fspath(arguments[0]))
        elif name in ("os.rename", "os.mkdir") or (name == "os.remove" and fault.kind != "error"):
            event(arguments[0])

    fsync = os.fsync

    def watched(descriptor: Any) -> None:
        event(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    setattr(os, "fsync", watched)  # noqa: B010  # mypy knows one signature of it only
    sys.addaudithook(hook)


def contents(run: Path) -> dict[str, str]:
    """Return path -> fingerprint of everything in a run that has to be the same to the bit, times
    left out.
    """
    found = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and not name.removeprefix("run/").startswith(UNEQUAL):
            found[name] = _fingerprint(path)
    return found


def contents_of(path: Path) -> str:
    """Return a fingerprint of a file, or of all files below a folder; "" if there is nothing."""
    if path.is_dir():
        return sha256(json.dumps(contents(path)).encode()).hexdigest()
    return _fingerprint(path) if path.exists() else ""


def _fingerprint(path: Path) -> str:
    if path.suffix == ".keras":  # it holds the date, and addresses of objects
        with zipfile.ZipFile(path) as archive:
            content = re.sub(
                rb'"shared_object_id": \d+', b"", archive.read("config.json")
            ) + _weights(archive.read("model.weights.h5"))
    elif path.suffix == ".json":
        content = _canonical(_ranked(json.loads(path.read_text())))
    elif path.suffix == ".jsonl":
        rows = {
            (row.get("stage"), row.get("epoch", number)): row
            for number, row in enumerate(map(json.loads, path.read_text().splitlines()))
        }
        content = _canonical(list(rows.values()))
    elif path.suffix == ".html":
        content = _without_times(path.read_text()).encode()
    else:
        content = path.read_bytes()
    return sha256(content).hexdigest()


def _weights(content: bytes) -> bytes:
    """Return every number of an HDF5 file by name; the bytes between them are arbitrary."""
    import h5py

    found: list[bytes] = []

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(name.encode() + str(item.dtype).encode() + item[()].tobytes())

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(keep)
    return b"".join(sorted(found))


def _canonical(value: Any) -> bytes:
    return json.dumps(_untimed(value), sort_keys=True).encode()


def _ranked(value: Any) -> Any:
    """Number a manifest's stages from 1 in their order: a report that was done twice is still the
    last.
    """
    if isinstance(value, dict) and isinstance(value.get("stages"), dict):
        value.pop("sha256", None)
        # Event files have the time in their names.
        files = value.get("files", [])
        value["files"] = [each for each in files if not each["path"].startswith("tensorboard")]
        stages = value["stages"]
        for rank, name in enumerate(
            sorted(stages, key=lambda name: stages[name].get("order", 0)), 1
        ):
            stages[name]["order"] = rank
    return value


def _untimed(value: Any) -> Any:
    """Leave out times, and the recorded hashes of files that hold the date, or a row twice where a
    kill came after the row.
    """
    if isinstance(value, dict):
        dated = str(value.get("path", "")).endswith(DATED)
        return {
            key: _untimed(item)
            for key, item in value.items()
            if key not in (*TIMED, HASHED, "state_sha256")
            and not (dated and key in ("sha256", "bytes"))
        }
    return [_untimed(item) for item in value] if isinstance(value, list) else value


def _without_times(page: str) -> str:
    """Return a report without what differs each time: seconds, dates, the commit.

    The stages whose seconds are told stand in the order in which they were done last.
    """
    page = re.sub(r">time</th><td>[^<]*<", "><", page)
    page = re.sub(r"\d+\.\d+ s\b|\d{4}-\d\d-\d\dT[\d:.+]*", "", page)
    return re.sub(r"\b\d+ images/s|commit [0-9a-f]{12}( with changes)?", "", page)


def broken_files(run: Path) -> list[str]:
    """Return the files under their final names that are not whole; temporary ones, which nobody
    reads, are not looked at.
    """
    return [
        path.relative_to(run).as_posix()
        for path in sorted(run.rglob("*"))
        if path.is_file() and not _is_temporary(path, run) and _is_broken(path)
    ]


def _is_temporary(path: Path, run: Path) -> bool:
    return any(part.startswith(".tmp-") for part in path.relative_to(run).parts)


def _is_broken(path: Path) -> bool:
    try:
        content = path.read_bytes()
        if path.suffix in (".npz", ".keras"):
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is not None
        if (
            path.suffix == ".json" and path.name != "run.lock.json"
        ):  # it only says who holds the lock
            json.loads(content)
        if path.suffix == ".jsonl":
            [
                json.loads(line) for line in content.split(b"\n")[:-1]
            ]  # a last line without its end is cut off by the next writer
        if path.suffix == ".parquet":
            return (
                content[:4] != b"PAR1"
                or content[-4:] != b"PAR1"
                or len(content) < 12 + int.from_bytes(content[-8:-4], "little")
            )
        if path.suffix == ".png":
            return not content.endswith(b"IEND\xaeB`\x82")
        if path.suffix == ".html":
            return not content.rstrip().endswith(b"</html>")
    except (OSError, ValueError, zipfile.BadZipFile):
        return True
    return False
