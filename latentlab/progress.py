"""Live progress: a bar on a terminal, a line now and then elsewhere, as in a log file.

Library code reports, and the command line chooses how it looks. A command is best ended between two
units of work, and `end_here` has the next update do so. A training step that is cut in two has
threads that could crash the interpreter.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

log = logging.getLogger("latentlab")
# Marks a record, as in log.info(text, extra=ONCE): a command shows it once, however often it comes.
ONCE = {"once": True}


# Without bars: seconds between two lines of a stage, and in how many parts its work is told.
FEWEST_SECONDS = 5.0
MOST_SECONDS = 30.0
LINES_OF_STAGE = 10
clock = time.monotonic


class Reporter(Protocol):
    """What a stage reports to while it works."""

    def update(self, done: int, text: str = "") -> None:
        """Report progress.

        Parameters
        ----------
        done : int
            Finished units, of the total.
        text : str
            Shown next to the bar.
        """


@dataclass
class _State:
    """What all stages of this process share.

    Attributes
    ----------
    bars : bool
        Whether bars are drawn.
    stages : int
        Number of stages that report, one within the other.
    exit_code : int or None
        The next update ends the command with it.
    """

    bars: bool = False
    stages: int = 0
    exit_code: int | None = None

    def end_if_asked(self) -> None:
        if self.exit_code is not None:
            raise SystemExit(self.exit_code)


_state = _State()


class _Lines:
    """Logs a line at growing intervals.

    Parameters
    ----------
    stage : str
        Name of the stage.
    total : int or None
        Units of work; None if nobody knows.
    """

    def __init__(self, stage: str, total: int | None) -> None:
        self._stage = stage
        self._total = total
        self._told_at = clock()
        self._parts_told = 0

    def update(self, done: int, text: str = "") -> None:
        _state.end_if_asked()
        seconds = clock() - self._told_at
        if seconds < FEWEST_SECONDS:
            return
        parts = LINES_OF_STAGE * done // self._total if self._total else 0
        if seconds < MOST_SECONDS and parts <= self._parts_told:
            return
        self._told_at, self._parts_told = clock(), parts
        progress = f"{done:,}"
        if self._total:
            progress += f" of {self._total:,} ({done / self._total:.0%})"
        log.info("%s", ", ".join(filter(None, (f"{self._stage}: {progress}", text))))


class _Bar:
    """Draws one bar of a `rich.progress.Progress`."""

    def __init__(self, progress: Any, task: Any) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: int, text: str = "") -> None:
        _state.end_if_asked()
        self._progress.update(self._task, completed=done, text=text)


def end_here(code: int) -> bool:
    """Have the next update raise SystemExit.

    Parameters
    ----------
    code : int
        The exit code.

    Returns
    -------
    bool
        Whether any stage reports, so that an update may be expected.
    """
    _state.exit_code = code
    return _state.stages > 0


def show_bars(wanted: bool = True) -> None:
    """Choose whether bars are drawn on the standard error stream, if it is a terminal.

    Parameters
    ----------
    wanted : bool
        Whether they are.
    """
    _state.bars = wanted and sys.stderr.isatty()


def bars_shown() -> bool:
    """Return whether bars are drawn."""
    return _state.bars


def announce_import(package: str) -> None:
    """Log that a package starts whose import takes seconds, unless it runs already.

    Parameters
    ----------
    package : str
        Its name, as in an import.
    """
    if package not in sys.modules:
        log.info("starting %s ...", package)


@contextlib.contextmanager
def track(
    stage: str, total: int | None, unit: str = "images", is_announced: bool = True
) -> Iterator[Reporter]:
    """Yield the reporter of a stage.

    Parameters
    ----------
    stage : str
        Name of the stage, shown before the bar.
    total : int or None
        Units of work; None if nobody knows.
    unit : str
        What they are.
    is_announced : bool
        Log a line before the work begins, where no bar is shown. A command that comes by the same
        stage again says so once.

    Examples
    --------
    >>> with track("count", 2) as bar:
    ...     for number in range(2):
    ...         bar.update(number + 1)
    """
    _state.stages += 1
    try:
        with _reporter(stage, total, unit if is_announced else "") as reporter:
            yield reporter
    finally:
        _state.stages -= 1


@contextlib.contextmanager
def _reporter(stage: str, total: int | None, announced_unit: str) -> Iterator[Reporter]:
    if not _state.bars:
        if announced_unit:
            size = "" if total is None else f": {total:,} {announced_unit}"
            log.info("%s%s ...", stage, size, extra=ONCE)
        yield _Lines(stage, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, progress.add_task(stage, total=total, text=""))
