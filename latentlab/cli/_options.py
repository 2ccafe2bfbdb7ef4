"""Options that several commands take, and what is made of them."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import click

from latentlab.config import LEAST_STEPS
from latentlab.errors import ConfigError

DEFAULT_RUN = "runs/latest"
_DATA_NAMES = (
    "data",
    "data_dir",
    "size",
    "resize",
    "held_out",
    "limit",
    "grey",
    "image_column",
    "label_column",
    "max_pixels",
    "max_bytes",
)
_FIT_NAMES = (
    "arch",
    "epochs",
    "batch_size",
    "schedule",
    "validation",
    "patience",
    "precision",
    "seed",
    "augment",
    "objective",
    "least_steps",
)


def _together(*decorators: Any) -> Any:
    """Return one decorator of several options, in their order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class Clusters(click.ParamType):
    """A number of clusters, or "auto"."""

    name = "integer|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


run_option = click.option(
    "--run", "run_path", default=DEFAULT_RUN, show_default=True, help="Run folder."
)


name_option = click.option("--name", help="Which clusters of the run [default: the newest].")


sample_option = click.option(
    "--sample",
    type=click.IntRange(10),
    default=60_000,
    show_default=True,
    help="Images on the map, drawn at random where there are more.",
)


data_options = _together(
    click.option(
        "--data",
        default="cifar10",
        show_default=True,
        help="Source name (see latentlab sources), an image folder, or a .npy, .npz or .parquet file.",
    ),
    click.option(
        "--data-dir",
        help="Where a named source finds its files [default: the Keras cache, else a download].",
    ),
    click.option(
        "--size",
        type=click.IntRange(4, 1024),
        help="Height and width in pixels [default: the source's own; 32 for folders].",
    ),
    click.option(
        "--resize",
        type=click.Choice(["crop", "pad", "stretch"]),
        default="crop",
        show_default=True,
        help="Rule for images of another shape.",
    ),
    click.option(
        "--held-out",
        type=float,
        default=0.2,
        show_default=True,
        help="Share held out where the data has no split of its own.",
    ),
    click.option(
        "--limit", type=click.IntRange(1), help="Keep this many images of each split, for a trial."
    ),
    click.option("--grey", is_flag=True, help="Read folders and parquet as grey."),
    click.option("--image-column", help="Image column of a parquet file."),
    click.option("--label-column", help="Label column of a parquet file, read by evaluate only."),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        help="Refuse larger pictures [default: 89,478,485 pixels].",
    ),
    click.option(
        "--max-bytes",
        type=click.IntRange(1),
        help="Refuse files that hold more when they are unpacked [default: 2 GiB].",
    ),
)


recipe_option = click.option(
    "--recipe",
    help="Settings that belong together: strong, or adapt (train the encoder cifar10-strong on, on other pictures); other options go before it.",
)


fit_options = _together(
    recipe_option,
    click.option(
        "--objective",
        default="reconstruction",
        show_default=True,
        help="What the encoder is trained to do: reconstruction, swav or distill.",
    ),
    click.option(
        "--arch", default="conv8", show_default=True, help="Encoder (see latentlab encoders)."
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of the encoder or the objective, for example code_channels=32; repeatable.",
    ),
    click.option(
        "--switches", is_flag=True, help="pool-unpool: unpool with switches (--set switches=true)."
    ),
    click.option("--epochs", type=int, default=20, show_default=True),
    click.option(
        "--least-steps",
        type=int,
        help=f"Train more epochs where they are fewer steps than this, as they are of few images [default: {LEAST_STEPS}, or 0 with --epochs].",
    ),
    click.option("--batch-size", type=int, default=500, show_default=True),
    click.option(
        "--schedule",
        default="cosine",
        show_default=True,
        help="Learning rate: cosine (down to 0) or constant.",
    ),
    click.option(
        "--validation",
        type=float,
        default=0.05,
        show_default=True,
        help="Share of the training images kept for early stopping.",
    ),
    click.option(
        "--patience",
        type=int,
        default=10,
        show_default=True,
        help="Stop after this many epochs without improvement; 0 never.",
    ),
    click.option(
        "--augment",
        default="none",
        show_default=True,
        help="Change images while training: none, affine (shifts, rotations) or affine+flip.",
    ),
    click.option(
        "--precision",
        default="auto",
        show_default=True,
        help="auto, float32, mixed_bfloat16 or mixed_float16.",
    ),
    click.option("--seed", type=int, default=0, show_default=True),
)


by_k_options = _together(
    click.option(
        "--ks",
        default="2:15",
        show_default=True,
        help="Numbers of clusters: a range with both ends, or numbers such as 2,5,10.",
    ),
    click.option(
        "--features",
        default="auto",
        help="What is clustered, as in cluster [default: as kmeans there].",
    ),
    click.option(
        "--restarts",
        type=int,
        default=10,
        show_default=True,
        help="k-means runs for each k; the best is kept.",
    ),
    click.option("--seed", type=int, default=0, show_default=True),
)


def data_of(values: dict[str, Any]) -> Any:
    """Return the `DataOptions` of a command's values by name."""
    from latentlab.config import DataOptions

    return DataOptions(**{name: values[name] for name in _DATA_NAMES})


def fit_of(values: dict[str, Any], learning_rate: float, machine: str = "") -> Any:
    """Return the `FitOptions` of a command's values by name, filled in by its recipe, this machine's setting or that of another kind."""
    from latentlab import plugins, recipes
    from latentlab.config import FitOptions, option_names

    chosen = {name: values[name] for name in _FIT_NAMES} | {"learning_rate": learning_rate}
    recipe = recipes.fit_settings(values["recipe"], machine) if values["recipe"] else {}
    chosen |= {name: value for name, value in recipe.items() if name in chosen and not given(name)}
    if values["least_steps"] is None:
        chosen["least_steps"] = 0 if given("epochs") else LEAST_STEPS
    own = {"arch": {}, "objective": {}} | {
        kind: dict(recipe.get(f"{kind}_options", {}))
        for kind in ("arch", "objective")
        if not given(kind)
    }
    known = option_names(plugins.load("objectives", chosen["objective"]).Options)
    for name, value in [
        *map(setting, values["settings"]),
        *([("switches", True)] if values["switches"] else []),
    ]:
        own["objective" if name in known else "arch"][name] = value
    return FitOptions(**chosen, arch_options=own["arch"], objective_options=own["objective"])


def fit_to_go_on(values: dict[str, Any], learning_rate: float, run_path: str) -> Any:
    """Return the `FitOptions` as `fit_of` does, but those that the run was begun with where they are of the same command.

    That is on another kind of machine or backend, for which the recipe has another setting, or before there was --least-steps.
    """
    from latentlab import recipes
    from latentlab.config import FitOptions, recorded
    from latentlab.storage.run import Run

    options = fit_of(values, learning_rate)
    if not (Path(run_path) / "run.json").exists():
        return options
    run = Run.open(run_path)
    if config := run.manifest.get("config"):
        begun = recorded(FitOptions, config.get("fit"), run.path)
        for machine in ("", *(recipes.MACHINES if values["recipe"] else ())):
            same = fit_of(values, learning_rate, machine)
            if begun == same or (
                values["least_steps"] is None and begun == dataclasses.replace(same, least_steps=0)
            ):
                if machine:
                    click.echo(
                        f"--recipe {values['recipe']}: going on with the setting for {machine}, which {run_path} was begun with.",
                        err=True,
                    )
                return begun
    return options


def given(name: str) -> bool:
    """Return whether an option was written on the command line, so that a recipe must not change it."""
    return (
        click.get_current_context().get_parameter_source(name)
        == click.core.ParameterSource.COMMANDLINE
    )


def setting(text: str) -> tuple[str, Any]:
    """Return name and value of "NAME=VALUE", as --set takes it; the value is read as JSON where it is some."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set {text!r} must be NAME=VALUE.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def open_run(run_path: str) -> Any:
    """Open a run, and go on deterministically where it was begun so."""
    from latentlab.storage.run import Run

    run = Run.open(run_path)
    if run.manifest.get("deterministic"):
        os.environ["LATENTLAB_DETERMINISTIC"] = "1"
    return run


def open_named(text: str) -> tuple[Any, str | None]:
    """Return the run and the name of its clusters that RUN or RUN:NAME names."""
    path, colon, name = text.rpartition(":")
    if colon and not Path(text).exists():
        return open_run(path), name
    return open_run(text), None
