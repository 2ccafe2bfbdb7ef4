"""Live progress: a bar on a terminal, nothing elsewhere. Library code reports, the command line chooses how it looks."""

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
        pass


_bars = False


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
                progress.update(task, completed=done, text=text)

        yield _Bar()
