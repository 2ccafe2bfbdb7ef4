"""Runs whose pictures have changed."""

import click

from latentlab.cli._options import open_run, run_option
from latentlab.cli._output import json_option, print_result, with_intake


@click.command()
@run_option
@click.option("--data", help="Where the run's pictures are now, if they moved.")
@click.option("--recluster", is_flag=True, help="Make all clusters anew, from all pictures.")
@json_option
def update(run_path: str, data: str | None, recluster: bool) -> None:
    """Take in pictures that were added, and leave out those that are gone.

    Added pictures are embedded alone and assigned to the clusters that there are.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.updating import update_text
    from latentlab.storage.json_form import to_json

    run = open_run(run_path)
    report = pipeline.update(run, recluster, data)
    result = with_intake({"run": str(run.path)} | to_json(report), run)
    print_result(result, update_text(report, str(run.path)))
