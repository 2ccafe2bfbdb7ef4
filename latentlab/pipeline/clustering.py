"""Codes to clusters: with one seed or several, of a file of vectors, of new images; no labels."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import account, whereabouts
from latentlab.data.images import ImageSet
from latentlab.data.intake import Intake
from latentlab.errors import ConfigError, DataError
from latentlab.features.spec import CODE_START, NORMALIZED_EMBEDDING, PROJECTED, FeatureSpec
from latentlab.pipeline.embedding import embed
from latentlab.pipeline.fitting import fit
from latentlab.pipeline.run_data import AT_HOME, UPDATED, open_like, open_run_images
from latentlab.storage.clustering import Clustering
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.clustering.choose_k import KChoice
    from latentlab.clustering.run_method import RunMethod


def cluster(run: Run, options: ClusterOptions) -> Clustering:
    """Cluster the codes of a run: fit on the training split, assign every image.

    Parameters
    ----------
    run : Run
        A fitted run; its images are embedded if they are not yet.
    options : ClusterOptions
        How to cluster.

    Returns
    -------
    Clustering
        The clusters, with `assignments`, `k` and `result`.

    Raises
    ------
    ConfigError
        If an option is wrong, or the run cannot serve it.
    DataError
        If k is more than the training images.
    """
    from latentlab.clustering.run_method import start_over
    from latentlab.refinement.run_methods import run_method

    method = run_method(options.method)
    options = _resolve_by(method, run, options)
    _embed_for(run, options)
    encoder = run.encoder_config()
    config = {"options": options.recorded(), "embed": encoder}

    def make() -> list[Path]:
        if not method.resumes(run, options):
            start_over(run, options.name)
        made = method.make(run, options, open_run_images)
        if method.traits.evens_sizes:
            _note_evenness(run, options)
        return made

    run.do_stage(
        f"cluster/{options.name}",
        config,
        make,
        uses_network=method.traits.trains_network,
        check=lambda: method.check_before(run, options),
    )
    method.finish(run, options)
    return run.clustering(options.name)


def _note_evenness(run: Run, options: ClusterOptions) -> None:
    """Write into result.json if clusters are of like sizes though the images seem not to be."""
    from latentlab.clustering.evenness import compare
    from latentlab.clustering.vector_clustering import TrainingVectors
    from latentlab.data.images import TRAIN
    from latentlab.storage.assignments import Assignments
    from latentlab.storage.clustering import ASSIGNMENTS_NAME, RESULT_NAME
    from latentlab.storage.files import read_json, write_json

    folder = run.path / "clusters" / options.name
    assignments = Assignments.read(folder / ASSIGNMENTS_NAME)
    clusters = assignments.clusters[assignments.splits == TRAIN]
    evenness = compare(TrainingVectors.of(run, options).vectors.matrix(), clusters, options)
    if evenness is None or not evenness.is_forced:
        return
    result = read_json(folder / RESULT_NAME)
    evened = {
        "kmeans_sizes": list(evenness.kmeans_sizes),
        "cut": round(evenness.cut, 4),
        "kmeans_cut": round(evenness.kmeans_cut, 4),
        "explained": round(evenness.explained, 4),
        "kmeans_explained": round(evenness.kmeans_explained, 4),
        "text": evenness.text,
    }
    write_json(folder / RESULT_NAME, result | {"evens_out": evened})


def resolve(run: Run, options: ClusterOptions) -> ClusterOptions:
    """Return the options with what "auto" means for a run.

    Parameters
    ----------
    run : Run
        A fitted run.
    options : ClusterOptions
        What was asked for.

    Raises
    ------
    ConfigError
        If the run cannot serve the features or the method.
    RunError
        If the run has no encoder.
    """
    from latentlab.refinement.run_methods import run_method

    return _resolve_by(run_method(options.method), run, options)


def _resolve_by(method: "RunMethod", run: Run, options: ClusterOptions) -> ClusterOptions:
    run.encoder_config()  # says what to do if nothing is fitted
    fit = run.config.fit
    augment = fit.augment if fit is not None else "none"
    options = method.resolve(options, augment, _default_above(run, method))
    if fit is None and options.features is not None and options.features.start == CODE_START:
        # Such an encoder has no code: steps without a start begin with the embedding.
        options = replace(options, features=options.features.starting_from("embedding"))
    method.check(run, options)
    return options


def _default_above(run: Run, method: "RunMethod") -> FeatureSpec | None:
    """Return what is clustered by default above the code; None if the encoder ends with it."""
    from latentlab.encoders import model_files
    from latentlab.training import prototypes

    description = model_files.describe(run)
    if not description.has_embedding:
        return None
    is_shipped = run.config.ready_made is not None
    # Its head compares images of the shape that it was trained on; on others it loses too much.
    has_head = description.has_code and (not is_shipped or run.fact(AT_HOME, True))
    above = PROJECTED if has_head and prototypes.are_there(run) else NORMALIZED_EMBEDDING
    is_trained_on_them = description.has_code and (not is_shipped or prototypes_of(run) == "own")
    steps = method.traits.pretrained_features
    if is_trained_on_them or method.traits.default_features or not steps:
        return above
    return above.followed_by(FeatureSpec.parse(steps).steps)


def prepare(run: Run, options: ClusterOptions) -> ClusterOptions:
    """Return `options` as `resolve` does, and embed the images of `run` as they ask for."""
    options = resolve(run, options)
    _embed_for(run, options)
    return options


def _embed_for(run: Run, options: ClusterOptions) -> None:
    """Embed the images of a run as resolved options ask for."""
    start = CODE_START if options.features is None else options.features.start
    embed(run, averages=start == "averaged")


def prototypes_of(run: Run) -> str:
    """Return the images that a run's prototypes were trained on.

    Parameters
    ----------
    run : Run
        A fitted run.

    Returns
    -------
    str
        "own" for the run's images; the data's name if the encoder was shipped and has seen others;
        "" without prototypes.

    Raises
    ------
    RunError
        If the run has no encoder.
    """
    from latentlab.encoders import ready_made
    from latentlab.training import prototypes

    run.encoder_config()
    if not prototypes.are_there(run):
        return ""
    config = run.config
    if config.ready_made is None:
        return "own"
    trained = ready_made.shipped().describe(config.ready_made).trained or {}
    data = trained.get("data")
    return "own" if data in (None, config.images.data) else data


def cluster_seeds(run: Run, options: ClusterOptions, count: int, refit: bool = False) -> Clustering:
    """Cluster with several seeds and unite the results.

    Parameters
    ----------
    run : Run
        A fitted run.
    options : ClusterOptions
        Those of the first member; the others have the next seeds.
    count : int
        Number of seeds, at least 2.
    refit : bool
        Fit an encoder for each of the other seeds too, below seeds/ of the run. Then the spread is
        that of the whole run, and not of the clustering alone.

    Returns
    -------
    Clustering
        The consensus.

    Raises
    ------
    ConfigError
        If there are fewer than two seeds, the method finds k, which differs by seed, or the
        encoder to fit again was not trained in this run.
    """
    from latentlab.clustering.consensus_files import write_consensus
    from latentlab.clustering.run_method import start_over

    _check_seeds(run, options, count, refit)
    options = resolve(run, options)
    members = [_member(run, options, step, refit) for step in range(count)]
    name = f"{options.name}-{'refits' if refit else 'seeds'}{count}"
    places = [member.run.path.relative_to(run.path).as_posix() for member in members]
    config = {
        "options": options.recorded(),
        "members": [[place, member.name] for place, member in zip(places, members, strict=True)],
        "of": [member.recorded_outputs() for member in members],
    }

    def make() -> list[Path]:
        start_over(run, name)
        seeds = [options.seed + step for step in range(count)]
        return write_consensus(run.path / "clusters" / name, members, options, seeds)

    run.do_stage(f"cluster/{name}", config, make)
    return run.clustering(name)


def _check_seeds(run: Run, options: ClusterOptions, count: int, refit: bool) -> None:
    if count < 2:
        raise ConfigError(": must be at least 2", field="seeds", value=count, limit=2)
    if options.k is None:
        raise ConfigError(
            "`seeds` needs a number of clusters, and"
            f" `method={options.method}` finds one for each seed."
        )
    if refit and run.fact(UPDATED):
        raise ConfigError(
            "`refit` needs the images that the run was fitted on, and `update` has changed them:"
            " leave `refit` out, or fit again into another `run`."
        )
    if refit and not run.config.has_trained_encoder:
        raise ConfigError(
            "`refit` would train the encoder again, which came ready-made with this run:"
            " leave `refit` out."
        )


def _member(run: Run, options: ClusterOptions, step: int, refit: bool) -> Clustering:
    """Make the clustering of one seed; with `refit` in a run with its own encoder."""
    seed = options.seed + step
    label = f"{options.label}-seed{seed}" if options.label else ""
    member_options = replace(options, seed=seed, label=label)
    if not (refit and step):
        return cluster(run, member_options)
    config = run.config
    fit_options = replace(config.training, seed=config.training.seed + step)
    # The other run lies below this one: nobody may clear it meanwhile.
    with run.lock():
        folder = run.path / "seeds" / f"seed{fit_options.seed}"
        data = whereabouts.first_located(run)
        return cluster(fit(data, fit_options, folder), member_options)


def cluster_vectors(
    path: str | Path, options: ClusterOptions, target: str | Path
) -> Mapping[str, Any]:
    """Cluster the vectors of a file that belong to no run.

    Parameters
    ----------
    path : str or pathlib.Path
        A .parquet, .npy, .npz or .csv file; see `latentlab.storage.vector_files`.
    options : ClusterOptions
        How to cluster, by a method that leaves the vectors as they are.
    target : str or pathlib.Path
        The parquet file to write: id, cluster, distance, margin and soft, and the other columns
        of the file.

    Returns
    -------
    mapping
        What result.json holds of a run's clusters; "id_column" is the column of the ids.

    Raises
    ------
    ConfigError
        If the method trains a network.
    DataError
        If the file has no column of vectors, or fewer than k.
    """
    from latentlab.clustering.vector_clustering import cluster_file
    from latentlab.refinement.run_methods import run_method

    method = run_method(options.method)
    options = method.resolve(options)
    if method.traits.trains_network:
        raise ConfigError(
            "trains the network that made the vectors, which a file of vectors lacks:"
            " use kmeans, gmm, n2d, scan or temi",
            field="method",
            value=options.method,
        )
    return cluster_file(Path(path), options, Path(target))


def predict(
    run: Run,
    name: str | None,
    data: DataOptions,
    target: str | Path,
    as_computed: bool = False,
) -> Path:
    """Assign new images to the clusters of a run.

    Parameters
    ----------
    run : Run
        The run.
    name : str or None
        Its clusters; None is the newest.
    data : DataOptions
        The new images.
    target : str or pathlib.Path
        The parquet file to write: id, cluster, cluster_name, distance, margin and soft; its
        metadata hold the intake account of the images, and whether edits are applied.
    as_computed : bool
        Leave edits made by hand out, see `latentlab.reporting.edited_predictions`.

    Returns
    -------
    pathlib.Path
        `target`.

    Raises
    ------
    DataError
        If the images cannot be brought to the shape of the run's.
    RunError
        If the edits are damaged or were made for other assignments, unless `as_computed`.
    """
    import pyarrow as pa

    from latentlab import backend
    from latentlab.clustering.vector_clustering import assigned_table
    from latentlab.refinement.run_methods import assign_images
    from latentlab.reporting.edited_predictions import with_edits
    from latentlab.storage import tables

    clustering = run.clustering(name)
    backend.set_precision(run.precision)
    images = open_like(run, data)
    parts, assigned_positions = [], []
    for indices, assigned in assign_images(clustering, images):
        assigned_positions.append(indices)
        parts.append(assigned_table(images.ids[indices].tolist(), assigned))
    if not parts:
        raise DataError(f"{images.name}: none of the {len(images)} images can be read.")
    table = with_edits(pa.concat_tables(parts), clustering, as_computed)
    intake = _intake_of(images, np.concatenate(assigned_positions))
    account.tell(intake)
    return tables.write(Path(target), account.with_metadata(table, intake))


def _intake_of(images: ImageSet, assigned: np.ndarray) -> Intake:
    """Return the account of images of which some have been assigned; the others are tried again."""
    left = np.setdiff1d(np.arange(len(images)), assigned)
    if len(left) == 0:
        return images.intake
    tried = zip(images.ids[left].tolist(), images.try_read(left), strict=True)
    faults = [(name, reason) for name, reason in tried if isinstance(reason, str)]
    return images.source_intake.completed(len(assigned), faults)


def choose_k(run: Run, options: ClusterOptions, ks: list[int] | None = None) -> "KChoice":
    """Recommend a number of clusters for k-means on the codes of a run, without labels.

    Parameters
    ----------
    run : Run
        A fitted run.
    options : ClusterOptions
        Features, restarts and seed are used.
    ks : list of int or None
        Numbers of clusters to look at; None: 2 to 15, and as far beyond as the data may need.

    Returns
    -------
    KChoice
        The recommendation and each criterion's values, as in choose-k/<features>.json; its k is 1
        if no structure was found.

    Raises
    ------
    DataError
        If there are too few different training images for the largest k.
    """
    from latentlab.clustering import choose_k as choosing
    from latentlab.progress import track
    from latentlab.storage import json_form

    options = prepare(run, options)
    features = str(options.features)
    config = {
        "features": features,
        "seed": options.seed,
        "restarts": options.restarts,
        "ks": ks,
        "embed": run.encoder_config(),
        "format": choosing.FORMAT,
    }
    name = f"choose-k/{features}"
    target = run.path / f"{name}.json"

    def make() -> list[Path]:
        vectors = _sample(run, options)
        numbers = ks or choosing.usual_range(vectors)
        before_umap = None
        if options.features is not None and options.features.has("umap"):
            before_umap = _sample(run, replace(options, features=options.features.without("umap")))
        with track("choose-k", numbers[-1], "clusters at most") as bar:
            choice = choosing.choose(
                vectors,
                numbers,
                options.seed,
                options.restarts,
                bar.update,
                before_umap=before_umap,
                extend=ks is None,
            )
        facts = {"features": features, "images": len(vectors), "seed": options.seed}
        return [json_form.write(target, facts | json_form.to_json(choice))]

    run.do_stage(name, config, make)
    return json_form.read(choosing.KChoice, target)


def _sample(run: Run, options: ClusterOptions) -> np.ndarray:
    """Return the training vectors among which a number of clusters is chosen, or some of them."""
    from latentlab.clustering import choose_k as choosing
    from latentlab.clustering.vector_clustering import TrainingVectors

    return choosing.sample(TrainingVectors.of(run, options).vectors, options.seed)
