"""How far clusters can be trusted."""

import click

from latentlab.cli._options import name_option, open_run, run_option
from latentlab.cli._output import json_option, print_result


@click.command()
@run_option
@name_option
@json_option
def trust(run_path: str, name: str | None) -> None:
    """Say how far clusters can be trusted, without labels, and why."""
    from latentlab import pipeline
    from latentlab.cli.texts.trust import trust_text

    report = pipeline.trust_of(open_run(run_path), name)
    print_result(report, trust_text(report))
