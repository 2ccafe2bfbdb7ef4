"""Codes to clusters."""

from typing import TYPE_CHECKING, Any

import click

from latentlab.cli._options import (
    by_k_options,
    data_of,
    data_options,
    name_option,
    open_run,
    recipe_option,
    run_option,
    typed_names,
)
from latentlab.cli._output import json_option, print_result, say, with_intake
from latentlab.cli.cluster_request import ClusterRequest
from latentlab.cli.edits_shown import as_computed_option, tell_edits
from latentlab.cli.generated import OptionWithNames, option_of, together
from latentlab.cli.places import Place, place_options
from latentlab.config import AUTO, ClusterOptions
from latentlab.errors import NoStructureError
from latentlab.progress import log

if TYPE_CHECKING:
    from latentlab.storage.clustering import Clustering
    from latentlab.storage.run import Run


class NumberOfClusters(click.ParamType):
    """A number of clusters, or "auto"."""

    name = "integer|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number or "auto"; click reports anything else."""
        return value if value == AUTO else click.INT.convert(value, param, ctx)


def method_help() -> str:
    """Return the help of --method, with the methods there are."""
    from latentlab import plugins

    on_vectors = ", ".join(plugins.names("clustering"))
    with_network = ", ".join(plugins.names("refinement"))
    return (
        f"On the vectors as they are: {on_vectors}. With the network: {with_network}."
        " `latentlab methods` says what each is."
    )


FEATURES_HELP = (
    "What is clustered: code (as it is), embedding (if the encoder has one above its code),"
    " averaged (the mean of the image's and its mirror image's, if the encoder was trained on"
    " both), or steps such as pool+whiten+l2 or averaged+project+l2 (project, pool[N], pca[N],"
    " whiten[N], l2, umap[N]) [default: the method's own, on the code, or on embedding+l2, or on"
    " embedding+project+l2, where project goes through the projection head of the recipe strong]."
)

vector_options = together(
    click.option(
        "--embeddings",
        type=click.Path(),
        help="Cluster the vectors of this file (parquet, npy, npz, csv) into --out, without a run;"
        " latentlab import makes a run of them.",
    ),
    click.option(
        "--out",
        default="clusters.parquet",
        show_default=True,
        help="With --embeddings: the file to write.",
    ),
)
method_options = together(
    click.option(
        "--k",
        type=NumberOfClusters(),
        help='Number of clusters, or "auto": what choose-k recommends; exit code 8 if it finds no'
        " structure. A method that finds it, as hdbscan does, takes none.",
    ),
    option_of(ClusterOptions, "method", cls=OptionWithNames, make_help=method_help),
    click.option("--features", default=AUTO, help=FEATURES_HELP),
    option_of(ClusterOptions, "restarts"),
    option_of(ClusterOptions, "minibatch_above"),
    option_of(ClusterOptions, "seed"),
    click.option(
        "--seeds",
        type=click.IntRange(2),
        help="Repeat with this many seeds, and unite: consensus, agreement of each image, spread of"
        " the scores.",
    ),
    click.option(
        "--refit",
        is_flag=True,
        help="With --seeds: fit an encoder for each seed too, for the spread of the whole run.",
    ),
    click.option(
        "--tree",
        is_flag=True,
        help="Join the clusters to larger ones too, step by step; latentlab cut takes any number of"
        " them without a new fit.",
    ),
    option_of(ClusterOptions, "augment"),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="An option of the method, for example gamma=0.1; repeatable.",
    ),
    option_of(ClusterOptions, "label", "--name"),
)


@click.command()
@place_options
@recipe_option
@method_options
@vector_options
@json_option
@click.pass_context
def cluster(context: click.Context, **_values: object) -> None:
    """Cluster the code into --k groups."""
    from latentlab.refinement.run_methods import run_method

    request = ClusterRequest.of(context)
    if request.k is None and not run_method(request.method).traits.finds_k:
        raise click.UsageError("Missing option '--k'.", context)
    request.check()
    if request.embeddings:
        _cluster_vectors(request)
    elif request.seeds:
        _cluster_seeds(request.place.open(), request)
    else:
        _cluster_run(request.place.open(), request)


def _cluster_run(run: "Run", request: ClusterRequest) -> None:
    """Cluster a run with one seed."""
    from latentlab import pipeline

    clustering = pipeline.cluster(run, _options_for(run, request))
    _print_clustering(clustering, request.tree)
    _advise(run, request)


def _cluster_seeds(run: "Run", request: ClusterRequest) -> None:
    """Cluster a run with several seeds, and unite their clusters."""
    from latentlab import pipeline

    options = _options_for(run, request)
    clustering = pipeline.cluster_seeds(run, options, request.seeds or 0, request.refit)
    _print_clustering(clustering, request.tree)
    _advise(run, request)


def _cluster_vectors(request: ClusterRequest) -> None:
    """Cluster the vectors of a file that belong to no run."""
    from latentlab import pipeline
    from latentlab.cli.texts.cluster import vectors_text

    options = request.options(_number(request.k))
    result = pipeline.cluster_vectors(str(request.embeddings), options, request.out)
    print_result(result, vectors_text(request.out, result))


def _options_for(run: "Run", request: ClusterRequest) -> ClusterOptions:
    """Return how to cluster a run; says on stderr what a recipe or --k auto comes to."""
    from latentlab import pipeline
    from latentlab.cli.texts.cluster import stand_in_text

    k = _recommended_k(run, request) if request.k == AUTO else _number(request.k)
    if not request.recipe:
        return request.options(k)
    trained_on = pipeline.prototypes_of(run)
    has_prototypes = trained_on == "own"
    options = request.options(k, has_prototypes)
    if not has_prototypes and "method" not in request.typed:
        say(stand_in_text(request.recipe, trained_on), err=True)
    return options


def _number(k: int | str | None) -> int | None:
    """Return a --k that is not "auto" unchanged."""
    return None if k is None else int(k)


def _recommended_k(run: "Run", request: ClusterRequest) -> int:
    """Return the k that choose-k recommends for the features to cluster; says why on stderr."""
    from latentlab import pipeline
    from latentlab.refinement.run_methods import run_method

    # Criteria are computed for k-means; it looks at the features that the method starts from.
    features = request.values["features"]
    if features == AUTO and run_method(request.method).traits.trains_network:
        features = pipeline.resolve(run, ClusterOptions(k=2, method=request.method)).features

    # The recommendation
    options = ClusterOptions(
        features=features,
        restarts=request.values["restarts"],
        seed=request.values["seed"],
    )
    choice = pipeline.choose_k(run, options)
    if choice.structure is not None and not choice.structure.is_present:
        raise NoStructureError(
            f"`k=auto`: {choice.reason}.",
            hint=f"To cluster all the same, give a number, such as `k={choice.structure.k}`.",
        )
    say(f"--k auto: {choice.k}, since {choice.reason}", err=True)
    return choice.k


def _print_clustering(clustering: "Clustering", with_tree: bool) -> None:
    from latentlab import pipeline
    from latentlab.cli.texts.cluster import clusters_text
    from latentlab.cli.texts.tree import tree_text
    from latentlab.reporting.edits import AS_COMPUTED, Editor
    from latentlab.storage.json_form import to_json

    result = clustering.result
    note = Editor(clustering).note_as_computed()  # of clusters that were there already
    tell_edits(clustering.name, "" if note == AS_COMPUTED else note)
    place = {"run": str(clustering.run.path), "name": clustering.name, "edits": note}
    text = clusters_text(clustering.folder, result.sizes["train"], result.values)
    if with_tree:
        tree = pipeline.tree(clustering.run, clustering.name)
        place["tree"] = to_json(tree)
        text = f"{text}\n{tree_text(tree)}"
    print_result(with_intake(place | result.to_json(), clustering.run), text)


def _advise(run: "Run", request: ClusterRequest) -> None:
    """Name a better method to a user who asked for none, on the data where it was measured."""
    from latentlab import pipeline
    from latentlab.cli.texts.cluster import purer_text

    if request.recipe or "method" in request.typed:
        return
    if pipeline.prototypes_of(run) == "own":
        log.info("%s", purer_text())


@click.command()
@data_options
@click.option(
    "--embeddings",
    type=click.Path(),
    help="New vectors instead of images, as in import, of the encoder of the run's own vectors.",
)
@run_option
@name_option
@click.option(
    "--out", default="predictions.parquet", show_default=True, help="Parquet file to write."
)
@as_computed_option
@json_option
def predict(
    run_path: str,
    name: str | None,
    embeddings: str | None,
    out: str,
    as_computed: bool,
    **values: Any,
) -> None:
    """Assign new images, or new vectors, to the clusters of a run.

    Names, merged and dropped clusters of view hold for them too.
    """
    from latentlab import pipeline
    from latentlab.data import account
    from latentlab.reporting import edited_predictions
    from latentlab.reporting.edits import AS_COMPUTED
    from latentlab.storage.json_form import to_json

    run = open_run(run_path, tells_intake=False)  # that of the new images is told
    clustering = run.clustering(name)
    if embeddings is not None:
        path = str(pipeline.predict_vectors(run, clustering.name, embeddings, out, as_computed))
    else:
        path = str(pipeline.predict(run, clustering.name, data_of(values), out, as_computed))
    note = edited_predictions.note_of_file(path)
    tell_edits(clustering.name, "" if note == AS_COMPUTED else note)
    place = {"run": str(run.path), "name": clustering.name, "out": path}
    facts = {"edits": note, "clusters": to_json(edited_predictions.clusters_of_file(path))}
    print_result(place | {"intake": account.of_file(path)} | facts, path)


@click.command("choose-k")
@place_options
@by_k_options
@json_option
@click.pass_context
def choose_k(
    context: click.Context, ks: str, features: str, restarts: int, seed: int, **_values: object
) -> None:
    """Recommend a number of clusters, without labels, and show what each criterion says.

    Without --ks it looks at 2 to 15, and further while the best is at the upper end. Where no
    structure is found, none is recommended.
    """
    from latentlab import pipeline
    from latentlab.cli.texts.choose_k import choice_text
    from latentlab.clustering.choose_k import parse_range

    options = ClusterOptions(features=features, restarts=restarts, seed=seed)
    numbers = parse_range(ks) if "ks" in typed_names(context) else None
    run = Place.of(context).open()
    choice = pipeline.choose_k(run, options, numbers)
    print_result(with_intake(choice, run), choice_text(choice))
