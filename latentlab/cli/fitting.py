"""Images to codes."""

import click

from latentlab.cli._options import data_options, fit_options, new_run_option
from latentlab.cli._output import json_option, print_result, with_intake
from latentlab.cli.fit_request import FitRequest
from latentlab.cli.generated import option_of
from latentlab.cli.places import Place, encoder_option, encoder_set_option, place_options
from latentlab.config import FitOptions
from latentlab.errors import ConfigError

DEFAULT_RATES = "0.01,0.001,0.0001"


@click.command()
@data_options
@fit_options
@option_of(FitOptions, "learning_rate")
@new_run_option
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on where an interrupted fit stopped, or start afresh.",
)
@click.option("--overwrite", is_flag=True, help="Replace a run with other settings.")
@encoder_option
@encoder_set_option
@json_option
@click.pass_context
def fit(
    context: click.Context, run_path: str, overwrite: bool, resume: bool, **_values: object
) -> None:
    """Train an encoder on unlabelled images."""
    from latentlab import pipeline

    request = FitRequest.of(context)
    if request.uses_encoder_as_it_is:
        _use_encoder(context, request)
        return
    # A run that may go on keeps the options that it was begun with.
    replaces = overwrite or not resume
    options = request.new_fit_options() if replaces else request.options_to_resume(run_path)
    run = pipeline.fit(request.data_options(), options, run_path, replaces, fresh=not resume)
    summary = run.fit_summary
    print_result(
        with_intake({"run": str(run.path), **run.fact("fit")}, run),
        f"{run.path}: best validation loss {summary.best_val_loss:.5f}"
        f" in epoch {summary.best_epoch} of {summary.epochs}",
    )


def _use_encoder(context: click.Context, request: FitRequest) -> None:
    """Make a run with an encoder that is at hand."""
    from latentlab.data import account

    request.check_untrained()
    run = Place.of(context).open()
    account.tell_listed(run)
    place = {"run": str(run.path)}
    print_result(with_intake(place, run), f"{run.path}: with the encoder {request.encoder}")


@click.command()
@data_options
@fit_options
@click.option(
    "--learning-rate", default=DEFAULT_RATES, show_default=True, help="Learning rates to compare."
)
@click.option(
    "--run", "run_path", default="runs/sweep", show_default=True, help="Folder for the runs."
)
@json_option
@click.pass_context
def sweep(context: click.Context, run_path: str, learning_rate: str, **_values: object) -> None:
    """Compare learning rates in one figure."""
    from latentlab import pipeline

    rates = _parse_rates(learning_rate)
    request = FitRequest.of(context, learning_rate=rates[0])
    path = pipeline.sweep(request.data_options(), request.fit_options(), rates, run_path)
    print_result({"figure": str(path), "learning_rates": rates}, str(path))


def _parse_rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            "must be numbers separated by commas", field="learning_rate", value=repr(text)
        ) from None


@click.command()
@place_options
@click.option(
    "--averages",
    is_flag=True,
    help="Store the means of the embeddings of each image and its mirror image too, in averages/.",
)
@json_option
@click.pass_context
def embed(context: click.Context, averages: bool, **_values: object) -> None:
    """Encode every image to parquet (also done by cluster)."""
    from latentlab import pipeline

    run = pipeline.embed(Place.of(context).open(), averages)
    folder = str(run.path / "embeddings")
    record = run.record("embed")
    parts = len(record.outputs) if record else 0
    place = {"run": str(run.path), "folder": folder, "parts": parts}
    print_result(with_intake(place, run), folder)
