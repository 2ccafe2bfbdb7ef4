"""The command line: parse, call the pipeline, print the result, turn errors into one line and an exit code.

Nothing heavier than click is imported before a command runs, so that --help answers at once. The commands stand in modules
named as those of `latentlab.pipeline`, in the order in which help lists them.
"""

import os
import sys

import click

from latentlab.cli._group import cli
from latentlab.cli._signals import leave
from latentlab.cli.checking import compare, verify
from latentlab.cli.clustering import choose_k, cluster, predict
from latentlab.cli.fitting import embed, fit, sweep
from latentlab.cli.listing import encoders, methods, runs, schema, sources
from latentlab.cli.scoring import audit, evaluate, probe, score_by_k
from latentlab.cli.showing import export, figures, report, view

__all__ = ["cli", "main"]

_COMMANDS = (
    *(fit, sweep, embed),
    *(cluster, predict, choose_k),
    *(evaluate, score_by_k, probe, audit),
    *(report, figures, view, export),
    *(compare, verify),
    *(runs, sources, encoders, methods, schema),
)
for _command in _COMMANDS:  # as --help lists them
    cli.add_command(_command)


def main() -> None:
    """Run the command line; wrong options end in one line too, where click would print the usage above it."""
    if sys.stderr is None:  # closed by who called us; descriptor 2 must be nobody else's file
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for good
    try:
        code = cli.main(prog_name="latentlab", standalone_mode=False) or 0
    except SystemExit as exit_:
        code = exit_.code
    except (KeyboardInterrupt, click.Abort):  # before the first command has begun
        click.echo("error: interrupted. Repeating the same command resumes.", err=True)
        code = 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "latentlab"
        click.echo(f"error: {error.format_message()} See: {command} --help", err=True)
        code = 2
    leave(code)
