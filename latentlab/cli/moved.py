"""--data of commands on a finished run: where its pictures are now, if they moved."""

from typing import TYPE_CHECKING

import click

from latentlab.cli._options import open_run

if TYPE_CHECKING:
    from latentlab.storage.run import Run

moved_option = click.option(
    "--data",
    "moved_to",
    type=click.Path(),
    help="Where the run's pictures are now, if they moved; the run remembers it.",
)


def open_moved(run_path: str, moved_to: str | None) -> "Run":
    """Open a run, with its pictures where they are now.

    Parameters
    ----------
    run_path : str
        The run folder.
    moved_to : str or None
        Where its pictures are, if they moved.

    Raises
    ------
    ConfigError
        If there is nothing at that place.
    RunError
        If there is no run, it is damaged, or other pictures are there.
    """
    run = open_run(run_path)
    if moved_to is None:
        return run
    from latentlab import pipeline

    return pipeline.look_in(run, moved_to)
