"""Options that several commands take."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlab.cli._output import say
from latentlab.cli.generated import Decorator, OptionWithNames, option_of, together
from latentlab.config import LEAST_STEPS, RESIZE_RULES, ClusterOptions, DataOptions, FitOptions

if TYPE_CHECKING:
    from latentlab.storage.run import Run

RUNS_FOLDER = "runs"
DEFAULT_RUN = f"{RUNS_FOLDER}/latest"
SIZE_RANGE = click.IntRange(4, 1024)
DATA_NAMES = (
    "data",
    "data_dir",
    "size",
    "resize",
    "held_out",
    "limit",
    "grey",
    "image_column",
    "label_column",
    "labels",
    "split",
    "value_range",
    "layout",
    "follow_links",
    "decoding",
    "max_pixels",
    "max_bytes",
)
# Of images for which something else says size and colours: an encoder, or vectors.
IMAGE_NAMES = tuple(name for name in DATA_NAMES if name not in ("data", "size", "grey"))


def either(names: list[str]) -> str:
    """Return names as a list in words.

    Parameters
    ----------
    names : list of str
        At least one name.

    Examples
    --------
    >>> either(["distill", "reconstruction", "swav"])
    'distill, reconstruction or swav'
    """
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def objective_help() -> str:
    """Return the help of --objective, with the objectives there are."""
    from latentlab import plugins

    return f"What the encoder is trained to do: {either(plugins.names('objectives'))}."


def typed_or_last_run(_context: click.Context, _param: click.Parameter, value: str | None) -> str:
    """Return the run folder as typed, or that of the run that was used last: a click callback."""
    return last_run() if value is None else value


def last_run() -> str:
    """Return the folder of the run below runs/ that was used last, and say so on stderr."""
    from latentlab.storage.run import find_runs

    runs = sorted(find_runs(RUNS_FOLDER), key=lambda run: run.last_used)
    path = str(runs[-1].path) if runs else DEFAULT_RUN
    if path != DEFAULT_RUN:
        say(f"run: {path}, which was used last (--run names another)", err=True)
    return path


run_option = click.option(
    "--run",
    "run_path",
    callback=typed_or_last_run,
    help=f"Run folder [default: the run below {RUNS_FOLDER}/ that was used last].",
)

new_run_option = click.option(
    "--run", "run_path", default=DEFAULT_RUN, show_default=True, help="Run folder."
)

name_option = click.option("--name", help="Which clusters of the run [default: the newest].")

sample_option = click.option(
    "--sample",
    type=click.IntRange(10),
    default=60_000,
    show_default=True,
    help="Largest number of images on the map; they are drawn at random.",
)

recipe_option = click.option(
    "--recipe",
    help="Settings that belong together: strong, or adapt (train the encoder cifar10-strong on, on"
    " other pictures); other options go before it.",
)

data_options = together(
    option_of(DataOptions, "data"),
    option_of(DataOptions, "data_dir"),
    option_of(DataOptions, "size", type=SIZE_RANGE),
    option_of(DataOptions, "resize", type=click.Choice(RESIZE_RULES)),
    *(option_of(DataOptions, name) for name in DATA_NAMES[DATA_NAMES.index("held_out") :]),
)


def image_options(**helps: str) -> Decorator:
    """Return the options of images for which something else says size and colours.

    Parameters
    ----------
    **helps : str
        Option -> a help text in the place of its own.
    """
    changes: dict[str, dict[str, Any]] = {name: {"help": text} for name, text in helps.items()}
    changes["resize"] = {"type": click.Choice(RESIZE_RULES)}
    return together(
        *(option_of(DataOptions, name, **changes.get(name, {})) for name in IMAGE_NAMES)
    )


fit_options = together(
    recipe_option,
    option_of(FitOptions, "objective", cls=OptionWithNames, make_help=objective_help),
    option_of(FitOptions, "arch"),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of the encoder, the objective or the source, for example"
        " code_channels=32; repeatable.",
    ),
    click.option(
        "--switches", is_flag=True, help="pool-unpool: unpool with switches (--set switches=true)."
    ),
    option_of(FitOptions, "epochs"),
    option_of(
        FitOptions,
        "least_steps",
        default=None,
        show_default=False,
        help="Train more epochs if they are fewer steps than this, as they are with few images"
        f" [default: {LEAST_STEPS}, or 0 with --epochs].",
    ),
    option_of(FitOptions, "batch_size"),
    option_of(FitOptions, "schedule"),
    option_of(FitOptions, "validation"),
    option_of(FitOptions, "patience"),
    option_of(FitOptions, "augment"),
    option_of(FitOptions, "precision"),
    option_of(FitOptions, "seed"),
)

by_k_options = together(
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
    option_of(ClusterOptions, "restarts", help="k-means runs for each k; the best is used."),
    option_of(ClusterOptions, "seed", help="Seed of k-means and of feature steps."),
)


def data_of(values: dict[str, Any]) -> DataOptions:
    """Return the options of data among the values of a command.

    Parameters
    ----------
    values : dict
        Parameter name -> value, of a command with `data_options`.

    Raises
    ------
    ConfigError
        If a value breaks its bounds.
    """
    return DataOptions(**{name: values[name] for name in DATA_NAMES})


def typed_names(context: click.Context) -> frozenset[str]:
    """Return the parameters that were written on the command line.

    A recipe does not change them.

    Parameters
    ----------
    context : click.Context
        The context of a command.
    """
    typed = click.core.ParameterSource.COMMANDLINE
    return frozenset(name for name in context.params if context.get_parameter_source(name) == typed)


def open_run(run_path: str, tells_intake: bool = True) -> "Run":
    """Open a run; go on with deterministic arithmetic if it was begun so.

    Parameters
    ----------
    run_path : str
        The run folder.
    tells_intake : bool
        Say on stderr once more if much of the run's data was left out.

    Raises
    ------
    RunError
        If there is no run, or it is damaged.
    """
    from latentlab.storage.run import Run

    run = Run.open(run_path)
    if run.is_deterministic:
        os.environ["LATENTLAB_DETERMINISTIC"] = "1"
    if tells_intake:
        from latentlab.data import account

        account.tell_recorded(run, only_if_loud=True)
    return run


def open_named(text: str) -> "tuple[Run, str | None]":
    """Return the run and the name of the clusters that RUN or RUN:NAME stands for.

    Parameters
    ----------
    text : str
        As on the command line.

    Raises
    ------
    RunError
        If there is no run, or it is damaged.
    """
    path, colon, name = text.rpartition(":")
    if colon and not Path(text).exists():
        return open_run(path), name
    return open_run(text), None
