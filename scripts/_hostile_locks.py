"""Hostile surroundings of scripts/hostile_inputs.py: file systems without locks, and two at once.

Where a file system refuses locks, a run is held all the same or refused in one line. Two processes
that change one run at once both succeed in turn, or one of them ends with one line; nothing that
was said to be done is lost.
"""

import errno
import fcntl
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from _hostile_edits import CLUSTERS, clustered, opened, template, wrong_in
from _hostile_files import Case

from latentlab.errors import LatentlabError, RunError
from latentlab.reporting.edits import Name
from latentlab.storage.run import Run

WITHOUT_LOCKS = "no locks"
AT_ONCE = "two at once"
REFUSALS = ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL", "EPERM", "EIO", "EBADF")
ROUNDS = 12


def file_systems(rng: random.Random) -> Iterator[Case]:
    """Yield file systems that answer a lock with an error."""
    template()

    def case(name: str, change: Callable[[Run], object]) -> Callable[[Path], str]:
        def run(folder: Path) -> str:
            run = clustered(folder)

            def refuse(descriptor: int, operation: int) -> None:
                if operation != fcntl.LOCK_UN:
                    raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

            locking = fcntl.flock
            fcntl.flock = refuse  # type: ignore[assignment]
            try:
                change(run)
            finally:
                fcntl.flock = locking
            change(run)  # what was left must not be in the way
            return wrong_in(opened(run).state())

        return run

    changes: dict[str, Callable[[Run], object]] = {
        "a note": lambda run: Run.open(run.path).note(answer=1),
        "an edit": lambda run: opened(run).add(Name(0, "cats")),
        "a stage": lambda run: Run.open(run.path).do_stage("probe/code", {}, list),
    }
    for name in REFUSALS:
        for what, change in changes.items():
            yield Case(WITHOUT_LOCKS, f"{name}: {what}", case(name, change))


def pairs(rng: random.Random) -> Iterator[Case]:
    """Yield pairs of processes that change the same run at once."""
    template()
    works: dict[str, Callable[[Path, int], int]] = {
        "edits": _edit,
        "notes": _note,
        "stages": _do_stages,
        "openings": _open,
    }
    names = list(works)
    for number in range(40):
        first, second = names[number % 4], names[number // 4 % 4]
        is_killed = number % 5 == 4
        label = f"{number}: {first} and {second}{', one killed' if is_killed else ''}"
        yield Case(AT_ONCE, label, _pair(works[first], works[second], is_killed, number))


def _pair(
    first: Callable[[Path, int], int], second: Callable[[Path, int], int], kill: bool, seed: int
) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        run = clustered(folder)
        workers = [_start(work, run.path, side) for side, work in enumerate((first, second))]
        if kill:
            time.sleep(random.Random(seed).uniform(0.01, 0.2))
            os.kill(workers[0], signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
        wrong = [code for code in codes if code != 0 and not (kill and code == -signal.SIGKILL)]
        if wrong:
            return f"processes ended with {codes}"
        return _check(run, folder, kill)

    return run


def _start(work: Callable[[Path, int], int], run: Path, side: int) -> int:
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        done = work(run, side)
        (run.parent / f"done-{side}").write_text(f"{work.__name__} {done}")
        code = 0
    finally:
        os._exit(code)


def _check(run: Run, folder: Path, kill: bool) -> str:
    """Return what is missing of that which the processes say they have done."""
    reopened = Run.open(run.path)
    counts = {"_edit": 0, "_note": 0, "_do_stages": 0, "_open": 0}
    for path in folder.glob("done-*"):
        name, done = path.read_text().split()
        counts[name] += int(done)
    edits = opened(run).read().edits
    noted = [name for name in json.loads((run.path / "run.json").read_text()) if "note-" in name]
    stages = [name for name in reopened.stage_names() if name.startswith("probe/")]
    found = {"_edit": len(edits), "_note": len(noted), "_do_stages": len(stages)}
    for name, count in found.items():
        if count < counts[name] or (count > counts[name] and not kill):
            return f"{name}: {count} of {counts[name]} are there"
    return wrong_in(opened(run).state())


def _tried(change: Callable[[], object]) -> int:
    """Return 1 if a change is made, 0 if the run is in use meanwhile."""
    try:
        change()
    except LatentlabError as error:
        if not isinstance(error, RunError) or "in use" not in str(error):
            raise
        time.sleep(0.002)
        return 0
    return 1


def _edit(run: Path, side: int) -> int:
    def change(number: int) -> None:
        editor = opened(Run.open(run))
        editor.add(Name(side, f"name {number}"))

    return sum(_tried(lambda number=number: change(number)) for number in range(ROUNDS))  # type: ignore[misc]


def _note(run: Path, side: int) -> int:
    def change(number: int) -> None:
        opened_run = Run.open(run)
        with opened_run.lock():
            opened_run.note(**{f"note-{side}-{number}": number})

    return sum(_tried(lambda number=number: change(number)) for number in range(ROUNDS))  # type: ignore[misc]


def _do_stages(run: Path, side: int) -> int:
    def change(number: int) -> None:
        path = run / "probe" / f"{side}-{number}.json"

        def make() -> list[Path]:
            from latentlab.storage.files import write_json

            write_json(path, {"number": number})
            return [path]

        Run.open(run).do_stage(f"probe/{side}-{number}", {"number": number}, make)

    return sum(_tried(lambda number=number: change(number)) for number in range(ROUNDS))  # type: ignore[misc]


def _open(run: Path, side: int) -> int:
    """Read the run again and again, while the other one writes; return how often."""
    for _ in range(4 * ROUNDS):
        opened_run = Run.open(run)
        wrong = wrong_in(opened(opened_run).state())
        if wrong or opened_run.clustering(CLUSTERS).result.k != 3:
            raise ValueError(wrong or "another number of clusters")
    return 4 * ROUNDS


ALL = (file_systems, pairs)
