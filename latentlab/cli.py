"""The command line: parse, call the pipeline, print the result, turn errors into one line and an exit code.

Nothing heavier than click is imported before a command runs, so that --help answers at once.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from latentlab import __version__
from latentlab.errors import ConfigError, LatentlabError

DEFAULT_RUN = "runs/latest"
_NO_MEMORY = ("Cannot allocate memory", "bad_alloc", "can't start new thread", "failed to map segment")  # as libraries say it
RAISE_AGAIN = 2.0  # seconds after a signal, by which a unit of work is done and what is half-written is removed
JSON_FORMAT = 1  # of what --json prints; a change that could break a reader counts it up


class _Group(click.Group):
    """Lists commands in the order of the main path and turns every error into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LatentlabError as error:
            _fail(str(error), error.exit_code, ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            _fail("interrupted. Repeating the same command resumes.", 130, ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            _fail_unforeseen(error, ctx)


def _fail_unforeseen(error: Exception, ctx: click.Context) -> None:
    """Tell of what is no error of ours: memory, a disk, or a bug."""
    if _signals:  # native code now and then makes another exception of the one that ends us
        ctx.exit(128 + _signals[0])
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError" or any(text in str(error) for text in _NO_MEMORY):
        _fail("not enough memory. Use fewer images (--limit) or a smaller --size; the run is as it was, and the same command resumes it.", 1, ctx)
    if isinstance(error, OSError):
        _fail(f"{error.filename or 'file'}: {error.strerror or error}.", 4, ctx)
    _fail(f"this is a bug in latentlab: {type(error).__name__}: {error} (-v shows where).", 1, ctx)


def _fail(message: str, code: int, ctx: click.Context) -> None:
    if ctx.params.get("verbose"):
        logging.getLogger("latentlab").exception("details")
    line = " ".join(message.split())
    click.echo(f"error: {line}", err=True)
    if ctx.meta.get("latentlab.json") and not ctx.meta.get("latentlab.printed"):
        click.echo(_envelope(ctx.invoked_subcommand, error={"message": line, "exit_code": code}))
    ctx.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="latentlab")
@click.option("-v", "--verbose", is_flag=True, help="Tell more, and show a traceback for errors.")
@click.option("-q", "--quiet", is_flag=True, help="Print results and errors only.")
@click.option("--backend", type=click.Choice(["tensorflow", "jax", "torch"]), help="Keras backend [default: $KERAS_BACKEND, else tensorflow].")
@click.option("--deterministic", is_flag=True, help="The same weights and clusters, to the bit, each time on one machine; slower on a GPU.")
def cli(verbose: bool, quiet: bool, backend: str | None, deterministic: bool) -> None:
    """Find structure in images that nobody labelled.

    \b
    latentlab fit --data cifar10      train an encoder
    latentlab cluster --k 10          cluster its code
    latentlab report                  score and show it

    Every command works on a run folder (--run, by default runs/latest); repeating a command skips what is done and
    resumes what was interrupted. Exit codes: 0 done, 1 other error, 2 bad option, 3 data, 4 run folder or disk,
    5 training, 6 missing package, 7 not reproduced, 130 Ctrl-C, 143 SIGTERM.
    """  # noqa: D301  # click wants the backspace itself
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("latentlab")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    signal.signal(signal.SIGTERM, _signalled)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell starts background jobs deaf to it
        signal.signal(signal.SIGINT, _signalled)
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    if deterministic:
        os.environ["LATENTLAB_DETERMINISTIC"] = "1"
    from latentlab import progress

    progress.show_bars(not quiet)


_signals: list[int] = []  # that came: the exception that ends the command may get lost on its way


def _signalled(number: int, frame: Any) -> None:
    """End with what is half-written removed, after the unit of work at hand where that is quick.

    A second signal, of the impatient or where a library swallowed the first, ends at once.
    """
    from latentlab import progress

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda again, frame: os._exit(128 + again))
    what = "interrupted" if number == signal.SIGINT else "terminated"
    click.echo(f"error: {what}. Repeating the same command resumes.", err=True)
    _signals.append(number)
    sys.unraisablehook = lambda unraisable: None  # where a callback ignores what is raised here, Python would print a traceback
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _raise_again)
        signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN, RAISE_AGAIN)
        if progress.end_here(128 + number):
            return
    raise SystemExit(128 + number)


def _raise_again(number: int, frame: Any) -> None:
    """Raise once more: callbacks of libraries, JAX's at garbage collections among them, ignore exceptions, and the command would go on."""
    raise SystemExit(128 + _signals[0])


def _options(*decorators: Any) -> Any:
    """Return one decorator of several options, in their order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


class _Clusters(click.ParamType):
    """A number of clusters, or "auto"."""

    name = "integer|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else click.INT.convert(value, param, ctx)


_run_option = click.option("--run", "run_path", default=DEFAULT_RUN, show_default=True, help="Run folder.")


def _note_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Remember that the result is wanted as JSON, for `_print` and for errors."""
    ctx.meta["latentlab.json"] = value


_json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_note_json, is_eager=True, help="Print the result as JSON (see latentlab schema)."
)
_name_option = click.option("--name", help="Which clusters of the run [default: the newest].")

_data_options = _options(
    click.option(
        "--data", default="cifar10", show_default=True, help="Source name (see latentlab sources), an image folder, or a .npy, .npz or .parquet file."
    ),
    click.option("--data-dir", help="Where a named source finds its files [default: the Keras cache, else a download]."),
    click.option("--size", type=click.IntRange(4, 1024), help="Height and width in pixels [default: the source's own; 32 for folders]."),
    click.option(
        "--resize", type=click.Choice(["crop", "pad", "stretch"]), default="crop", show_default=True, help="Rule for images of another shape."
    ),
    click.option("--held-out", type=float, default=0.2, show_default=True, help="Share held out where the data has no split of its own."),
    click.option("--limit", type=click.IntRange(1), help="Keep this many images of each split, for a trial."),
    click.option("--grey", is_flag=True, help="Read folders and parquet as grey."),
    click.option("--image-column", help="Image column of a parquet file."),
    click.option("--label-column", help="Label column of a parquet file, read by evaluate only."),
    click.option("--max-pixels", type=click.IntRange(1), help="Refuse larger pictures [default: 89,478,485 pixels]."),
    click.option("--max-bytes", type=click.IntRange(1), help="Refuse files that hold more when they are unpacked [default: 2 GiB]."),
)

_recipe_option = click.option("--recipe", help="Settings that belong together, for example strong; other options go before it.")

_fit_options = _options(
    _recipe_option,
    click.option("--objective", default="reconstruction", show_default=True, help="What the encoder is trained to do: reconstruction or swav."),
    click.option("--arch", default="conv8", show_default=True, help="Encoder (see latentlab encoders)."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of the encoder or the objective, for example code_channels=32; repeatable.",
    ),
    click.option("--switches", is_flag=True, help="pool-unpool: unpool with switches (--set switches=true)."),
    click.option("--epochs", type=int, default=20, show_default=True),
    click.option("--batch-size", type=int, default=500, show_default=True),
    click.option("--schedule", default="cosine", show_default=True, help="Learning rate: cosine (down to 0) or constant."),
    click.option("--validation", type=float, default=0.05, show_default=True, help="Share of the training images kept for early stopping."),
    click.option("--patience", type=int, default=10, show_default=True, help="Stop after this many epochs without improvement; 0 never."),
    click.option(
        "--augment", default="none", show_default=True, help="Change images while training: none, affine (shifts, rotations) or affine+flip."
    ),
    click.option("--precision", default="auto", show_default=True, help="auto, float32, mixed_bfloat16 or mixed_float16."),
    click.option("--seed", type=int, default=0, show_default=True),
)

_by_k_options = _options(
    click.option("--ks", default="2:15", show_default=True, help="Numbers of clusters: a range with both ends, or numbers such as 2,5,10."),
    click.option("--features", default="auto", help="What is clustered, as in cluster [default: the code]."),
    click.option("--restarts", type=int, default=10, show_default=True, help="k-means runs for each k; the best is kept."),
    click.option("--seed", type=int, default=0, show_default=True),
)

_DATA_NAMES = ("data", "data_dir", "size", "resize", "held_out", "limit", "grey", "image_column", "label_column", "max_pixels", "max_bytes")
_FIT_NAMES = ("arch", "epochs", "batch_size", "schedule", "validation", "patience", "precision", "seed", "augment", "objective")


def _data(values: dict[str, Any]) -> Any:
    from latentlab.sources import DataOptions

    return DataOptions(**{name: values[name] for name in _DATA_NAMES})


def _fit(values: dict[str, Any], learning_rate: float) -> Any:
    from latentlab import plugins, recipes
    from latentlab.config import FitOptions, option_names

    chosen = {name: values[name] for name in _FIT_NAMES} | {"learning_rate": learning_rate}
    recipe = recipes.fit_settings(values["recipe"]) if values["recipe"] else {}
    chosen |= {name: value for name, value in recipe.items() if name in chosen and not _given(name)}
    own = {"arch": {}, "objective": {}} | {kind: dict(recipe.get(f"{kind}_options", {})) for kind in ("arch", "objective") if not _given(kind)}
    known = option_names(plugins.load("objectives", chosen["objective"]).Options)
    for name, value in [*map(_setting, values["settings"]), *([("switches", True)] if values["switches"] else [])]:
        own["objective" if name in known else "arch"][name] = value
    return FitOptions(**chosen, arch_options=own["arch"], objective_options=own["objective"])


def _given(name: str) -> bool:
    """Return whether an option was written on the command line, so that a recipe must not change it."""
    return click.get_current_context().get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set {text!r} must be NAME=VALUE.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


@cli.command()
@_data_options
@_fit_options
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Adam's.")
@_run_option
@click.option("--resume/--no-resume", default=True, show_default=True, help="Go on where an interrupted fit stopped, or start afresh.")
@click.option("--overwrite", is_flag=True, help="Replace a run with other settings.")
@_json_option
def fit(run_path: str, overwrite: bool, resume: bool, learning_rate: float, **values: Any) -> None:
    """Train an encoder on unlabelled images."""
    from latentlab import pipeline

    run = pipeline.fit(_data(values), _fit(values, learning_rate), run_path, overwrite or not resume, fresh=not resume)
    facts = {"run": str(run.path), **run.manifest["fit"]}
    _print(facts, f"{run.path}: best validation loss {facts['best_val_loss']:.5f} in epoch {facts['best_epoch']} of {facts['epochs']}")


@cli.command()
@_data_options
@_fit_options
@click.option("--learning-rate", default="0.01,0.001,0.0001", show_default=True, help="Learning rates to compare.")
@click.option("--run", "run_path", default="runs/sweep", show_default=True, help="Folder for the runs.")
@_json_option
def sweep(run_path: str, learning_rate: str, **values: Any) -> None:
    """Compare learning rates in one figure."""
    from latentlab import pipeline

    try:
        rates = [float(text) for text in learning_rate.split(",")]
    except ValueError:
        raise ConfigError(f"--learning-rate {learning_rate!r} must be numbers separated by commas.") from None
    figure = str(pipeline.sweep(_data(values), _fit(values, rates[0]), rates, run_path))
    _print({"figure": figure, "learning_rates": rates}, figure)


@cli.command()
@_run_option
@_json_option
def embed(run_path: str) -> None:
    """Encode every image to parquet (also done by cluster)."""
    from latentlab import pipeline

    run = pipeline.embed(_open(run_path))
    folder = str(run.path / "embeddings")
    _print({"run": str(run.path), "folder": folder, "parts": len(run.manifest["stages"]["embed"]["outputs"])}, folder)


@cli.command()
@_run_option
@_recipe_option
@click.option("--encoder", "ready", help="An encoder that comes with latentlab (see latentlab encoders --ready-made), in the place of a trained one.")
@click.option("--data", help="With --encoder: the images, as in fit [default: cifar10].")
@click.option("--data-dir", help="With --encoder: where a named source finds its files.")
@click.option("--embeddings", type=click.Path(), help="Cluster the vectors of this parquet file, yours or another program's, in the place of a run.")
@click.option("--out", default="clusters.parquet", show_default=True, help="With --embeddings: the file to write.")
@click.option("--k", type=_Clusters(), help='Number of clusters, or "auto": what choose-k recommends. hdbscan finds it and takes none.')
@click.option(
    "--method",
    default="kmeans",
    show_default=True,
    help="On the vectors as they are: kmeans, gmm, n2d (UMAP, then a mixture), scan, temi, hdbscan. With the network: dec, idec, dcec, dcn,"
    " vade, selflabel.",
)
@click.option(
    "--features",
    default="auto",
    help="What is clustered: code (as it is), embedding (where the encoder has one above its code), or steps such as pool+whiten+l2 or"
    " embedding+l2 (pool[N], pca[N], whiten[N], l2, umap[N]) [default: the method's own; kmeans: code, or embedding+l2].",
)
@click.option("--restarts", type=int, default=10, show_default=True, help="Initialisations; the best is kept.")
@click.option(
    "--minibatch-above", type=int, default=200_000_000, show_default=True, help="Use MiniBatchKMeans above this many numbers (images x dimensions)."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--seeds", type=click.IntRange(2), help="Repeat with so many seeds, and unite: consensus, agreement of each image, spread of the scores."
)
@click.option("--refit", is_flag=True, help="With --seeds: fit an encoder for each seed too, for the spread of the whole run.")
@click.option("--augment", default="auto", show_default=True, help="Deep methods: change images while training; auto: as in fit.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the method, for example gamma=0.1; repeatable.")
@click.option("--name", "label", default="", help="Name of the clusters [default: made of the method and of what was changed].")
@_json_option
def cluster(run_path: str, recipe: str | None, embeddings: str | None, out: str, settings: tuple[str, ...], **values: Any) -> None:
    """Cluster the code into --k groups."""
    from latentlab import assignments, pipeline

    if values["k"] is None and not assignments.finds_k(values["method"]):
        raise click.UsageError("Missing option '--k'.", click.get_current_context())
    repeats = {name: values.pop(name) for name in ("seeds", "refit")}
    ready = {name: values.pop(name) for name in ("ready", "data", "data_dir")}
    if repeats["refit"] and not repeats["seeds"]:
        raise ConfigError("--refit repeats the fit for every seed: give --seeds too.")
    if embeddings:
        _cluster_vectors(embeddings, recipe, settings, values, repeats, out)
        return
    run = _run_to_cluster(run_path, ready)
    if values["k"] == "auto":
        values["k"] = _automatic_k(run, values)
    options = _cluster_options(recipe, settings, values)
    if repeats["seeds"]:
        name, result = pipeline.cluster_seeds(run, options, repeats["seeds"], repeats["refit"])
    else:
        result = pipeline.cluster(run, options)
        name = pipeline.resolve(run, options).name
    told = f"{run.path / 'clusters' / name}: sizes {', '.join(map(str, result['sizes']['train']))}"
    _print({"run": str(run.path), "name": name, **result}, "\n".join(filter(None, [told, _agreement_text(result)])))


def _run_to_cluster(run_path: str, ready: dict[str, Any]) -> Any:
    """Return the run, which with --encoder is made of that encoder and of --data, below runs/ by its name where --run is not given."""
    if ready["ready"] is None:
        if given := [f"--{name.replace('_', '-')}" for name in ("data", "data_dir") if ready[name] is not None]:
            raise ConfigError(f"{' and '.join(given)} belong to --encoder: the run knows its own images.")
        return _open(run_path)
    from latentlab import pipeline
    from latentlab.sources import DataOptions

    path = run_path if _given("run_path") else f"runs/{ready['ready']}"
    return pipeline.use_ready_made(DataOptions(data=ready["data"] or "cifar10", data_dir=ready["data_dir"]), ready["ready"], path)


def _cluster_vectors(path: str, recipe: str | None, settings: tuple[str, ...], values: dict[str, Any], repeats: dict[str, Any], out: str) -> None:
    from latentlab import pipeline

    if values["k"] == "auto" or repeats["seeds"]:
        raise ConfigError("--k auto and --seeds need a run: with --embeddings give the number of clusters, and one --seed.")
    result = pipeline.cluster_vectors(path, _cluster_options(recipe, settings, values), out)
    _print(result, f"{out}: sizes {', '.join(map(str, result['sizes']))}")


def _agreement_text(result: dict[str, Any]) -> str:
    """Return how far the seeds of a consensus agree; "" for one seed."""
    if "ari_between_seeds" not in result:
        return ""
    ari = result["ari_between_seeds"]
    return (
        f"{len(result['seeds'])} seeds: ARI between two of them {ari['mean']:.3f} on average, {ari['min']:.3f} at least;"
        f" an image's cluster has {result['agreement']:.1%} of the votes on average"
    )


def _cluster_options(recipe: str | None, settings: tuple[str, ...], values: dict[str, Any]) -> Any:
    from latentlab import recipes
    from latentlab.config import ClusterOptions

    preset = recipes.cluster_settings(recipe) if recipe else {}
    own = {} if _given("method") else dict(preset.pop("settings", {}))
    values |= {name: value for name, value in preset.items() if name in values and not _given(name)}
    values["k"] = _known_k(values["k"])
    return ClusterOptions(**values, settings=own | dict(map(_setting, settings)))


def _known_k(k: int | None) -> int:
    """Return 0 for a --k that was not given: a method that finds it needs none, and any other says so."""
    if k is not None and k < 1:
        raise ConfigError(f"--k must be at least 1, not {k}.")
    return k or 0


@cli.command()
@_data_options
@_run_option
@_name_option
@click.option("--out", default="predictions.parquet", show_default=True, help="Parquet file to write.")
@_json_option
def predict(run_path: str, name: str | None, out: str, **values: Any) -> None:
    """Assign new images to the clusters of a run."""
    from latentlab import assignments, pipeline

    run = _open(run_path)
    chosen = assignments.choose(run, name)
    written = str(pipeline.predict(run, chosen, _data(values), out))
    _print({"run": str(run.path), "name": chosen, "out": written}, written)


@cli.command()
@_run_option
@_name_option
@_json_option
def evaluate(run_path: str, name: str | None) -> None:
    """Score the clusters against held-out labels, beside chance and baselines."""
    from latentlab import pipeline

    scores = pipeline.evaluate(_open(run_path), name)
    if scores is None:
        _print({"rows": []}, "the data has no labels, so there is nothing to score; latentlab report shows the clusters")
        return
    _print(scores, _score_text(scores))


@cli.command()
@_run_option
@_name_option
@click.option("--sample", type=click.IntRange(10), default=60_000, show_default=True, help="Images on the map, drawn at random where there are more.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of UMAP and its sample.")
@_json_option
def report(run_path: str, name: str | None, sample: int, seed: int) -> None:
    """Score, lay out and write one HTML file and its pictures."""
    from latentlab import pipeline

    page = str(pipeline.report(_open(run_path), name, sample, seed))
    _print({"run": run_path, "page": page}, page)


@cli.command()
@_run_option
@_name_option
@click.option("--format", "formats", default="png,svg,pdf", show_default=True, help="Formats, separated by commas.")
@click.option("--out", type=click.Path(), help="Folder [default: report/figures of the run].")
@_json_option
def figures(run_path: str, name: str | None, formats: str, out: str | None) -> None:
    """Draw figures fit for a paper: the map with cluster names and typical images, labels, galleries, losses."""
    from latentlab import pipeline

    written = pipeline.figures(_open(run_path), out or Path(run_path) / "report" / "figures", name, tuple(formats.split(",")))
    paths = list(map(str, written))
    _print({"run": run_path, "files": paths}, "\n".join(paths))


@cli.command()
@click.argument("run_path", metavar="RUN", default=DEFAULT_RUN)
@_name_option
@click.option("--sample", type=click.IntRange(10), default=60_000, show_default=True, help="Images on the map, drawn at random where there are more.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine [default: a free one].")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def view(run_path: str, name: str | None, sample: int, port: int, opens: bool) -> None:
    """Look at a run in the browser, and name, merge, split and drop its clusters; Ctrl-C ends it, edits are kept."""
    from latentlab import pipeline

    server = pipeline.viewer(_open(run_path), name, sample, port=port)
    click.echo(f"{server.address}\nCtrl-C ends it; edits are kept in {server.viewer.editor.path}")
    sys.stdout.flush()
    if opens:
        click.launch(server.address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        server.server_close()


@cli.command()
@_run_option
@_name_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "parquet", "folders", "coco", "projector"]),
    default="csv",
    show_default=True,
    help="csv; parquet with images; folders, one a cluster; coco JSON with images; TensorBoard's projector.",
)
@click.option("--out", required=True, type=click.Path(), help="File, or folder for folders, coco and projector.")
@click.option("--link", is_flag=True, help="folders: link to the pictures of an image folder instead of copying them.")
@_json_option
def export(run_path: str, name: str | None, kind: str, out: str, link: bool) -> None:
    """Write clusters, as they were edited in view, for other programs."""
    from latentlab import pipeline

    written = str(pipeline.export(_open(run_path), kind, out, name, link))
    _print({"run": run_path, "format": kind, "out": written}, written)


@cli.command()
@click.argument("folder", default="runs", type=click.Path())
@_json_option
def runs(folder: str) -> None:
    """List the runs below FOLDER."""
    from latentlab.run import find_runs

    rows = [_describe_run(run) for run in find_runs(folder)]
    lines = [f"{row['run']:<32} {row['data']:<10} {row['arch']:<12} {row['created']}  {', '.join(row['stages'])}" for row in rows]
    _print(rows, "\n".join(lines) or f"no runs in {folder}")


@cli.command()
@_json_option
def sources() -> None:
    """List the named image sources."""
    from latentlab import plugins

    _print(plugins.names("sources"), "\n".join(plugins.names("sources")))


@cli.command()
@click.option("--ready-made", is_flag=True, help="Those that come with their weights, for cluster --encoder.")
@_json_option
def encoders(ready_made: bool) -> None:
    """List the encoders."""
    from latentlab import plugins
    from latentlab import ready_made as weights

    names = weights.names() if ready_made else plugins.names("encoders")
    _print(names, "\n".join(names) or "there are none")


@cli.command()
@_run_option
@click.option("--features", default="auto", help="What is probed, as in cluster [default: the code, or the embedding].")
@_json_option
def probe(run_path: str, features: str) -> None:
    """Ask with labels what the features hold: k-NN accuracy and a linear probe, beside those of raw pixels."""
    from latentlab import pipeline, probing
    from latentlab.config import ClusterOptions

    found = pipeline.probe(_open(run_path), ClusterOptions(features=features))
    if found is None:
        _print({"rows": []}, "the data has no labels, so there is nothing to probe")
        return
    _print(found, probing.text(found))


@cli.command()
@_run_option
@_name_option
@_json_option
def audit(run_path: str, name: str | None) -> None:
    """Find duplicates, within and across the splits, and labels that are probably wrong."""
    from latentlab import assignments, auditing, pipeline

    run = _open(run_path)
    name = assignments.choose(run, name)
    found = pipeline.audit(run, name)
    folder = run.path / "audit" / name
    _print({"run": str(run.path), "name": name, "folder": str(folder), **found}, auditing.text(found, folder))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of what every command prints with --json."""
    from importlib import resources

    click.echo(resources.files("latentlab").joinpath("schemas", "output.schema.json").read_text(encoding="utf-8").rstrip())


@cli.command("choose-k")
@_run_option
@_by_k_options
@_json_option
def choose_k(run_path: str, ks: str, **values: Any) -> None:
    """Recommend a number of clusters, without labels, and show what each criterion says."""
    from latentlab import choosing, pipeline
    from latentlab.config import ClusterOptions

    found = pipeline.choose_k(_open(run_path), ClusterOptions(**values), choosing.parse_range(ks))
    _print(found, choosing.text(found))


@cli.command("score-by-k")
@_run_option
@_by_k_options
@_json_option
def score_by_k(run_path: str, ks: str, **values: Any) -> None:
    """Score k-means against held-out labels for each k, beside chance: purity grows with k, and so does its chance."""
    from latentlab import choosing, pipeline, score_text
    from latentlab.config import ClusterOptions

    found = pipeline.score_by_k(_open(run_path), ClusterOptions(**values), choosing.parse_range(ks))
    if found is None:
        _print({"rows": []}, "the data has no labels, so there is nothing to score; latentlab choose-k needs none")
        return
    _print(found, score_text.curve_table(found["rows"]))


@cli.command()
@click.argument("named", metavar="RUN[:NAME]...", nargs=-1, required=True)
@click.option(
    "--out",
    default="comparison",
    show_default=True,
    help="Folder for the page (index.html), tables (CSV, Markdown, LaTeX), comparison.json and the figure.",
)
@_json_option
def compare(named: tuple[str, ...], out: str) -> None:
    """Compare clusterings of the same images with the first one: what moved, and paired score differences."""
    from latentlab import comparing, pipeline

    if len(named) < 2:
        raise ConfigError("compare needs two clusterings or more: RUN RUN, or RUN:NAME RUN:NAME for several of one run.")
    found = pipeline.compare([_open_named(text) for text in named], out)
    _print(found, f"{comparing.text(found)}\n\n{out}")


@cli.command()
@click.argument("run_path", metavar="RUN")
@_name_option
@_json_option
def verify(run_path: str, name: str | None) -> None:
    """Check whether a run still reproduces on this machine; exit code 7 where it does not."""
    from latentlab import pipeline, verifying
    from latentlab.errors import NotReproducedError

    found = pipeline.verify(_open(run_path), name)
    _print(found, verifying.text(found))
    if not found["reproduces"]:
        failed = ", ".join(check["what"] for check in found["checks"] if not check["held"])
        raise NotReproducedError(f"{run_path} does not reproduce here: {failed}.")


def main() -> None:
    """Run the command line; wrong options end in one line too, where click would print the usage above it."""
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
    if _signals:  # a callback that ignores exceptions may have swallowed ours
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        code = 128 + _signals[0]
    if code in (130, 143):
        # A signal may have cut a step of training short, whose threads now and then crash the interpreter while it ends.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _open(run_path: str) -> Any:
    from latentlab.run import Run

    run = Run.open(run_path)
    if run.manifest.get("deterministic"):  # a run that was begun so goes on so
        os.environ["LATENTLAB_DETERMINISTIC"] = "1"
    return run


def _open_named(text: str) -> tuple[Any, str | None]:
    """Return the run and the name of its clusters that RUN or RUN:NAME names."""
    path, colon, name = text.rpartition(":")
    if colon and not Path(text).exists():
        return _open(path), name
    return _open(text), None


def _automatic_k(run: Any, values: dict[str, Any]) -> int:
    """Return the k that choose-k recommends for the features that will be clustered, and say why on stderr."""
    from latentlab import choosing, pipeline
    from latentlab.config import ClusterOptions

    told = {name: values[name] for name in ("features", "restarts", "seed")}
    found = pipeline.choose_k(run, ClusterOptions(**told), choosing.parse_range(choosing.RANGE))
    click.echo(f"--k auto: {found['k']}, since {found['reason']}", err=True)
    return found["k"]


def _describe_run(run: Any) -> dict[str, Any]:
    fitted = run.manifest.get("config", {}).get("fit", {})
    return {
        "run": str(run.path),
        "data": run.manifest.get("data", "-"),
        "arch": fitted.get("arch", "-"),
        "created": run.manifest.get("created", "-"),
        "stages": list(run.manifest["stages"]),
    }


def _score_text(scores: dict[str, Any]) -> str:
    """Return the table of scores, and what is to be said about it."""
    from latentlab import matches, score_text

    split = score_text.main_split(scores["rows"])
    gap = matches.gap_text(scores["gap"][split], scores["class_names"])
    spread = score_text.seeds_text(scores.get("over_seeds", []), split)
    return "\n".join(filter(None, [score_text.text_table(scores["rows"]), spread, gap]))


def _print(value: Any, text: str) -> None:
    """Print the result of a command: the text, or with --json the value in the envelope that `latentlab schema` describes."""
    ctx = click.get_current_context()
    ctx.meta["latentlab.printed"] = True
    click.echo(_envelope(ctx.info_name, result=value) if ctx.meta.get("latentlab.json") else text)


def _envelope(command: str | None, **content: Any) -> str:
    return json.dumps({"format": JSON_FORMAT, "latentlab": __version__, "command": command, **content}, indent=2, default=str)
