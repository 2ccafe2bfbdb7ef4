"""How far clusters can be trusted."""

import click

from latentlab.cli._options import name_option, run_option
from latentlab.cli._output import json_option, print_result
from latentlab.cli.moved import moved_option, open_moved


@click.command()
@run_option
@moved_option
@name_option
@json_option
def trust(run_path: str, moved_to: str | None, name: str | None) -> None:
    """Say how far clusters can be trusted, without labels, and why."""
    from latentlab import pipeline
    from latentlab.cli.texts.trust import trust_text

    report = pipeline.trust_of(open_moved(run_path, moved_to), name)
    print_result(report, trust_text(report))
