"""How a signal ends a command: with one line, its exit code, and nothing half-written."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

# Seconds after a signal: time for a unit of work to end and for half-written files to be removed.
RAISE_AGAIN = 2.0

# Numbers of the signals that came: the exception that ends the command may get lost on its way.
received: list[int] = []
# A copy of the descriptor of stderr, which is hidden while a framework starts.
_stderr: list[int] = []


def listen() -> None:
    """Let SIGTERM and Ctrl-C end the command as this module says."""
    if not _stderr:
        _stderr.append(os.dup(2))
    signal.signal(signal.SIGTERM, _on_signal)
    # A shell starts background jobs deaf to Ctrl-C: they stay so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_signal)


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Let Ctrl-C be the way in which a command ends: it raises KeyboardInterrupt here, no error."""
    if signal.getsignal(signal.SIGINT) is not _on_signal:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    """End the command once the present unit of work is done, if that is quick.

    A second signal ends at once: the user is impatient, or a library swallowed the first.
    """
    from latentlab import progress

    for second in (signal.SIGTERM, signal.SIGINT):
        signal.signal(second, _exit_at_once)
    # Say why, even while stderr is hidden; the terminal may be gone.
    word = "interrupted" if number == signal.SIGINT else "terminated"
    with contextlib.suppress(OSError):
        os.write(_stderr[0], f"error: {word}. Repeating the same command resumes.\n".encode())
    received.append(number)
    # If a callback ignores the exception raised here, Python would print a traceback.
    sys.unraisablehook = _ignore_unraisable
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _raise_again)
        signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN, RAISE_AGAIN)
        if progress.end_here(128 + number):
            return
    raise SystemExit(128 + number)


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _ignore_unraisable(unraisable: Any) -> None:
    """Print nothing about an exception that Python cannot raise."""


def _raise_again(number: int, frame: FrameType | None) -> None:
    """Raise once more: callbacks of libraries may have ignored the first exception.

    JAX has such a callback at garbage collections; the command would go on.
    """
    raise SystemExit(128 + received[0])


def leave(code: Any) -> NoReturn:
    """End the process, at once if a signal came.

    A step of training may have been cut short, and its threads sometimes crash the interpreter
    while it ends.

    Parameters
    ----------
    code : int or None
        The exit code, unless a signal came: then it is the signal's, since the exception may have
        been swallowed.
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
