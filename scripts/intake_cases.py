"""Open inputs as people have them, and compare what is seen with what is right.

    python scripts/intake_cases.py [--work DIR] [--only NAME...] [--commands] [--inputs FILE]
        [--again] [--page]

Without --commands each input is opened in this process. With it every one goes through
`latentlab cluster --encoder cifar10-strong --k 4 --data D` too, and the scenarios of several
command lines are played, each command line in a process of its own. FILE makes further inputs, see
scripts/_intake_given.py. DIR/rows.jsonl gets a line for each; a repeated command goes on, and
--again begins anew. --page writes reports/intake of these lines.
"""

import argparse
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from _faults import run_in_fork, warm_up
from _intake_cases import ENCODER, FOLDER_MARK, Case, Refused, Right, faults, opened
from _intake_drawing import CLASSES as CLASSES_DRAWN
from _intake_folders import FEW, SAME
from _intake_given import given_cases
from _intake_inputs import CASES, SCENARIOS
from _intake_steps import Said, Scenario, Step, faults_of_step, last_line, played, purity_of
from _reports import fill

from latentlab.storage import files

REPORT = Path(__file__).resolve().parent.parent / "reports" / "intake"
OPENED, COMMAND, PLAYED = "opened", "command", "played"
RIGHT = "right"
SHOWN = 260  # characters of a cell


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    kind, name : str
        Of the case.
    way : {"opened", "command", "played"}
        What was done with it.
    expected, seen, verdict : str
        The verdict is "right", or what is not.
    """

    kind: str
    name: str
    way: str
    expected: str
    seen: str
    verdict: str

    @property
    def key(self) -> tuple[str, str]:
        """What tells rows apart."""
        return self.name, self.way


@dataclass(frozen=True)
class Task:
    """One row that is to be made.

    Attributes
    ----------
    case : Case or Scenario
        What is looked at.
    way : str
        See `Row`.
    """

    case: Case | Scenario
    way: str

    def row(self, folder: Path) -> Row:
        """Draw the input in a folder and look at it."""
        shutil.rmtree(folder, ignore_errors=True)
        self.case.make(folder)
        if isinstance(self.case, Scenario):
            return self._of(self.case.text, _last_said, lambda: played_in_forks(self.case, folder))
        if self.way == COMMAND:
            return command_row(self.case, folder)
        seen = opened(self.case, folder)
        found = faults(self.case.right, seen)
        return self._of(self.case.right.text, lambda: seen.text, lambda: found)

    def _of(self, expected: str, seen: Callable[[], str], found: Callable[[], list[str]]) -> Row:
        wrong = found()
        return Row(
            self.case.kind,
            self.case.name,
            self.way,
            expected,
            seen(),
            "; ".join(wrong) or RIGHT,
        )


_said: list[Said] = []  # the last that a command line said


def _last_said() -> str:
    return last_line(_said[-1].both)


def run(work: Path, arguments: list[str], folder: Path) -> Said:
    """Run a command line in a fork, which works in a folder."""
    ended = run_in_fork(
        arguments, work / "nowhere", work / "said", before=functools.partial(os.chdir, folder)
    )
    said = Said(ended.code, ended.out, ended.err)
    _said.append(said)
    return said


def played_in_forks(scenario: Case | Scenario, folder: Path) -> list[str]:
    """Play a scenario, each command line in a fork."""
    assert isinstance(scenario, Scenario)
    return played(scenario, folder, ENCODER, functools.partial(run, folder.parent))


def command_row(case: Case, folder: Path) -> Row:
    """Cluster an input by the command line, and look at how it ends and what it tells."""
    step = command_of(case, folder)
    arguments = [*step.words.split("\t"), *_flags(case, folder)]
    elsewhere = folder.parent / "elsewhere"  # paths in a list may lead to the working directory
    elsewhere.mkdir(exist_ok=True)
    said = run(folder.parent, arguments, elsewhere)
    found = faults_of_step(step, said)
    told = [line for line in said.err.splitlines() if line.startswith("intake: ")]
    seen = f"code {said.code}; {told[0] if told else last_line(said.both)}"
    if isinstance(case.right, Right) and case.right.purity is not None:
        purity, _ = purity_of(folder, CLASSES_DRAWN, ENCODER, functools.partial(run, folder.parent))
        seen += f"; purity {purity}"
        if purity is None or purity < case.right.purity:
            found.append(f"purity {purity}, not {case.right.purity}")
    verdict = "; ".join(found) or RIGHT
    return Row(case.kind, case.name, COMMAND, step.text, seen, verdict)


def command_of(case: Case, folder: Path) -> Step:
    """Return the command line of an input, words between tabs, and what is right for it."""
    data = str(folder / case.data)
    k = "1" if case.kind in (FEW, SAME) or isinstance(case.right, Refused) else "4"
    if not isinstance(case.right, Refused):
        k = str(min(int(k), case.right.used))
    words = ["cluster", "--encoder", ENCODER, "--k", k, "--data", data]
    words += ["--run", str(folder.parent / "runs" / case.name)]
    shutil.rmtree(words[-1], ignore_errors=True)
    if isinstance(case.right, Refused):
        return Step("\t".join(words), case.right.codes, case.right.says)
    used = f"{case.right.used} images? used"
    return Step("\t".join(words), says=(used, *case.right.says), reads_data=True)


def _flags(case: Case, folder: Path) -> Iterator[str]:
    """Yield the options of a case as flags."""
    for name, value in case.options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield flag
        elif isinstance(value, dict):
            for key, each in value.items():
                yield from ("--set", f"{key}={each}")
        else:
            yield from (flag, str(value).replace(FOLDER_MARK, str(folder)))


def tasks(arguments: argparse.Namespace) -> list[Task]:
    """Return what is to be done."""
    cases: list[Case] = [*CASES]
    if arguments.inputs:
        cases += given_cases(arguments.inputs)
    wanted = [Task(case, OPENED) for case in cases]
    if arguments.commands:
        wanted += [Task(case, COMMAND) for case in cases]
        wanted += [Task(scenario, PLAYED) for scenario in SCENARIOS]
    names = arguments.only
    return [task for task in wanted if not names or _is_named(task.case, names)]


def _is_named(case: Case | Scenario, names: Sequence[str]) -> bool:
    return any(name in (case.name, case.kind) for name in names)


def read_rows(path: Path) -> dict[tuple[str, str], Row]:
    """Return the rows that were made before, the newest of each."""
    if not path.exists():
        return {}
    rows = [Row(**json.loads(line)) for line in path.read_text().splitlines()]
    return {row.key: row for row in rows}


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, kind by kind."""
    order = {kind: number for number, kind in enumerate(dict.fromkeys(row.kind for row in rows))}
    lines = ["| kind | case | way | expected | seen | verdict |", "| --- " * 6 + "|"]
    for row in sorted(rows, key=lambda row: order[row.kind]):
        cells = [row.kind, row.name, row.way, row.expected, row.seen, row.verdict]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
    return " ".join(short.split()).replace("|", "\\|")


def counts(rows: Sequence[Row]) -> str:
    """Return how many rows of each kind are right, as a Markdown table."""
    lines = ["| kind | rows | right |", "| --- | --- | --- |"]
    for kind in dict.fromkeys(row.kind for row in rows):
        own = [row for row in rows if row.kind == kind]
        lines.append(f"| {kind} | {len(own)} | {sum(row.verdict == RIGHT for row in own)} |")
    total = sum(row.verdict == RIGHT for row in rows)
    lines.append(f"| all | {len(rows)} | {total} |")
    return "\n".join(lines)


def write_page(rows: Sequence[Row], work: Path) -> None:
    """Write the tables into the report, and the rows beside it."""
    REPORT.mkdir(parents=True, exist_ok=True)
    shown = [_without_place(row, work) for row in rows]
    fill(REPORT / "README.md", {"counts": counts(shown), "cases": table(shown)})
    files.write_json(REPORT / "results.json", [asdict(row) for row in shown])


def _without_place(row: Row, work: Path) -> Row:
    """Return a row without the folder in which its input was made."""
    place = str(work.resolve())
    texts = {
        name: value.replace("\t", " ").replace(place, "") for name, value in asdict(row).items()
    }
    return Row(**texts)


def main() -> None:
    """Make the rows that are asked for, and print or write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs") / "intake")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases or kinds")
    parser.add_argument("--commands", action="store_true", help="play command lines too")
    parser.add_argument("--inputs", type=Path, help="a file that makes further inputs")
    parser.add_argument("--page", action="store_true", help="write reports/intake")
    parser.add_argument("--again", action="store_true", help="make rows anew that are there")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "rows.jsonl"
    rows = read_rows(kept)
    todo = [t for t in tasks(arguments) if arguments.again or (t.case.name, t.way) not in rows]
    if any(task.way != OPENED for task in todo):
        warm_up()
    for task in todo:
        row = task.row(work / "input")
        rows[row.key] = row
        with kept.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")
        print(
            f"{row.verdict if row.verdict == RIGHT else 'WRONG'}: {row.name}, {row.way}", flush=True
        )
    wanted = [rows[t.case.name, t.way] for t in tasks(arguments)]
    print(table(wanted))
    print(counts(wanted))
    if arguments.page:
        write_page(list(rows.values()), work)
    sys.exit(any(row.verdict != RIGHT for row in wanted))


if __name__ == "__main__":
    main()
