"""Damage each file of a finished run in turn, and see whether a command takes it for whole.

    python scripts/damage_runs.py --work DIR [--every N] [--minutes M]

Each file is deleted, cut to its half, cut by its last byte, filled with zeros, and changed by one
bit near its beginning, in its middle and near its end. Several commands then run in one process on
a copy of the run. A command passes if it gives what it gives without the damage, or ends with one
line; `verify` has to name the file. Everything else is a fault: another result without a word, a
traceback, a line that speaks of a bug. DIR/damage.jsonl gets a line for each trial, and a repeated
command goes on. The run is the one of scripts/reliability.py, with more stages and edits by hand.
"""

import argparse
import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _faults import Said, commands_in_fork, contents_of, warm_up
from reliability import DEEP, FIT, stripes

SEED = 0
CLUSTERS = ("kmeans-k4", "mine")
MAKING = (
    ("fit", "--data", "{data}", *FIT),
    ("cluster", "--k", "4"),
    ("cluster", "--k", "3", "--seeds", "2"),
    ("cluster", "--k", "4", "--name", "mine", *DEEP),
    ("score-by-k", "--ks", "2:4"),
    ("probe",),
    ("evaluate",),
    ("audit",),
    ("report", "--sample", "40"),
)
# Not compared: the lock is nobody's result, and what holds no content cannot be damaged.
LEFT_OUT = ("run.lock", "run.lock.json")


@dataclass(frozen=True)
class Command:
    """A command that reads a run.

    Attributes
    ----------
    words : tuple of str
        Its words; {run}, {data} and {out} stand for paths.
    result : str
        What of {out} or of the run is compared; "" compares what it prints.
    """

    words: tuple[str, ...]
    result: str = ""


COMMANDS = {
    "export": Command(
        ("export", "--run", "{run}", "--name", "mine", "--out", "{out}/e.csv"), "e.csv"
    ),
    "compare": Command(
        ("compare", "{run}:kmeans-k4", "{run}:mine", "--out", "{out}/c"), "c/comparison.json"
    ),
    "predict": Command(
        (
            "predict",
            "--run",
            "{run}",
            "--name",
            "mine",
            "--data",
            "{data}",
            "--out",
            "{out}/p.parquet",
        ),
        "p.parquet",
    ),
    "verify": Command(("verify", "{run}", "--json")),
    "evaluate": Command(("evaluate", "--run", "{run}", "--name", "mine", "--json")),
    "report": Command(
        ("report", "--run", "{run}", "--name", "mine", "--sample", "40"), "run/report"
    ),
}


class Bench:
    """The undamaged run, and what the commands make of it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.run = work / "run"
        self.whole = work / "whole"
        self.out = work / "out"
        self.data = work / "stripes.npz"
        self.results: dict[str, str] = {}

    def prepare(self) -> None:
        """Make the run, or take the one of an earlier call."""
        if not self.data.exists():
            self.work.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = stripes()
            np.savez(self.data, **arrays)
        if not self.whole.exists():
            self._make()
        # Twice: what a first report makes is there at the second.
        self.reset()
        self.say()
        self.results = {name: self.result(name, said) for name, said in self.say().items()}

    def _make(self) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        lines = []
        for words in MAKING:
            filled = (word.format(data=self.data) for word in words)
            lines.append(["-q", "--deterministic", *filled, "--run", str(self.run)])
        for said in commands_in_fork(lines, self.work / "said"):
            if said.code:
                raise SystemExit(f"the run cannot be made: {said.err}")
        _edit(self.run)
        shutil.copytree(self.run, self.whole)

    def reset(self) -> None:
        """Put the undamaged run in its place."""
        for folder in (self.run, self.out):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.mkdir()
        shutil.copytree(self.whole, self.run)

    def say(self) -> dict[str, Said]:
        """Run all commands in one process, and return what each said."""
        places = {"run": self.run, "out": self.out, "data": self.data}
        lines = []
        for command in COMMANDS.values():
            lines.append(["--deterministic", *(word.format(**places) for word in command.words)])
        said = commands_in_fork(lines, self.work / "said")
        return dict(zip(COMMANDS, said, strict=True))

    def result(self, name: str, said: Said) -> str:
        """Return a digest of what a command has made."""
        place = COMMANDS[name].result
        if not place:
            return said.out if name != "verify" else ""
        path = self.run.parent / place if place.startswith("run/") else self.out / place
        return contents_of(path)


def _edit(folder: Path) -> None:
    from latentlab.reporting.edits import Editor, Merge, Name
    from latentlab.storage.run import Run

    editor = Editor(Run.open(folder).clustering("mine"))
    editor.add(Name(0, "stripes"))
    editor.add(Merge([1, 2]))
    editor.add(Name(1, "both"))
    editor.undo()


def _changed_bit(content: bytes, share: float, rng: random.Random) -> bytes:
    if not content:
        return b"\1"
    place = min(len(content) - 1, int(len(content) * (share + 0.1 * rng.random())))
    changed = bytearray(content)
    changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "deleted": lambda content, rng: None,
    "cut to its half": lambda content, rng: content[: len(content) // 2],
    "cut by a byte": lambda content, rng: content[:-1],
    "zeros": lambda content, rng: bytes(len(content)),
    "a bit at the beginning": lambda content, rng: _changed_bit(content, 0.0, rng),
    "a bit in the middle": lambda content, rng: _changed_bit(content, 0.45, rng),
    "a bit at the end": lambda content, rng: _changed_bit(content, 0.9, rng),
}


def trials(whole: Path) -> list[tuple[str, str]]:
    """Return (file, damage) of all trials."""
    names = []
    for path in sorted(whole.rglob("*")):
        if path.is_file() and path.stat().st_size and path.name not in LEFT_OUT:
            names.append(path.relative_to(whole).as_posix())
    # A call that ends early has met every file with one damage of each kind.
    first = ("deleted", "cut to its half", "zeros", "a bit in the middle")
    later = [damage for damage in DAMAGES if damage not in first]
    return [(name, damage) for part in (first, later) for name in names for damage in part]


def judge(bench: Bench, name: str, damage: str) -> dict[str, Any]:
    """Damage one file, run all commands, and say what came of each."""
    bench.reset()
    path = bench.run / name
    content = path.read_bytes()
    damaged = DAMAGES[damage](content, random.Random(f"{SEED}-{name}-{damage}"))
    if damaged is None:
        path.unlink()
    else:
        path.write_bytes(damaged)
    outcomes, faults = {}, []
    for command, said in bench.say().items():
        outcome = _outcome(bench, command, said, name)
        outcomes[command] = outcome
        if outcome not in ("as without damage", "one line", "named"):
            faults.append(f"{command}: {outcome} {said.err[-300:]}")
    return {"file": name, "damage": damage, "outcomes": outcomes, "faults": faults}


def _outcome(bench: Bench, command: str, said: Said, name: str) -> str:
    errors = [line for line in said.err.splitlines() if line.lower().startswith("error: ")]
    if "Traceback" in said.err or "bug" in said.err or said.code not in range(8):
        return "traceback"
    if command == "verify":
        is_named = name in said.out or name in said.err
        return "named" if said.code in (4, 7) and is_named else f"not named ({said.code})"
    if said.code:
        return "one line" if len(errors) == 1 else f"{len(errors)} error lines"
    is_same = bench.result(command, said) == bench.results[command]
    return "as without damage" if is_same else "silent difference"


def rows_of(target: Path) -> list[dict[str, Any]]:
    """Return the finished trials."""
    return [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []


def report(rows: list[dict[str, Any]]) -> int:
    """Print the counts by damage and command, and every fault; return 1 where there is one."""
    for damage in DAMAGES:
        chosen = [row for row in rows if row["damage"] == damage]
        counts: dict[str, int] = {}
        for row in chosen:
            for outcome in row["outcomes"].values():
                counts[outcome] = counts.get(outcome, 0) + 1
        print(f"{damage:<24} {len(chosen):>4} files  {counts}")
    faulty = [row for row in rows if row["faults"]]
    for row in faulty:
        print(f"FAULT {row['file']}, {row['damage']}: {'; '.join(row['faults'])}")
    names = hashlib.sha256(str([row["file"] for row in rows]).encode()).hexdigest()[:12]
    print(f"{len(rows)} trials, {len(faulty)} with faults, digest {names}")
    return min(len(faulty), 1)


def main() -> None:
    """Make the trials that are not made yet, and report all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="Folder for runs and trials.")
    parser.add_argument("--every", type=int, default=1, help="Every N-th trial only.")
    parser.add_argument("--minutes", type=float, default=1e6, help="Begin no trial after so many.")
    chosen = parser.parse_args()
    end = time.monotonic() + 60 * chosen.minutes
    bench = Bench(chosen.work.resolve())
    warm_up()
    bench.prepare()
    target = bench.work / "damage.jsonl"
    done = {(row["file"], row["damage"]) for row in rows_of(target)}
    for name, damage in trials(bench.whole)[:: chosen.every]:
        if (name, damage) in done or time.monotonic() > end:
            continue
        with target.open("a") as file:
            file.write(json.dumps(judge(bench, name, damage)) + "\n")
    sys.exit(report(rows_of(target)))


if __name__ == "__main__":
    main()
