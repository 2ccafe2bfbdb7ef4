"""How a signal ends a command: with one line, its exit code, and nothing half-written."""

import contextlib
import os
import signal
import sys
from typing import Any, NoReturn

RAISE_AGAIN = 2.0  # seconds after a signal, by which a unit of work is done and what is half-written is removed

received: list[
    int
] = []  # their numbers: the exception that ends the command may get lost on its way
_stderr: list[int] = []  # a descriptor of its own: stderr is hidden while a framework starts


def listen() -> None:
    """Have SIGTERM and Ctrl-C end the command as this module says."""
    if not _stderr:
        _stderr.append(os.dup(2))
    signal.signal(signal.SIGTERM, _signalled)
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # a shell starts background jobs deaf to it
        signal.signal(signal.SIGINT, _signalled)


def _signalled(number: int, frame: Any) -> None:
    """End with what is half-written removed, after the unit of work at hand where that is quick.

    A second signal, of the impatient or where a library swallowed the first, ends at once.
    """
    from latentlab import progress

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda again, frame: os._exit(128 + again))
    what = "interrupted" if number == signal.SIGINT else "terminated"
    with contextlib.suppress(OSError):  # a terminal that is gone
        os.write(_stderr[0], f"error: {what}. Repeating the same command resumes.\n".encode())
    received.append(number)
    sys.unraisablehook = lambda unraisable: (
        None
    )  # where a callback ignores what is raised here, Python would print a traceback
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _raise_again)
        signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN, RAISE_AGAIN)
        if progress.end_here(128 + number):
            return
    raise SystemExit(128 + number)


def _raise_again(number: int, frame: Any) -> None:
    """Raise once more: callbacks of libraries, JAX's at garbage collections among them, ignore exceptions, and the command would go on."""
    raise SystemExit(128 + received[0])


def leave(code: Any) -> NoReturn:
    """End the process with `code`, or with that of the signal that came: a callback that ignores exceptions may have swallowed ours.

    After a signal it ends at once. A step of training may have been cut short, whose threads now and then crash the
    interpreter while it ends.
    """
    if received:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        code = 128 + received[0]
    if code in (130, 143):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
