"""Images to codes."""

from typing import Any

import click

from latentlab.cli._options import (
    data_of,
    data_options,
    fit_of,
    fit_options,
    fit_to_go_on,
    open_run,
    run_option,
)
from latentlab.cli._output import json_option, print_result
from latentlab.errors import ConfigError


@click.command()
@data_options
@fit_options
@click.option(
    "--learning-rate",
    type=float,
    default=1e-3,
    show_default=True,
    help="Adam's, or Muon's where the objective has it (--set optimizer=muon).",
)
@run_option
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on where an interrupted fit stopped, or start afresh.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run with other settings.")
@json_option
def fit(run_path: str, overwrite: bool, resume: bool, learning_rate: float, **values: Any) -> None:
    """Train an encoder on unlabelled images."""
    from latentlab import pipeline

    replaces = overwrite or not resume
    options = (
        fit_of(values, learning_rate) if replaces else fit_to_go_on(values, learning_rate, run_path)
    )
    run = pipeline.fit(data_of(values), options, run_path, replaces, fresh=not resume)
    facts = {"run": str(run.path), **run.manifest["fit"]}
    print_result(
        facts,
        f"{run.path}: best validation loss {facts['best_val_loss']:.5f} in epoch {facts['best_epoch']} of {facts['epochs']}",
    )


@click.command()
@data_options
@fit_options
@click.option(
    "--learning-rate",
    default="0.01,0.001,0.0001",
    show_default=True,
    help="Learning rates to compare.",
)
@click.option(
    "--run", "run_path", default="runs/sweep", show_default=True, help="Folder for the runs."
)
@json_option
def sweep(run_path: str, learning_rate: str, **values: Any) -> None:
    """Compare learning rates in one figure."""
    from latentlab import pipeline

    try:
        rates = [float(text) for text in learning_rate.split(",")]
    except ValueError:
        raise ConfigError(
            f"--learning-rate {learning_rate!r} must be numbers separated by commas."
        ) from None
    figure = str(pipeline.sweep(data_of(values), fit_of(values, rates[0]), rates, run_path))
    print_result({"figure": figure, "learning_rates": rates}, figure)


@click.command()
@run_option
@click.option(
    "--averages",
    is_flag=True,
    help="Keep the means of the embeddings of each image and its mirror image too, in averages/.",
)
@json_option
def embed(run_path: str, averages: bool) -> None:
    """Encode every image to parquet (also done by cluster)."""
    from latentlab import pipeline

    run = pipeline.embed(open_run(run_path), averages)
    folder = str(run.path / "embeddings")
    print_result(
        {
            "run": str(run.path),
            "folder": folder,
            "parts": len(run.manifest["stages"]["embed"]["outputs"]),
        },
        folder,
    )
