"""The command line: parse, call the pipeline, print the result, turn errors into one line.

Nothing heavier than click is imported before a command runs, so that --help answers at once. The
modules of commands are named like those of `latentlab.pipeline`; help lists the commands in the
order below.
"""

import os
import sys

from latentlab import surroundings

surroundings.close()  # before the first import of what is not Python's own

import click  # noqa: E402

from latentlab.cli._group import INTERRUPTED, cli  # noqa: E402
from latentlab.cli._output import say  # noqa: E402
from latentlab.cli._signals import leave  # noqa: E402
from latentlab.cli.caching import cache  # noqa: E402
from latentlab.cli.checking import compare, verify  # noqa: E402
from latentlab.cli.choosing_encoder import choose_encoder  # noqa: E402
from latentlab.cli.clustering import choose_k, cluster, predict  # noqa: E402
from latentlab.cli.fitting import embed, fit, sweep  # noqa: E402
from latentlab.cli.hierarchy import cut  # noqa: E402
from latentlab.cli.importing import import_  # noqa: E402
from latentlab.cli.listing import encoders, methods, runs, schema, sources  # noqa: E402
from latentlab.cli.plugin_commands import plugins  # noqa: E402
from latentlab.cli.scoring import audit, evaluate, probe, score_by_k  # noqa: E402
from latentlab.cli.searching import search, suggest  # noqa: E402
from latentlab.cli.showing import export, figures, report, view  # noqa: E402
from latentlab.cli.trusting import trust  # noqa: E402
from latentlab.cli.updating import update  # noqa: E402

__all__ = ["cli", "main"]

_COMMANDS = (
    *(fit, sweep, embed, import_),
    *(cluster, cut, predict, update, choose_k, choose_encoder),
    *(evaluate, trust, score_by_k, probe, audit),
    *(report, figures, view, export),
    *(search, suggest),
    *(compare, verify),
    *(runs, sources, encoders, methods, plugins, cache, schema),
)
for _command in _COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the command line; wrong usage ends in one line too, where click would print several."""
    if sys.stderr is None:
        # The caller closed it. Descriptor 2 must not become the next file that is opened.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # never closed
    leave(_exit_code())


def _exit_code() -> str | int | None:
    """Run the command and return its exit code; print errors that are raised before it begins."""
    try:
        return cli.main(prog_name="latentlab", standalone_mode=False) or 0
    except SystemExit as exit_:
        return exit_.code
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"error: {INTERRUPTED}", err=True)
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "latentlab"
        say(f"error: {error.format_message()} See: {command} --help", err=True)
        return 2
