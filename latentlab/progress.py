"""Live progress: a bar on a terminal, nothing elsewhere. Library code reports, the command line chooses how it looks.

Between two units of work is also where a command is best ended: `end_here` has the next update do so, so that no training
step is cut in two, whose threads could crash the interpreter.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Protocol

log = logging.getLogger("latentlab")


class Reporter(Protocol):
    """What a stage tells while it works."""

    def update(self, done: int, text: str = "") -> None:
        """`done` of the total units are finished; `text` is shown beside the bar."""


class _Silent:
    def update(self, done: int, text: str = "") -> None:
        _end_if_asked()


_bars = False
_at_work = 0  # how many stages report, one within the other
_exit_code: int | None = None


def end_here(code: int) -> bool:
    """Have the next update raise SystemExit(code); return whether any stage reports, so that an update may be expected."""
    global _exit_code
    _exit_code = code
    return _at_work > 0


def _end_if_asked() -> None:
    if _exit_code is not None:
        raise SystemExit(_exit_code)


def show_bars(wanted: bool = True) -> None:
    """Draw bars on stderr from now on, if it is a terminal."""
    global _bars
    _bars = wanted and sys.stderr.isatty()


def bars_shown() -> bool:
    """Return whether anybody sees the bars."""
    return _bars


@contextlib.contextmanager
def track(stage: str, total: int) -> Iterator[Reporter]:
    """Yield a reporter for `total` units of work."""
    global _at_work
    _at_work += 1
    try:
        with _reporter(stage, total) as reporter:
            yield reporter
    finally:
        _at_work -= 1


@contextlib.contextmanager
def _reporter(stage: str, total: int) -> Iterator[Reporter]:
    if not _bars:
        yield _Silent()
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
        task = progress.add_task(stage, total=total, text="")

        class _Bar:
            def update(self, done: int, text: str = "") -> None:
                _end_if_asked()
                progress.update(task, completed=done, text=text)

        yield _Bar()
