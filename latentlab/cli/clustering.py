"""Codes to clusters."""

from typing import Any

import click

from latentlab.cli._options import (
    Clusters,
    by_k_options,
    data_of,
    data_options,
    given,
    name_option,
    open_run,
    recipe_option,
    run_option,
    setting,
)
from latentlab.cli._output import json_option, print_result
from latentlab.errors import ConfigError
from latentlab.progress import log


@click.command()
@run_option
@recipe_option
@click.option(
    "--encoder",
    "ready",
    help="An encoder that comes with latentlab (see latentlab encoders --ready-made), in the place of a trained one.",
)
@click.option("--data", help="With --encoder: the images, as in fit [default: cifar10].")
@click.option("--data-dir", help="With --encoder: where a named source finds its files.")
@click.option(
    "--embeddings",
    type=click.Path(),
    help="Cluster the vectors of this parquet file, yours or another program's, in the place of a run.",
)
@click.option(
    "--out",
    default="clusters.parquet",
    show_default=True,
    help="With --embeddings: the file to write.",
)
@click.option(
    "--k",
    type=Clusters(),
    help='Number of clusters, or "auto": what choose-k recommends. hdbscan finds it and takes none.',
)
@click.option(
    "--method",
    default="kmeans",
    show_default=True,
    help="On the vectors as they are: kmeans, gmm, n2d (UMAP, then a mixture), scan, temi, imc, hdbscan. With the network: dec, idec, dcec, dcn,"
    " vade, consistency, selflabel. `latentlab methods` says what each is.",
)
@click.option(
    "--features",
    default="auto",
    help="What is clustered: code (as it is), embedding (where the encoder has one above its code), averaged (the mean of the image's and its"
    " mirror image's, where it was trained on both), or steps such as pool+whiten+l2 or averaged+project+l2 (project, pool[N], pca[N],"
    " whiten[N], l2, umap[N]) [default: the method's own, on the code, or on embedding+l2, or on embedding+project+l2, where project goes"
    " through the projection head of the recipe strong].",
)
@click.option(
    "--restarts", type=int, default=10, show_default=True, help="Initialisations; the best is kept."
)
@click.option(
    "--minibatch-above",
    type=int,
    default=200_000_000,
    show_default=True,
    help="Use MiniBatchKMeans above this many numbers (images x dimensions).",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--seeds",
    type=click.IntRange(2),
    help="Repeat with so many seeds, and unite: consensus, agreement of each image, spread of the scores.",
)
@click.option(
    "--refit",
    is_flag=True,
    help="With --seeds: fit an encoder for each seed too, for the spread of the whole run.",
)
@click.option(
    "--augment",
    default="auto",
    show_default=True,
    help="Deep methods: change images while training; auto: as in fit.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the method, for example gamma=0.1; repeatable.",
)
@click.option(
    "--name",
    "label",
    default="",
    help="Name of the clusters [default: made of the method and of what was changed].",
)
@json_option
def cluster(
    run_path: str,
    recipe: str | None,
    embeddings: str | None,
    out: str,
    settings: tuple[str, ...],
    **values: Any,
) -> None:
    """Cluster the code into --k groups."""
    from latentlab import pipeline
    from latentlab.clustering import assignments

    if values["k"] is None and not assignments.finds_k(values["method"]):
        raise click.UsageError("Missing option '--k'.", click.get_current_context())
    repeats = {name: values.pop(name) for name in ("seeds", "refit")}
    ready = {name: values.pop(name) for name in ("ready", "data", "data_dir")}
    if repeats["refit"] and not repeats["seeds"]:
        raise ConfigError("--refit repeats the fit for every seed: give --seeds too.")
    _refuse_ignored(bool(embeddings), ready)
    if embeddings:
        _cluster_vectors(embeddings, recipe, settings, values, repeats, out)
        return
    run = _run_to_cluster(run_path, ready)
    if values["k"] == "auto":
        values["k"] = _automatic_k(run, values)
    options = _cluster_options(_preset(recipe, run), settings, values)
    if repeats["seeds"]:
        name, result = pipeline.cluster_seeds(run, options, repeats["seeds"], repeats["refit"])
    else:
        result = pipeline.cluster(run, options)
        name = pipeline.resolve(run, options).name
    told = f"{run.path / 'clusters' / name}: sizes {', '.join(map(str, result['sizes']['train']))}"
    print_result(
        {"run": str(run.path), "name": name, **result},
        "\n".join(filter(None, [told, _agreement_text(result)])),
    )
    if not (recipe or given("method")) and (learnt := pipeline.prototypes_of(run)):
        better = (
            "on CIFAR-10 those of --method imc"
            if learnt == "own"
            else f"on pictures unlike those of {learnt} those of --method scan"
        )
        log.info("these are k-means' clusters; %s are purer: --recipe strong takes it", better)


def _refuse_ignored(vectors: bool, ready: dict[str, Any]) -> None:
    """Raise ConfigError for options that would do nothing: those of runs beside --embeddings, and its own without it."""
    if not vectors and given("out"):
        raise ConfigError(
            "--out belongs to --embeddings: the clusters of a run stay in its folder (latentlab export writes them elsewhere)."
        )
    others = {
        "encoder": ready["ready"],
        "data": ready["data"],
        "data-dir": ready["data_dir"],
        "run": given("run_path") or None,
    }
    if vectors and (theirs := [f"--{name}" for name, value in others.items() if value is not None]):
        raise ConfigError(
            f"{' and '.join(theirs)} would do nothing beside --embeddings: leave one of them out."
        )


def _run_to_cluster(run_path: str, ready: dict[str, Any]) -> Any:
    """Return the run, which with --encoder is made of that encoder and of --data, below runs/ by its name where --run is not given."""
    if ready["ready"] is None:
        if theirs := [
            f"--{name.replace('_', '-')}"
            for name in ("data", "data_dir")
            if ready[name] is not None
        ]:
            raise ConfigError(
                f"{' and '.join(theirs)} belong to --encoder: the run knows its own images."
            )
        return open_run(run_path)
    from latentlab import pipeline
    from latentlab.config import DataOptions

    path = run_path if given("run_path") else f"runs/{ready['ready']}"
    return pipeline.use_ready_made(
        DataOptions(data=ready["data"] or "cifar10", data_dir=ready["data_dir"]),
        ready["ready"],
        path,
    )


def _cluster_vectors(
    path: str,
    recipe: str | None,
    settings: tuple[str, ...],
    values: dict[str, Any],
    repeats: dict[str, Any],
    out: str,
) -> None:
    from latentlab import pipeline

    if values["k"] == "auto" or repeats["seeds"]:
        raise ConfigError(
            "--k auto and --seeds need a run: with --embeddings give the number of clusters, and one --seed."
        )
    result = pipeline.cluster_vectors(
        path, _cluster_options(_preset(recipe, None), settings, values), out
    )
    print_result(result, f"{out}: sizes {', '.join(map(str, result['sizes']))}")


def _agreement_text(result: dict[str, Any]) -> str:
    """Return how far the seeds of a consensus agree; "" for one seed."""
    if "ari_between_seeds" not in result:
        return ""
    ari = result["ari_between_seeds"]
    return (
        f"{len(result['seeds'])} seeds: ARI between two of them {ari['mean']:.3f} on average, {ari['min']:.3f} at least;"
        f" an image's cluster has {result['agreement']:.1%} of the votes on average"
    )


def _preset(recipe: str | None, run: Any) -> dict[str, Any]:
    """Return what the recipe sets for the clusters of a run, or of vectors, where `run` is None; say on stderr where a run lacks what it takes."""
    from latentlab import pipeline, recipes

    if not recipe:
        return {}
    if run is None:
        return recipes.cluster_settings(recipe, prototypes=False)
    learnt = pipeline.prototypes_of(run)
    if learnt != "own" and not given("method"):
        why = (
            f"the encoder's prototypes are of other pictures, those of {learnt}"
            if learnt
            else "the run has no prototypes"
        )
        advice = (
            f" Where they show other things than those of {learnt}: latentlab fit --recipe adapt trains cifar10-strong on them."
            if learnt
            else ""
        )
        click.echo(
            f"--recipe {recipe}: {why}, so SCAN's head (scan) stands in for IMC-SwAV's (imc).{advice}",
            err=True,
        )
    return recipes.cluster_settings(recipe, prototypes=learnt == "own")


def _cluster_options(
    preset: dict[str, Any], settings: tuple[str, ...], values: dict[str, Any]
) -> Any:
    from latentlab.config import ClusterOptions

    own = {} if given("method") else dict(preset.pop("settings", {}))
    values |= {name: value for name, value in preset.items() if name in values and not given(name)}
    values["k"] = _known_k(values["k"])
    return ClusterOptions(**values, settings=own | dict(map(setting, settings)))


def _known_k(k: int | None) -> int:
    """Return 0 for a --k that was not given: a method that finds it needs none, and any other says so."""
    if k is not None and k < 1:
        raise ConfigError(f"--k must be at least 1, not {k}.")
    return k or 0


def _automatic_k(run: Any, values: dict[str, Any]) -> int:
    """Return the k that choose-k recommends for what the features that will be clustered start from, and say why on stderr."""
    from latentlab import pipeline
    from latentlab.clustering import assignments, choosing
    from latentlab.config import ClusterOptions

    told = {name: values[name] for name in ("features", "restarts", "seed")}
    if told["features"] == "auto" and assignments.is_deep(values["method"]):
        told["features"] = pipeline.resolve(
            run, ClusterOptions(k=2, method=values["method"])
        ).features
    found = pipeline.choose_k(run, ClusterOptions(**told), choosing.parse_range(choosing.RANGE))
    click.echo(f"--k auto: {found['k']}, since {found['reason']}", err=True)
    return found["k"]


@click.command()
@data_options
@run_option
@name_option
@click.option(
    "--out", default="predictions.parquet", show_default=True, help="Parquet file to write."
)
@json_option
def predict(run_path: str, name: str | None, out: str, **values: Any) -> None:
    """Assign new images to the clusters of a run."""
    from latentlab import pipeline
    from latentlab.clustering import assignments

    run = open_run(run_path)
    chosen = assignments.choose(run, name)
    written = str(pipeline.predict(run, chosen, data_of(values), out))
    print_result({"run": str(run.path), "name": chosen, "out": written}, written)


@click.command("choose-k")
@run_option
@by_k_options
@json_option
def choose_k(run_path: str, ks: str, **values: Any) -> None:
    """Recommend a number of clusters, without labels, and show what each criterion says."""
    from latentlab import pipeline
    from latentlab.clustering import choosing
    from latentlab.config import ClusterOptions

    found = pipeline.choose_k(
        open_run(run_path), ClusterOptions(**values), choosing.parse_range(ks)
    )
    print_result(found, choosing.text(found))
