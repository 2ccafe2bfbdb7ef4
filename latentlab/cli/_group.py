"""The command that holds all others: setup before one runs, errors as one line and an exit code."""

import logging
import os
import re
import sys
import traceback
from typing import Any

import click

from latentlab import __version__
from latentlab.cli._output import envelope
from latentlab.cli._signals import listen, received
from latentlab.cli.errors import Translator
from latentlab.errors import LatentlabError
from latentlab.plain_text import printable, printable_lines

INTERRUPTED = "interrupted. Repeating the same command resumes."
OUT_OF_MEMORY = (
    "not enough memory. Use fewer images (--limit) or a smaller --size;"
    " the run is as it was, and the same command resumes it."
)
# How libraries say that memory ran out.
_NO_MEMORY = re.compile(
    "Cannot allocate memory|bad_alloc|can't start new thread|failed to map segment"
)


class _Group(click.Group):
    """Lists commands in the order of the main path and turns every error into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            _check_word(word, ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LatentlabError as error:
            _fail(Translator(self).error_text(error), error.exit_code, ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            _fail(INTERRUPTED, 130, ctx)
        except BrokenPipeError:
            # The reader of a pipe has gone; Python would complain at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            _fail_unforeseen(error, ctx)


def _check_word(word: str, ctx: click.Context) -> None:
    """Refuse a word that no file can be named by: only a program can pass it on."""
    try:
        is_whole = b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        is_whole = False
    if not is_whole:
        raise click.UsageError(
            f"{printable(word)} holds a character that no file is named by.", ctx
        )


def _fail_unforeseen(error: Exception, ctx: click.Context) -> None:
    """End with one line for an error that is not ours: memory, a disk, or a bug."""
    if received:  # native code sometimes replaces the exception of a signal by another
        ctx.exit(128 + received[0])
    if _is_out_of_memory(error):
        _fail(OUT_OF_MEMORY, 1, ctx)
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'file'}: {error.strerror or error}.", 4, ctx)
    plugin = _plugin_fault(error)
    if plugin:
        _fail(f"{plugin}: {type(error).__name__}: {error} (-v shows where).", 1, ctx)
    _fail(f"this is a bug in latentlab: {type(error).__name__}: {error} (-v shows where).", 1, ctx)


def _plugin_fault(error: Exception) -> str:
    """Return which line of whose plugin an error came through; "" if it met no plugin file."""
    from latentlab.plugins import FILE_MODULES

    fault = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").startswith(f"{FILE_MODULES}."):
            fault = f"the plugin {frame.f_code.co_filename} failed in line {line}"
    return fault


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return _NO_MEMORY.search(str(error)) is not None


def _fail(message: str, code: int, ctx: click.Context) -> None:
    """Print an error, as text and with --json as JSON too, and end with an exit code."""
    if ctx.params.get("verbose"):
        logging.getLogger("latentlab").exception("details")
    line = printable_lines(" ".join(message.split()))
    click.echo(f"error: {line}", err=True)
    if ctx.meta.get("latentlab.json") and not ctx.meta.get("latentlab.printed"):
        click.echo(envelope(ctx.invoked_subcommand, error={"message": line, "exit_code": code}))
    ctx.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="latentlab")
@click.option("-v", "--verbose", is_flag=True, help="Tell more, and show a traceback for errors.")
@click.option("-q", "--quiet", is_flag=True, help="Print results and errors only.")
@click.option(
    "--backend",
    type=click.Choice(["tensorflow", "jax", "torch"]),
    help="Keras backend [default: $KERAS_BACKEND, else tensorflow].",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="The same weights and clusters, to the bit, each time on one machine; slower on a GPU.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Refuse every download [also: LATENTLAB_OFFLINE=1].",
)
def cli(
    verbose: bool, quiet: bool, backend: str | None, deterministic: bool, offline: bool
) -> None:
    """Find structure in images that nobody labelled.

    \b
    latentlab fit --data cifar10      train an encoder
    latentlab cluster --k 10          cluster its code
    latentlab report                  score and show it

    Every command works on a run folder (--run, by default the one used last); repeating a command
    skips what is done and resumes what was interrupted. Exit codes: 0 done, 1 other error,
    2 bad option, 3 data, 4 run folder or disk, 5 training, 6 missing package, 7 not reproduced,
    130 Ctrl-C, 143 SIGTERM.
    """  # noqa: D301  # click wants the backspace itself
    _log_to_stderr(cli, verbose, quiet)
    listen()
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    if deterministic:
        os.environ["LATENTLAB_DETERMINISTIC"] = "1"
    from latentlab import connections, progress

    if offline:
        connections.set_offline(True)
    connections.close()
    progress.show_bars(not quiet)


class _Repetitions(logging.Filter):
    """Holds back lines marked `progress.ONCE` that this command has shown."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "once", False):
            return True
        text = record.getMessage()
        is_new = text not in self._shown
        self._shown.add(text)
        return is_new


class _InWordsOfFlags(logging.Formatter):
    """Shows messages as errors are shown: names of arguments in backticks become flags.

    Parameters
    ----------
    commands : click.Group
        The command that holds all others.
    """

    def __init__(self, commands: click.Group) -> None:
        super().__init__("%(message)s")
        self._commands = commands

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        text = printable_lines(super().formatMessage(record))
        # Few lines have backticks, and to gather all flags takes a while.
        return Translator(self._commands).text(text) if "`" in text else text


def _log_to_stderr(commands: click.Group, verbose: bool, quiet: bool) -> None:
    """Print what the library logs, from the level that the flags ask for."""
    level = logging.INFO
    if verbose:
        level = logging.DEBUG
    if quiet:
        level = logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_InWordsOfFlags(commands))
    handler.addFilter(_Repetitions())
    logger = logging.getLogger("latentlab")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
