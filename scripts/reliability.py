"""Kill, starve and crowd small runs in every stage, and see whether they end as an undisturbed run
does.

    python scripts/reliability.py kills | further --work DIR [--count 200] [--minutes M]
    python scripts/reliability.py signals | disk | tmpfs | locks | clock | memory | twice --work DIR
    ... python scripts/reliability.py report --work DIR --out reports/reliability --machine "two
    cores"

Every trial is a line of DIR/<what>.jsonl, drawn from its number, so that a repeated command goes
on. The runs are small: 80 images of 16x16 pixels, a network of 4 channels, one command a stage.
What is compared is said in scripts/_faults.py.
"""

import argparse
import contextlib
import errno
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _faults import (
    Ended,
    Fault,
    broken_files,
    contents,
    run_in_fork,
    start_in_fork,
    wait_for,
    warm_up,
)

SEED = 0
FIT = (
    "--epochs",
    "3",
    "--batch-size",
    "20",
    "--validation",
    "0.1",
    "--set",
    "width=4",
    "--set",
    "code_channels=4",
)
DEEP = (
    "--method",
    "dcec",
    "--set",
    "interval=3",
    "--set",
    "max_steps=12",
    "--set",
    "batch_size=20",
    "--set",
    "tolerance=0.0",
)
STAGES: dict[str, tuple[str, ...]] = {
    "fit": ("fit", "--data", "{data}", *FIT),
    "embed": ("embed",),
    "cluster": ("cluster", "--k", "4", "--features", "pool2+whiten+l2"),
    "refine": ("cluster", "--k", "4", *DEEP),
    "evaluate": ("evaluate",),
    "report": ("report", "--sample", "40"),
}
# Kills in these are `further`: exports, comparisons and imports write beside the run.
FURTHER: dict[str, tuple[str, ...]] = {
    "fit": STAGES["fit"],
    "cluster": ("cluster", "--k", "4"),
    "second": ("cluster", "--k", "3"),
    "audit": ("audit", "--name", "kmeans-k4"),
    "choose-k": ("choose-k", "--ks", "2:5"),
    "view": (),  # edits by hand, see `edit_by_hand`
    "export": ("export", "--name", "kmeans-k4", "--out", "{out}/edited.csv"),
    "folders": ("export", "--name", "kmeans-k4", "--format", "folders", "--out", "{out}/folders"),
    "compare": ("compare", "{run}:kmeans-k4", "{run}:kmeans-k3", "--out", "{out}/comparison"),
    "import": ("import", "--embeddings", "{vectors}", "--run", "{out}/imported"),
}
KILLED_FURTHER = ("audit", "choose-k", "view", "export", "folders", "compare", "import")
WITHOUT_RUN = ("compare", "import")  # they name their runs themselves
WEIGHTS = {
    "fit": 2,
    "embed": 8,
    "cluster": 8,
    "refine": 2,
    "evaluate": 3,
    "report": 0.3,
}  # cheap stages more often
EXIT_CODES = {0, 1, 2, 3, 4, 5, 6, 7, 130, 143}


class Bench:
    """The undisturbed run: a copy of it before each stage, what it holds after each, and how long
    and often it writes.
    """

    def __init__(self, work: Path, lines: dict[str, tuple[str, ...]] = STAGES) -> None:
        self.work = work
        self.lines = lines
        # Always the same paths, since messages and settings name them.
        self.live = work / "live"
        self.run = self.live / "run"
        self.out = self.live / "out"
        self.facts: dict[str, Any] = {}

    def prepare(self, stages: Iterable[str] = STAGES) -> None:
        """Make the undisturbed run up to the last of `stages`, or read what an earlier call has
        kept.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / "stripes.npz").exists():
            arrays: dict[str, Any] = stripes()
            np.savez(self.work / "stripes.npz", **arrays)
            pixels = np.concatenate([arrays["x_train"], arrays["x_test"]])
            np.save(self.work / "vectors.npy", pixels.reshape(80, -1)[:, ::12].astype(np.float32))
        kept = self.work / "reference.json"
        if kept.exists():
            self.facts = json.loads(kept.read_text())
            return
        shutil.rmtree(self.live, ignore_errors=True)
        self.out.mkdir(parents=True)
        for stage in stages:
            shutil.rmtree(self.before(stage), ignore_errors=True)
            shutil.copytree(self.live, self.before(stage))
            ended = self.command(stage)
            if ended.code:
                raise SystemExit(f"the undisturbed {stage} failed: {ended.err}")
            self.facts[stage] = {
                "events": ended.events,
                "seconds": ended.seconds,
                "contents": contents(self.live),
            }
            self.reset(stage)  # once more, to count those events at which an error can be put
            self.facts[stage]["refusable"] = self.command(stage, Fault("error")).events
            print(f"{stage}: {ended.events} write events, {ended.seconds:.1f} s", flush=True)
        kept.write_text(json.dumps(self.facts))

    def before(self, stage: str) -> Path:
        """Return the folder that holds the run as it is before a stage."""
        return self.work / "before" / stage

    def reset(self, stage: str) -> None:
        """Put the run back to where it is before a stage."""
        shutil.rmtree(self.live, ignore_errors=True)
        shutil.copytree(self.before(stage), self.live)

    def arguments(self, stage: str) -> list[str]:
        """Return the command line of a stage."""
        places = {"data": self.work / "stripes.npz", "vectors": self.work / "vectors.npy"}
        places |= {"run": self.run, "out": self.out}
        words = [word.format(**places) for word in self.lines[stage]]
        run = [] if stage in WITHOUT_RUN else ["--run", str(self.run)]
        return ["-q", "--deterministic", *words, *run]

    def command(self, stage: str, fault: Fault | None = None, **how: Any) -> Ended:
        """Run a stage's command line."""
        work = (lambda: edit_by_hand(self.run)) if stage == "view" else self.arguments(stage)
        return run_in_fork(work, self.live, self.work / "said", fault, **how)

    def differences(self, stage: str) -> list[str]:
        """Return the files in which the run differs from the undisturbed one after a stage."""
        wanted, found = self.facts[stage]["contents"], contents(self.live)
        return sorted(
            name for name in set(wanted) | set(found) if wanted.get(name) != found.get(name)
        )

    def resume(self, stage: str) -> dict[str, Any]:
        """Repeat the stage's command, and return how it ended and what differs."""
        ended = self.command(stage)
        different = self.differences(stage) if not ended.code else ["(failed)"]
        return {
            "resumed_code": ended.code,
            "different": different,
            "equal": not different,
            "said": _last(ended.err) if ended.code else "",
        }


def edit_by_hand(run: Path) -> int:
    """Make those of some edits that are not made yet, as the viewer does; return the exit code."""
    from latentlab.reporting.edits import Drop, Edit, Editor, Merge, Name
    from latentlab.storage.run import Run

    edits: list[Edit] = [Name(0, "a"), Merge([1, 2]), Name(3, "b"), Drop([3]), Name(1, "c")]
    editor = Editor(Run.open(run).clustering("kmeans-k4"))
    while len(editor.read().edits) < len(edits):
        editor.add(edits[len(editor.read().edits)])
    return 0


def stripes() -> dict[str, np.ndarray]:
    """Return 80 images of four kinds of stripes, 60 training and 20 held-out, and their kinds."""
    rng = np.random.default_rng(SEED)
    kinds = rng.integers(0, 4, 80)
    waves = np.sin(np.arange(16) * 0.8 + rng.uniform(0, 0.5, (80, 1))) > 0  # (80, 16)
    pattern = np.where(
        (kinds % 2 == 1)[:, None, None], waves[:, :, None], waves[:, None, :]
    ) * np.ones((80, 16, 16))
    colours = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [220, 220, 40]])[kinds]
    images = (
        (pattern[..., None] * colours[:, None, None] + rng.normal(0, 8, (80, 16, 16, 3)))
        .clip(0, 255)
        .astype(np.uint8)
    )
    return {
        "x_train": images[:60],
        "y_train": kinds[:60],
        "x_test": images[60:],
        "y_test": kinds[60:],
    }


def kill(bench: Bench, number: int) -> dict[str, Any]:
    """Kill one stage at a random moment, or at a random write event, and its resumptions too, up to
    twelve times in a row.
    """
    rng = random.Random(f"{SEED}-{number}")
    stages = list(bench.facts)
    stage = rng.choices(stages, [WEIGHTS[one] for one in stages])[0]
    return kill_in(bench, stage, rng)


def kill_further(bench: Bench, number: int) -> dict[str, Any]:
    """Kill one of those commands that come after the clusters, as `kill` does."""
    rng = random.Random(f"{SEED}-further-{number}")
    return kill_in(bench, KILLED_FURTHER[number % len(KILLED_FURTHER)], rng)


def kill_in(bench: Bench, stage: str, rng: random.Random) -> dict[str, Any]:
    """Kill a stage and its resumptions, resume it, and say what came of it."""
    bench.reset(stage)
    kills, broken, ways = 0, list[str](), list[str]()
    for _ in range(rng.randint(1, 12)):
        if rng.random() < 0.6:
            how = "write event"
            ended = bench.command(
                stage, Fault("kill", 1 + int(rng.random() ** 2 * bench.facts[stage]["events"]))
            )
        else:
            how = "moment"
            ended = bench.command(
                stage, kill_after=rng.uniform(0.02, 0.8) * bench.facts[stage]["seconds"]
            )
        broken += broken_files(bench.live)
        if ended.code != -signal.SIGKILL:  # it was done before the kill came
            break
        kills += 1
        ways.append(how)
    return {"stage": stage, "how": ways, "kills": kills, "broken": broken, **bench.resume(stage)}


def interrupt(bench: Bench, number: int) -> dict[str, Any]:
    """Send SIGINT or SIGTERM at a random moment of a stage."""
    rng = random.Random(f"{SEED}-signal-{number}")
    stage, one = (
        rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0],
        rng.choice([signal.SIGINT, signal.SIGTERM]),
    )
    bench.reset(stage)
    ended = bench.command(
        stage, kill_after=rng.uniform(0.1, 0.9) * bench.facts[stage]["seconds"], signal=one
    )
    clean = (
        ended.code in (0, 128 + one)
        and "Traceback" not in ended.err
        and (ended.code == 0 or "resumes" in ended.err)
    )
    return {
        "stage": stage,
        "signal": one.name,
        "code": ended.code,
        "clean": clean,
        "error": "" if clean else ended.err[-500:],
        "broken": broken_files(bench.run),
        **bench.resume(stage),
    }


def refuse(bench: Bench, number: int) -> dict[str, Any]:
    """Let one write event of a stage fail: on a disk that stays full (ENOSPC), or once (EIO)."""
    plan = [
        (stage, at, kind)
        for stage in STAGES
        for at in range(1, bench.facts[stage]["refusable"] + 1)
        for kind in ("ENOSPC", "EIO")
    ]
    random.Random(SEED).shuffle(plan)
    if number >= len(plan):
        raise StopIteration
    stage, at, kind = plan[number]
    bench.reset(stage)
    ended = bench.command(stage, Fault("error", at, getattr(errno, kind), lasting=kind == "ENOSPC"))
    return {
        "stage": stage,
        "event": at,
        "of": len(plan),
        "kind": kind,
        **_refused(ended),
        "broken": broken_files(bench.run),
        **bench.resume(stage),
    }


def _refused(ended: Ended) -> dict[str, Any]:
    """Return whether a command that could not write said so in one line, with the code for it; or
    did without that write.
    """
    lines = [line for line in ended.err.splitlines() if line.strip()]
    one_line = ended.code == 4 and len(lines) == 1 and lines[0].startswith("error: cannot write")
    return {
        "code": ended.code,
        "clear": one_line or ended.code == 0,
        "error": "" if one_line or not ended.code else ended.err[-800:],
    }


def fill(bench: Bench, number: int) -> dict[str, Any]:
    """Run a stage on a real file system (tmpfs) with so few kilobytes left, then give it room and
    resume. Needs root.
    """
    rng = random.Random(f"{SEED}-tmpfs-{number}")
    stage = list(STAGES)[number % len(STAGES)]
    shutil.rmtree(bench.live, ignore_errors=True)
    bench.run.mkdir(parents=True)
    with _tmpfs(bench.run):
        before = bench.before(stage) / "run"
        if before.exists():
            shutil.copytree(before, bench.run, dirs_exist_ok=True)
        place = os.statvfs(bench.run)
        needed = 600 << 10 if stage != "report" else 3 << 20
        room = rng.randrange(0, needed, place.f_bsize)
        ballast = bench.run / "run.lock-ballast"
        with ballast.open("wb") as file:
            file.write(bytes(max(0, place.f_bavail * place.f_bsize - room)))
        ended = bench.command(stage)
        broken = broken_files(bench.run)
        ballast.unlink()
        return {
            "stage": stage,
            "room": room,
            **_refused(ended),
            "broken": broken,
            **bench.resume(stage),
        }


@contextlib.contextmanager
def _tmpfs(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def crowd(bench: Bench, number: int) -> dict[str, Any]:
    """Start the same stage twice at once: exactly one proceeds, or the later one finds it done."""
    stage = list(STAGES)[number % (len(STAGES) - 1)]
    bench.reset(stage)
    places = [bench.work / f"said-{i}" for i in range(2)]
    processes = [
        start_in_fork(bench.arguments(stage), bench.live, place, Fault()) for place in places
    ]
    ended = [wait_for(process, place) for process, place in zip(processes, places, strict=True)]
    refused = [
        one
        for one in ended
        if one.code == 4 and "in use by another process" in one.err and one.err.count("\n") == 1
    ]
    done = [one for one in ended if one.code == 0]
    return {
        "stage": stage,
        "codes": sorted(one.code for one in ended),
        "one_line": len(done) + len(refused) == 2 and len(done) >= 1,
        "refused": len(refused),
        "errors": [one.err[-300:] for one in ended if one.code not in (0, 4)],
        **bench.resume(stage),
    }


def jump(bench: Bench, number: int) -> dict[str, Any]:
    """Run a stage with a clock that jumps forward and back by up to a year at every look."""
    stage = list(STAGES)[number % len(STAGES)]
    bench.reset(stage)
    ended = bench.command(stage, before=lambda: _jumping_clock(number))
    different = bench.differences(stage) if not ended.code else ["(failed)"]
    return {
        "stage": stage,
        "code": ended.code,
        "error": ended.err[-500:],
        "different": different,
        "equal": not different,
    }


def _jumping_clock(number: int) -> None:
    import datetime as module

    rng, real = random.Random(number), time.time
    time.time = lambda: real() + rng.uniform(-3e7, 3e7)

    class Jumping(module.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

    module.datetime = Jumping  # type: ignore[misc]


def starve(bench: Bench, number: int) -> dict[str, Any]:
    """Limit the address space (RLIMIT_AS) to what the process has and a few MiB more."""
    rng = random.Random(f"{SEED}-memory-{number}")
    stage = list(STAGES)[number % len(STAGES)]
    bench.reset(stage)
    have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    room = int(2 ** rng.uniform(0, 11))
    ended = bench.command(stage, memory=have + (room << 20))
    lines = [line for line in ended.err.splitlines() if line.strip()]
    return {
        "stage": stage,
        "room_mib": room,
        "code": ended.code,
        "documented": ended.code in EXIT_CODES,
        "one_line": ended.code == 0 or (len(lines) == 1 and lines[0].startswith("error: ")),
        "said": _last(ended.err),
        "broken": broken_files(bench.run),
        **bench.resume(stage),
    }


def twice(bench: Bench, number: int) -> dict[str, Any]:
    """Run the whole line again from nothing: weights, codes and assignments have to be the same
    bits.
    """
    bench.reset("fit")
    different = {}
    for stage in STAGES:
        ended = bench.command(stage)
        different[stage] = bench.differences(stage) if not ended.code else ["(failed)"]
    return {"different": different, "equal": not any(different.values())}


def _last(text: str) -> str:
    return next(reversed([line for line in text.splitlines() if line.strip()]), "")[:300]


WHAT: dict[str, tuple[Callable[[Bench, int], dict[str, Any]], int]] = {
    "kills": (kill, 200),
    "further": (kill_further, 200),
    "signals": (interrupt, 40),
    "disk": (refuse, 10_000),
    "tmpfs": (fill, 36),
    "locks": (crowd, 10),
    "clock": (jump, 6),
    "memory": (starve, 36),
    "twice": (twice, 2),
}


def rows_of(work: Path, what: str) -> list[dict[str, Any]]:
    """Return the finished trials of one kind."""
    path = work / f"{what}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def go(what: str, work: Path, count: int | None, minutes: float, stages: list[str]) -> None:
    """Make trials until there are `count` of them, or time is up."""
    trial, default = WHAT[what]
    wanted, end = count or default, time.monotonic() + 60 * minutes
    lines = FURTHER if what == "further" else STAGES
    if what == "further":
        stages = list(FURTHER)
    warm_up(with_umap="report" in stages)
    bench = Bench(work, lines)
    bench.prepare(stages)
    done = rows_of(work, what)
    numbers = (
        number for number in itertools.count() if number not in {row["number"] for row in done}
    )
    measure = (
        (lambda rows: sum(row["kills"] for row in rows)) if what in ("kills", "further") else len
    )
    while measure(done) < wanted and time.monotonic() < end:
        started, number = time.monotonic(), next(numbers)
        try:
            row = trial(bench, number)
        except StopIteration:
            break
        row |= {"number": number, "seconds": round(time.monotonic() - started, 1)}
        with (work / f"{what}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        done.append(row)
        bad = {
            key: value
            for key, value in row.items()
            if key in ("equal", "clear", "clean", "one_line", "documented") and not value
        }
        print(
            f"{what} {len(done)}: {row.get('stage', '')} {row['seconds']}"
            f" s{f'  BAD {bad}' if bad or row.get('broken') else ''}",
            flush=True,
        )


def main() -> None:
    """Run one kind of trials."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*WHAT])
    parser.add_argument("--work", type=Path, required=True, help="Folder for runs and trials.")
    parser.add_argument("--count", type=int, help="Trials, or kills, in total.")
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="Begin no new trial after so many minutes."
    )
    parser.add_argument(
        "--upto", choices=[*STAGES], default="report", help="The last stage; with kills only."
    )
    chosen = parser.parse_args()
    go(
        chosen.what,
        chosen.work.resolve(),
        chosen.count,
        chosen.minutes,
        list(STAGES)[: list(STAGES).index(chosen.upto) + 1],
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
