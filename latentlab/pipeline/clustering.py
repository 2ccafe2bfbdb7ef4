"""Codes to clusters: with one seed, with several, of vectors of one's own, of new images. No label is read here."""

from pathlib import Path
from typing import Any

from latentlab.config import ClusterOptions, DataOptions, FitOptions, as_dict, recorded
from latentlab.errors import ConfigError
from latentlab.pipeline.fitting import embed, fit
from latentlab.pipeline.run_data import open_like, open_run_images
from latentlab.storage.files import read_json, write_json
from latentlab.storage.run import Run, embed_config


def cluster(run: Run, options: ClusterOptions) -> dict[str, Any]:
    """Cluster the run's codes: fit on the training split, assign every image; return the facts, result.json.

    Raises
    ------
    DataError
        If k is more than the training images.
    """
    from latentlab.clustering import assignments
    from latentlab.encoders import model_files
    from latentlab.refinement import refined

    options = prepare(run, options)
    config = {"options": as_dict(options), "embed": embed_config(run)}
    stage = f"cluster/{options.name}"
    if not run.is_done(stage, config):
        assignments.check(run, options)
        resumes = assignments.is_deep(options.method) and refined.resumes(run, options)
        with run.lock(), run.stage(stage, config) as outputs:
            if not resumes:
                assignments.start_over(run, options.name)
            if assignments.is_deep(options.method):
                outputs += _refine(run, options)
            else:
                outputs += assignments.make(
                    run, options, model_files.vector_shape(run, options.features)
                )
    if assignments.is_deep(options.method):
        refined.tidy(run, options)
    return assignments.read_result(run, options.name)


def _refine(run: Run, options: ClusterOptions) -> list[Path]:
    from latentlab import backend
    from latentlab.encoders import model_files
    from latentlab.refinement import refined

    backend.set_precision(run.manifest["precision"])
    return refined.make(run, options, model_files.load(run), open_run_images(run))


def resolve(run: Run, options: ClusterOptions) -> ClusterOptions:
    """Return the options with what "auto" means for the run.

    Raises
    ------
    ConfigError
        If the features or the method need what the run has not.
    RunError
        If the run has no encoder.
    """
    from latentlab.clustering import assignments
    from latentlab.encoders import model_files
    from latentlab.features import feature_steps
    from latentlab.training import prototypes

    embed_config(run)  # which says what to do where nothing is fitted
    above = (
        ""
        if not model_files.has_embedding(run)
        else feature_steps.PROJECTED
        if prototypes.are_there(run)
        else "embedding+l2"
    )
    options = assignments.resolve(options, run.manifest["config"]["fit"]["augment"], above)
    assignments.check_method(run, options)
    return options


def prepare(run: Run, options: ClusterOptions) -> ClusterOptions:
    """Return the options as `resolve` does, with the images embedded as they ask for."""
    from latentlab.features import feature_steps

    options = resolve(run, options)
    embed(run, averages=feature_steps.averages(options.features))
    return options


def prototypes_of(run: Run) -> str:
    """Return whose images the run's prototypes, by which clusters can be made, were learnt from.

    Returns
    -------
    str
        "own" where it was the run's images, the data's name where the encoder came ready-made and has seen others, "" without prototypes.

    Raises
    ------
    RunError
        If the run has no encoder.
    """
    from latentlab.encoders import ready_made
    from latentlab.training import prototypes

    embed_config(run)
    if not prototypes.are_there(run):
        return ""
    config = run.manifest["config"]
    name = config.get("ready_made")
    learnt = ready_made.describe(name).get("trained", {}).get("data") if name else None
    return "own" if learnt in (None, config["data"]["data"]) else learnt


def cluster_seeds(
    run: Run, options: ClusterOptions, count: int, refit: bool = False
) -> tuple[str, dict[str, Any]]:
    """Cluster with `count` seeds and unite what they give; return the consensus' name and its facts, result.json.

    Parameters
    ----------
    options : ClusterOptions
        Of the first; the others have the next seeds.
    refit : bool
        Fit an encoder for each of the other seeds too, kept below seeds/ of the run: the spread of the whole run, where
        without it there is that of the clustering alone.

    Raises
    ------
    ConfigError
        If there are fewer than two seeds, the method finds k, which differs by seed, or the encoder to fit again came ready-made.
    """
    from latentlab.clustering import assignments

    if count < 2:
        raise ConfigError(f"--seeds must be at least 2, not {count}.")
    if not options.k:
        raise ConfigError(
            f"--seeds needs a number of clusters, and --method {options.method} finds one for each seed."
        )
    if refit and {"ready_made", "weights_sha256"} & set(run.manifest["config"]):
        raise ConfigError(
            "--refit would train the encoder again, which came ready-made with this run: leave --refit out."
        )
    options = resolve(run, options)
    members = [_member(run, options, step, refit) for step in range(count)]
    name = f"{options.name}-{'refits' if refit else 'seeds'}{count}"
    config = {
        "options": as_dict(options),
        "members": [[member.path.relative_to(run.path).as_posix(), own] for member, own in members],
        "of": [member.manifest["stages"][f"cluster/{own}"]["outputs"] for member, own in members],
    }
    if not run.is_done(f"cluster/{name}", config):
        with run.lock(), run.stage(f"cluster/{name}", config) as outputs:
            assignments.start_over(run, name)
            seeds = [options.seed + step for step in range(count)]
            outputs += assignments.write_consensus(run, name, members, options, seeds)
    return name, assignments.read_result(run, name)


def _member(run: Run, options: ClusterOptions, step: int, refit: bool) -> tuple[Run, str]:
    """Make the clustering of one seed; return its run, which is another one where the encoder was fitted again, and its name."""
    import dataclasses

    label = f"{options.label}-seed{options.seed + step}" if options.label else ""
    own = dataclasses.replace(options, seed=options.seed + step, label=label)
    where = run
    if refit and step:
        config = run.manifest["config"]
        fitted = dataclasses.replace(
            recorded(FitOptions, config["fit"], run.path), seed=config["fit"]["seed"] + step
        )
        with run.lock():  # which the encoder lies below: nobody may clear it meanwhile
            where = fit(
                recorded(DataOptions, config["data"], run.path),
                fitted,
                run.path / "seeds" / f"seed{fitted.seed}",
            )
            cluster(where, own)
    else:
        cluster(where, own)
    return where, own.name


def cluster_vectors(
    path: str | Path, options: ClusterOptions, target: str | Path
) -> dict[str, Any]:
    """Cluster the vectors of a parquet file, not of a run, and write id, cluster, distance, margin and soft to `target`.

    Raises
    ------
    DataError
        If the file has no column of vectors, or fewer than k.
    """
    from latentlab.clustering import assignments

    return assignments.make_of_vectors(Path(path), assignments.resolve(options), Path(target))


def predict(run: Run, name: str, data: DataOptions, target: str | Path) -> Path:
    """Assign new images to the clusters `name` of a run and write id, cluster, distance and margin to `target`.

    Raises
    ------
    DataError
        If the images have another shape than the run's and cannot be brought to it.
    """
    from latentlab import backend
    from latentlab.clustering import assignments
    from latentlab.refinement import predicting

    backend.set_precision(run.manifest["precision"])
    images = open_like(run, data)
    return assignments.write_predictions(images, predicting.assign(run, name, images), Path(target))


def choose_k(run: Run, options: ClusterOptions, ks: list[int]) -> dict[str, Any]:
    """Look at k-means on the run's codes for every k of `ks`, without labels; return choose-k/<features>.json.

    Raises
    ------
    DataError
        If there are too few different training images for the largest k.
    """
    from latentlab.clustering import assignments, choosing
    from latentlab.encoders import model_files
    from latentlab.progress import track

    options = prepare(run, options)
    config = {
        "features": options.features,
        "seed": options.seed,
        "restarts": options.restarts,
        "ks": ks,
        "embed": embed_config(run),
    }
    name = f"choose-k/{options.features}"
    target = run.path / f"{name}.json"
    if not run.is_done(name, config):
        with run.lock(), run.stage(name, config) as outputs, track("choose-k", ks[-1]) as bar:
            vectors = choosing.sample(
                assignments.training_vectors(
                    run, options, model_files.vector_shape(run, options.features)
                )[1],
                options.seed,
            )
            found = choosing.choose(vectors, ks, options.seed, options.restarts, step=bar.update)
            write_json(
                target,
                {
                    "features": options.features,
                    "images": len(vectors),
                    "seed": options.seed,
                    **found._asdict(),
                },
            )
            outputs.append(target)
    return read_json(target)
