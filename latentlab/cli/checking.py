"""Compare clusterings with each other, and a run with its records."""

import dataclasses
from typing import TYPE_CHECKING

import click

from latentlab.cli._group import cli
from latentlab.cli._options import name_option, open_named
from latentlab.cli._output import json_option, print_result
from latentlab.cli.edits_shown import as_computed_option
from latentlab.cli.errors import Translator
from latentlab.cli.moved import moved_option, open_moved
from latentlab.errors import ConfigError

if TYPE_CHECKING:
    from latentlab.scoring.verify import Verification


@click.command()
@click.argument("named", metavar="RUN[:NAME]...", nargs=-1, required=True)
@click.option(
    "--out",
    default="comparison",
    show_default=True,
    help="Folder for the page (index.html), tables (CSV, Markdown, LaTeX), comparison.json and the"
    " figure.",
)
@as_computed_option
@json_option
def compare(named: tuple[str, ...], out: str, as_computed: bool) -> None:
    """Compare clusterings of the same images with the first one.

    Shows what moved, and paired differences of the scores. Clusters are compared as they were
    edited in view.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.compare import comparison_text

    if len(named) < 2:
        raise ConfigError(
            "compare needs two clusterings or more: RUN RUN, or RUN:NAME RUN:NAME for several of"
            " one run."
        )
    comparison = pipeline.compare([open_named(text) for text in named], out, as_computed)
    print_result(comparison, f"{comparison_text(comparison)}\n\n{out}")


@click.command()
@click.argument("run_path", metavar="RUN")
@moved_option
@name_option
@click.option(
    "--accept",
    is_flag=True,
    help="Write to this run from now on, though it holds links or files of other users.",
)
@json_option
def verify(run_path: str, moved_to: str | None, name: str | None, accept: bool) -> None:
    """Check whether a run still reproduces on this machine; exit code 7 if it does not."""
    from latentlab import pipeline
    from latentlab.cli.texts.verify import verification_text
    from latentlab.errors import NotReproducedError

    if accept:
        pipeline.accept(run_path)
    verification = _translated(pipeline.verify(open_moved(run_path, moved_to), name))
    print_result(verification, verification_text(verification))
    if not verification.reproduces:
        failed = ", ".join(verification.failed)
        raise NotReproducedError(f"{run_path} does not reproduce here: {failed}.")


def _translated(verification: "Verification") -> "Verification":
    """Return a verification with details worded for the terminal: some are error texts."""
    translator = Translator(cli)
    checks = []
    for check in verification.checks:
        checks.append(dataclasses.replace(check, detail=translator.text(check.detail)))
    return dataclasses.replace(verification, checks=tuple(checks))
