"""Hand thousands of broken and hostile inputs to every reader, and count what goes wrong.

    python scripts/hostile_inputs.py --work DIR [--seed 0] [--only FAMILY] [--every N]

An input is refused by one line (LatentlabError), or accepted with a result that is checked.
Everything else is a fault: another exception, a crash of the process, more than 20 seconds of
processor time, a wrong result, a file outside the input's own folder. Inputs are made from the
seed; DIR/hostile.jsonl gets a line for each, and a repeated command goes on.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import _memory_of_case
from _hostile_archive_links import ALL as ARCHIVE_LINKS
from _hostile_containers import ALL as CONTAINERS
from _hostile_edits import ALL as EDITS
from _hostile_environment import ALL as ENVIRONMENTS
from _hostile_files import ALL as FILES
from _hostile_files import Case
from _hostile_keras import ALL as KERAS
from _hostile_labels import ALL as LABELS
from _hostile_links import ALL as LINKS
from _hostile_locks import ALL as LOCKS
from _hostile_markup import ALL as MARKUP
from _hostile_plugins import ALL as PLUGINS
from _hostile_requests import ALL as REQUESTS
from _hostile_runs import ALL as RUNS
from _hostile_vectors import ALL as VECTORS

from latentlab.errors import LatentlabError
from latentlab.private_folders import private_folder

LIMIT = 20.0  # seconds of processor time
BATCH = 40  # inputs a process: a crash ends no more than these
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class HangError(BaseException):
    """An input took longer than `LIMIT`."""


def cases(seed: int) -> Iterator[Case]:
    """Yield all inputs of a seed, in order."""
    families = (FILES, CONTAINERS, RUNS, REQUESTS, LINKS, PLUGINS, ENVIRONMENTS, MARKUP)
    budgets = (LABELS, VECTORS, ARCHIVE_LINKS, KERAS)
    for make in itertools.chain(*families, EDITS, LOCKS, *budgets):
        yield from make(random.Random(f"{seed}-{make.__name__}"))


def judge(case: Case, folder: Path) -> dict[str, Any]:
    """Run one input in its own empty folder and say what came of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    place, started = os.getcwd(), time.process_time()
    os.chdir(folder)
    signal.signal(signal.SIGPROF, _hang)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    outcome, said = "accepted", ""
    _memory_of_case.begin()
    try:
        wrong = case.run(folder)
        if wrong:
            outcome, said = "wrong", str(wrong)
    except LatentlabError as error:
        outcome, said = "refused", " ".join(str(error).split())
    except HangError:
        outcome = "hang"
    except BaseException as error:
        outcome, said = "traceback", "".join(traceback.format_exception(error))[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.chdir(place)
    seconds = time.process_time() - started
    evil = [
        str(path) for path in (folder, folder.parent, Path("/tmp")) for path in path.glob("evil*")
    ]
    row = {
        "family": case.family,
        "name": case.name,
        "outcome": outcome,
        "said": said,
        "seconds": round(seconds, 3),
        "above_mib": _memory_of_case.above(),
    }
    return row | {"outside": sorted(set(_written_outside) | set(evil))}


def _hang(number: int, frame: Any) -> None:
    raise HangError


_written_outside: set[str] = set()


def _watch(folder: Path) -> None:
    """Note every file that is opened for writing, made or renamed outside `folder`; devices are not
    files.
    """
    inside = str(folder)
    compiled = str(private_folder("numba"))  # our own, where compiled functions are kept

    def hook(name: str, arguments: tuple) -> None:
        is_write = (
            name == "open"
            and isinstance(arguments[0], str | os.PathLike)
            and (arguments[2] or 0) & WRITING
        )
        if is_write or name in (
            "os.rename",
            "os.mkdir",
            "os.symlink",
            "os.link",
            "subprocess.Popen",
            "os.system",
            "os.exec",
            "socket.connect",
        ):
            written = arguments[1] if name in ("os.symlink", "os.link") else arguments[0]
            named = isinstance(written, str | bytes | os.PathLike) and not name.startswith(
                ("subprocess", "os.system", "os.exec")
            )
            path = os.path.abspath(os.fsdecode(written)) if named else f"{name} {arguments}"
            # Python's own platform module asks for uname; cases of surroundings start Python.
            is_ours = (
                path.startswith((inside, compiled, "/dev/", "/proc/self/clear_refs"))
                or "__pycache__" in path
                or "'uname'" in path
                or (name == "subprocess.Popen" and arguments[0] == sys.executable)
            )
            if not is_ours:
                _written_outside.add(path)

    sys.addaudithook(hook)


def run_batch(batch: list[Case], work: Path, target: Path) -> None:
    """Judge inputs in a fork, a line of `target` each; where the fork crashes, the input at work is
    noted.
    """
    process = os.fork()
    if not process:
        code = 1
        try:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            _watch(work / "inputs")
            for case in batch:
                _append(target, {"begun": case.name})
                _written_outside.clear()
                _append(target, judge(case, work / "inputs" / "one"))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        rows = [json.loads(line) for line in target.read_text().splitlines()]
        if "begun" in rows[-1]:
            case = next(one for one in batch if one.name == rows[-1]["begun"])
            row = {
                "family": case.family,
                "name": case.name,
                "outcome": "crash",
                "said": f"status {status}",
                "seconds": 0,
                "above_mib": 0,
                "outside": [],
            }
            _append(target, row)


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def finished(target: Path) -> list[dict[str, Any]]:
    """Return the rows of inputs that were judged."""
    return (
        [
            row
            for line in target.read_text().splitlines()
            if "begun" not in (row := json.loads(line))
        ]
        if target.exists()
        else []
    )


def main() -> None:
    """Judge all inputs and print the counts; exit code 1 where there is a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="One family of inputs.")
    parser.add_argument("--every", type=int, default=1, help="Every N-th input only.")
    parser.add_argument("--minutes", type=float, default=1e6)
    chosen = parser.parse_args()
    work = chosen.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    target = work / "hostile.jsonl"
    done, end = (
        {(row["family"], row["name"]) for row in finished(target)},
        time.monotonic() + 60 * chosen.minutes,
    )
    batch: list[Case] = []
    for number, case in enumerate(cases(chosen.seed)):
        if (
            (chosen.only in (None, case.family))
            and number % chosen.every == 0
            and (case.family, case.name) not in done
        ):
            batch.append(case)
        if len(batch) == BATCH and time.monotonic() < end:
            run_batch(batch, work, target)
            batch = []
    if time.monotonic() < end:
        run_batch(batch, work, target)
    sys.exit(report(finished(target)))


def report(rows: list[dict[str, Any]]) -> int:
    """Print the counts by family, and every fault; return how many faults there are, at most 1."""
    outcomes = ("accepted", "refused", "wrong", "traceback", "hang", "crash")
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == family]
        counts = {outcome: sum(row["outcome"] == outcome for row in own) for outcome in outcomes}
        print(
            f"{family:<12} {len(own):>5}  {counts}  {max(row['seconds'] for row in own):.1f}"
            f" s  {max(row['above_mib'] for row in own)} MiB"
        )
    faults = [
        row for row in rows if row["outcome"] not in ("accepted", "refused") or row["outside"]
    ]
    for row in faults:
        print(
            f"FAULT {row['family']} / {row['name']}: {row['outcome']} {row['said'][-300:]}"
            f" {row['outside']}"
        )
    print(
        f"{len(rows)} inputs, {len(faults)} faults, digest"
        f" {hashlib.sha256(str([row['name'] for row in rows]).encode()).hexdigest()[:12]}"
    )
    return min(len(faults), 1)


if __name__ == "__main__":
    main()
