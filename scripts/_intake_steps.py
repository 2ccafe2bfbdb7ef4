"""Command lines on an input, one after the other, and what is right for what each says."""

import collections
import contextlib
import csv
import re
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ENCODER_MARK = "{E}"
FOLDER_MARK = "{D}"
RAW_WARNING = re.compile(r"\b[A-Z]\w*Warning:")
QUIET = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, ImportWarning)


@dataclass(frozen=True)
class Step:
    """A command line.

    Attributes
    ----------
    words : str
        Without `latentlab`; "{E}" stands for an encoder, "{D}" for the folder of the case.
    codes : tuple of int
        Exit codes that are right.
    says : tuple of str
        Patterns of what it prints, on either stream.
    never : tuple of str
        Patterns of what it must not print.
    reads_data : bool
        Whether it opens data and has to say once what became of it.
    place : str
        Working folder, below that of the case.
    before : callable or None
        before(folder) changes something first.
    check : callable or None
        check(folder) -> "" or what else is wrong.
    """

    words: str
    codes: tuple[int, ...] = (0,)
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    reads_data: bool = False
    place: str = "."
    before: Callable[[Path], object] | None = None
    check: Callable[[Path], str] | None = None

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        codes = " or ".join(map(str, self.codes))
        wanted = [f"/{each}/" for each in self.says] + [f"not /{each}/" for each in self.never]
        return "; ".join([f"`{self.words}`: code {codes}", *wanted])

    def arguments(self, folder: Path, encoder: str) -> list[str]:
        """Return the words of the command line."""
        marks = {ENCODER_MARK: encoder, FOLDER_MARK: str(folder)}
        return [_replaced(word, marks) for word in self.words.split()]


@dataclass(frozen=True)
class Scenario:
    """Command lines on an input, in order.

    Attributes
    ----------
    kind, name, make :
        See `_intake_cases.Case`.
    steps : tuple of Step
        The command lines.
    is_long : bool
        Whether it takes too long for the tests; scripts/intake_cases.py plays it all the same.
    """

    kind: str
    name: str
    make: Callable[[Path], object]
    steps: tuple[Step, ...]
    is_long: bool = False

    @property
    def text(self) -> str:
        """In a few words, for a table."""
        return "; ".join(step.text for step in self.steps)


@dataclass(frozen=True)
class Said:
    """What a command line came to.

    Attributes
    ----------
    code : int
        Exit code.
    out, err : str
        What it printed.
    """

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        """What it printed on either stream."""
        return f"{self.out}\n{self.err}"


Run = Callable[[list[str], Path], Said]  # a command line in a folder


def played(scenario: Scenario, folder: Path, encoder: str, run: Run) -> list[str]:
    """Return in what a scenario came out otherwise than is right, up to the first such step."""
    for step in scenario.steps:
        if step.before is not None:
            step.before(folder)
        said = run(step.arguments(folder, encoder), folder / step.place)
        found = faults_of_step(step, said)
        if step.check is not None and not found:
            found += [text for text in [step.check(folder)] if text]
        if found:
            return [f"`{step.words}`: {text}" for text in found]
    return []


def faults_of_step(step: Step, said: Said) -> list[str]:
    """Return in what a command line came out otherwise than is right."""
    found = faults_of_any(said)
    if said.code not in step.codes:
        found.append(f"exit code {said.code}: {last_line(said.err)}")
    for pattern in step.says:
        if not re.search(pattern, said.both, re.IGNORECASE):
            found.append(f"lacks /{pattern}/, says: {said.both.strip()[-400:]}")
    for pattern in step.never:
        if re.search(pattern, said.both, re.IGNORECASE):
            found.append(f"says /{pattern}/: {said.both.strip()[-400:]}")
    told = said.err.count("intake: ")
    if step.reads_data and said.code == 0 and told != 1:
        found.append(f"{told} lines of the account")
    return found


def faults_of_any(said: Said) -> list[str]:
    """Return what no command line may ever say, or leave unsaid."""
    found = []
    for text in ("Traceback", "this is a bug"):
        if text in said.both:
            found.append(f"{text}: {last_line(said.err)}")
    warning = RAW_WARNING.search(said.err)
    if warning:
        found.append(f"a raw warning: {said.err[warning.start() :][:200]}")
    errors = [line for line in said.err.splitlines() if line.lower().startswith("error: ")]
    if said.code and len(errors) != 1:
        found.append(f"{len(errors)} lines of errors, code {said.code}: {said.err[-300:]}")
    return found


def last_line(text: str) -> str:
    """Return the last line of a text that is not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def run_in_process(arguments: list[str], folder: Path) -> Said:
    """Run a command line in this process; warnings of libraries count as printed."""
    from click.testing import CliRunner

    from latentlab.cli import cli

    with contextlib.chdir(folder), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for category in QUIET:
            warnings.simplefilter("ignore", category)
        result = CliRunner().invoke(cli, arguments)
    raw = "".join(f"{each.category.__name__}: {each.message}\n" for each in caught)
    return Said(result.exit_code, result.stdout, result.stderr + raw)


def purity_of(
    data: Path, classes: Sequence[str], encoder: str, run: Run
) -> tuple[float | None, Said]:
    """Return the purity of four clusters of pictures whose ids name their classes.

    k-means on embedding+l2, fitted without the held-out ones; None where a command line fails.
    """
    folder = data.parent
    shutil.rmtree(folder / "purity", ignore_errors=True)
    words = ["cluster", "--encoder", encoder, "--data", str(data), "--k", str(len(classes))]
    words += ["--method", "kmeans", "--features", "embedding+l2", "--run", "purity"]
    for arguments in (words, ["export", "--run", "purity", "--out", "purity.csv"]):
        said = run(arguments, folder)
        if said.code:
            return None, said
    with (folder / "purity.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = [(row["cluster"], _named(row["id"], classes)) for row in rows]
    counts = collections.Counter(pairs)
    largest = [max(counts[cluster, name] for name in classes) for cluster in {c for c, _ in pairs}]
    return sum(largest) / len(rows), said


def _named(text: str, names: Sequence[str]) -> str:
    return next(name for name in names if name in text)


def _replaced(word: str, marks: dict[str, str]) -> str:
    for mark, value in marks.items():
        word = word.replace(mark, value)
    return word
