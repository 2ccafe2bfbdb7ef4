"""The main path, top to bottom: fit, embed, cluster, evaluate, project, report.

Each function is one stage. It reads files of the run folder, writes others, and is skipped where the run folder says
that it is done with the same settings; an unfinished stage goes on where it stopped.
"""

from pathlib import Path
from typing import Any

from latentlab import sources
from latentlab.config import ClusterOptions, FitOptions, as_dict, as_toml, recorded
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.files import atomic_path, read_json, write_json
from latentlab.images import ImageSet
from latentlab.progress import log
from latentlab.run import Run
from latentlab.sources import DataOptions

MAP_SAMPLE = 60_000  # images of the map, drawn at random where there are more


def fit(data: DataOptions, options: FitOptions, run_path: str | Path, overwrite: bool = False, fresh: bool = False) -> Run:
    """Train an encoder on the training split of `data` and keep it in the folder `run_path`.

    Raises
    ------
    RunError
        If the folder holds a run with other settings and `overwrite` is false.

    With `fresh`, what the folder holds of the same settings is removed too, instead of resumed.
    """
    from latentlab import backend, encoders, model_files, training

    images = sources.open_images(data)
    if bad := len(images.unreadable):
        log.warning("%d of %d images cannot be read and are skipped; images.parquet lists them", bad, len(images) + bad)
    run = Run.create(run_path)
    with run.lock():
        config = _config(data, options, images)
        if not fresh and run.manifest.get("config") == config and run.is_done("fit", config):
            log.info("fit: done already in %s", run.path)
            return run
        _refuse_others(run, config, overwrite or fresh)
        precision = backend.set_precision(options.precision)  # what follows refuses wrong settings before anything is removed
        backend.seed(options.seed)
        model = encoders.build(options.arch, images.image_shape, options.arch_options)
        training.check(images, options)
        if fresh:
            run.clear()
        _claim(run, data, options, images, config)
        run.note(**backend.versions(), precision=precision, deterministic=backend.is_deterministic())
        with run.stage("fit", config) as outputs:
            summary = training.train(model, images, options, run)
            outputs += model_files.save(model, options.arch, options.arch_options, images.image_shape, run)
            run.note(fit=summary)  # before the stage is listed: what is listed is whole
    return run


def use_ready_made(data: DataOptions, name: str, run_path: str | Path) -> Run:
    """Make a run of `data` whose encoder comes with latentlab (see `latentlab.ready_made`) instead of being trained; return it.

    Raises
    ------
    ConfigError
        If there is no such encoder.
    RunError
        If the folder holds another run.
    """
    import dataclasses

    from latentlab import backend, model_files, ready_made, training

    described = ready_made.describe(name)
    height, _, channels = described["image_shape"]
    data = dataclasses.replace(data, size=height, grey=channels == 1)
    images = sources.open_images(data)
    options = FitOptions(**described["fit"])
    run = Run.create(run_path)
    with run.lock():
        config = _config(data, options, images) | {"ready_made": name}
        _refuse_others(run, config, overwrite=False)
        if run.is_done("fit", config):
            return run
        _claim(run, data, options, images, config)
        run.note(**backend.versions(), precision=backend.set_precision("auto"))
        model, _ = ready_made.load(name)
        with run.stage("fit", config) as outputs:
            outputs += model_files.save(model, described["arch"], described["options"], tuple(described["image_shape"]), run)
            training.write_reconstructions(model.autoencoder, images, run, described["summary"]["epochs"])
            for row in described["curve"]:
                run.append_metrics(row)
            run.note(fit=described["summary"])
    return run


def embed(run: Run) -> Run:
    """Encode every image of the run's data, in parts, and keep their codes."""
    from latentlab import backend, embedding, model_files

    if run.is_done("embed", _embed_config(run)):
        return run
    backend.set_precision(run.manifest["precision"])
    images = open_run_images(run)
    with run.lock(), run.stage("embed", _embed_config(run)) as outputs:
        outputs += embedding.write_parts(model_files.load(run), images, run.path / "embeddings")
    return run


def cluster(run: Run, options: ClusterOptions) -> dict[str, Any]:
    """Cluster the run's codes: fit on the training split, assign every image; return the facts, result.json.

    Raises
    ------
    DataError
        If k is more than the training images.
    """
    from latentlab import assignments, model_files, refined

    embed(run)
    options = resolve(run, options)
    config = {"options": as_dict(options), "embed": _embed_config(run)}
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
                outputs += assignments.make(run, options, model_files.vector_shape(run, options.features))
    if assignments.is_deep(options.method):
        refined.tidy(run, options)
    return assignments.read_result(run, options.name)


def cluster_seeds(run: Run, options: ClusterOptions, count: int, refit: bool = False) -> tuple[str, dict[str, Any]]:
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
    from latentlab import assignments

    if count < 2:
        raise ConfigError(f"--seeds must be at least 2, not {count}.")
    if not options.k:
        raise ConfigError(f"--seeds needs a number of clusters, and --method {options.method} finds one for each seed.")
    if refit and run.manifest["config"].get("ready_made"):
        raise ConfigError("--refit would train the encoder again, which came ready-made with this run: leave --refit out.")
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
        fitted = dataclasses.replace(recorded(FitOptions, config["fit"], run.path), seed=config["fit"]["seed"] + step)
        with run.lock():  # which the encoder lies below: nobody may clear it meanwhile
            where = fit(recorded(DataOptions, config["data"], run.path), fitted, run.path / "seeds" / f"seed{fitted.seed}")
            cluster(where, own)
    else:
        cluster(where, own)
    return where, own.name


def cluster_vectors(path: str | Path, options: ClusterOptions, target: str | Path) -> dict[str, Any]:
    """Cluster the vectors of a parquet file, not of a run, and write id, cluster, distance, margin and soft to `target`.

    Raises
    ------
    DataError
        If the file has no column of vectors, or fewer than k.
    """
    from latentlab import assignments

    return assignments.make_of_vectors(Path(path), assignments.resolve(options), Path(target))


def resolve(run: Run, options: ClusterOptions) -> ClusterOptions:
    """Return the options with what "auto" means for the run."""
    from latentlab import assignments, model_files

    return assignments.resolve(options, run.manifest["config"]["fit"]["augment"], model_files.has_embedding(run))


def _refine(run: Run, options: ClusterOptions) -> list[Path]:
    from latentlab import backend, model_files, refined

    backend.set_precision(run.manifest["precision"])
    return refined.make(run, options, model_files.load(run), open_run_images(run))


def predict(run: Run, name: str, data: DataOptions, target: str | Path) -> Path:
    """Assign new images to the clusters `name` of a run and write id, cluster, distance and margin to `target`.

    Raises
    ------
    DataError
        If the images have another shape than the run's and cannot be brought to it.
    """
    from latentlab import assignments, backend, predicting

    backend.set_precision(run.manifest["precision"])
    images = _open_like(run, data)
    return assignments.write_predictions(images, predicting.assign(run, name, images), Path(target))


def evaluate(run: Run, name: str | None = None) -> dict[str, Any] | None:
    """Score the clusters `name` (default: the newest) and the baselines against held-out labels; return scores.json.

    Returns None where the data has no labels.
    """
    from latentlab import assignments, backend, baselines, evaluation

    name = assignments.choose(run, name)
    options = assignments.options_of(run, name)
    _reconstruct(run)
    config = {"clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"], "scores": evaluation.SCORES_FORMAT}
    if not _is_scored(run, f"evaluate/{name}", config):
        backend.set_precision(run.manifest["precision"])
        with run.lock():
            united = assignments.members_of(run, name)
            compared = {_method_name(run, options, len(united)): assignments.read(run, name)}
            compared |= baselines.assignments_of(run, options, open_run_images)
            labels = evaluation.read_labels(run)
            if labels is None:
                log.info("evaluate: %s has no labels, so there is nothing to score", run.manifest["data"])
                return None
            members = {str(i): assignments.read(*member) for i, member in enumerate(united)}
            with run.stage(f"evaluate/{name}", config | {"labels": evaluation.fingerprint_of(labels)}) as outputs:
                outputs += evaluation.score_assignments(run, name, labels, compared, options.k, members)
    return evaluation.read_scores(run, name)


def _is_scored(run: Run, stage: str, config: dict[str, Any]) -> bool:
    """Return whether a stage that reads labels is done, with the labels that the data has now: they may have been corrected since.

    They are read only where the stage was done with some, that is where every assignment is written.
    """
    from latentlab import evaluation

    before = run.manifest["stages"].get(stage, {}).get("config", {}).get("labels")
    if before is None or not run.is_done(stage, config | {"labels": before}):
        return False
    return evaluation.fingerprint_of(evaluation.read_labels(run, keep=False)) == before


def _method_name(run: Run, options: ClusterOptions, seeds: int) -> str:
    """Return encoder, feature steps and clustering, joined by "+", and of how many seeds it is the consensus."""
    return f"{_feature_name(run, options)}+{options.title}" + (f" x{seeds}" if seeds else "")


def _reconstruct(run: Run) -> None:
    """Measure the reconstruction error on both splits; no label takes part."""
    from latentlab import backend, model_files, training

    if run.is_done("reconstruct", _embed_config(run)):
        return
    backend.set_precision(run.manifest["precision"])
    images = open_run_images(run)
    with run.lock(), run.stage("reconstruct", _embed_config(run)) as outputs:
        net = model_files.load(run).autoencoder
        errors = {split: training.mean_squared_error(net, images, images.indices(split)) for split in ("train", "test") if len(images.indices(split))}
        write_json(run.path / "reconstructions" / "mse.json", errors)
        outputs.append(run.path / "reconstructions" / "mse.json")


def project(run: Run, sample: int = MAP_SAMPLE, seed: int = 0) -> Run:
    """Lay a sample of the codes out in two dimensions with UMAP, for looking only."""
    from latentlab import projection

    embed(run)
    config = {"sample": sample, "seed": seed, "embed": _embed_config(run)}
    if not run.is_done("project", config):
        with run.lock(), run.stage("project", config) as outputs:
            outputs += projection.write(run, sample, seed)
    return run


def decode(run: Run, name: str) -> None:
    """Decode the clusters' mean codes; deep methods have done so with the encoder that they trained."""
    from latentlab import assignments, backend, decoding, model_files

    config = {"clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"]}
    if assignments.is_deep(assignments.options_of(run, name).method) or run.is_done(f"decode/{name}", config):
        return
    backend.set_precision(run.manifest["precision"])
    model = model_files.load(run)
    if model.decoder is not None:
        with run.lock(), run.stage(f"decode/{name}", config) as outputs:
            outputs.append(decoding.write(run, name, assignments.read_result(run, name)["k"], model))


def report(run: Run, name: str | None = None, sample: int = MAP_SAMPLE, seed: int = 0) -> Path:
    """Write the report on the clusters `name` (default: the newest): one HTML file and its pictures; return its path."""
    from latentlab import reporting

    found = _found(run, name, sample, seed)
    with run.lock(), run.stage(f"report/{found.name}", {"name": found.name, "sample": sample, "seed": seed}) as outputs:
        run.forget(*(stage for stage in run.manifest["stages"] if stage.startswith("report/")))  # the folder holds one report
        outputs += reporting.build(found)
    return run.path / "report" / "index.html"


def figures(
    run: Run, folder: str | Path, name: str | None = None, formats: tuple[str, ...] = ("png", "svg", "pdf"), sample: int = MAP_SAMPLE, seed: int = 0
) -> list[Path]:
    """Write figures fit for a paper, as PNG, SVG and PDF, of the clusters `name` (default: the newest); return their paths.

    Raises
    ------
    ConfigError
        If a format is unknown.
    """
    from latentlab import paper_figures

    return paper_figures.write(_found(run, name, sample, seed), Path(folder), formats)


def viewer(run: Run, name: str | None = None, sample: int = MAP_SAMPLE, seed: int = 0, port: int = 0) -> Any:
    """Return the server of `latentlab view`, whose serve_forever() answers until it is shut down.

    Raises
    ------
    RunError
        If the port is taken, or the edits were made for other assignments.
    """
    from latentlab import reporting, viewer

    found = _found(run, name, sample, seed)
    return viewer.Server(viewer.Viewer(found, reporting.training_figures(run)), port)


def export(run: Run, kind: str, target: str | Path, name: str | None = None, link: bool = False) -> Path:
    """Write the clusters `name` (default: the newest), with the edits made by hand, for other programs; return the path.

    Raises
    ------
    ConfigError
        If the format `kind` is unknown, or there is nothing to export.
    RunError
        If the target cannot be written, or the edits were made for other assignments.
    """
    from latentlab import edits, exporting

    found = look(run, name)
    return exporting.write(found, edits.Editor(run, found.name).state(), kind, Path(target), link)


def look(run: Run, name: str | None = None) -> Any:
    """Return what the run's files say of the clusters `name` (default: the newest), `latentlab.findings.Findings`; nothing is made or changed."""
    from latentlab import assignments, evaluation, findings

    return findings.gather(run, assignments.choose(run, name), open_run_images(run), evaluation.read_labels(run, keep=False))


def _found(run: Run, name: str | None, sample: int, seed: int) -> Any:
    """Return what there is to show of the clusters `name`: everything that `report` makes but the page."""
    from latentlab import assignments, evaluation, findings

    name = assignments.choose(run, name)
    evaluate(run, name)
    project(run, sample, seed)
    decode(run, name)
    return findings.gather(run, name, open_run_images(run), evaluation.read_labels(run))


def sweep(data: DataOptions, options: FitOptions, rates: list[float], folder: str | Path) -> Path:
    """Fit once for each learning rate, below `folder`, and draw their loss curves in one figure; return its path."""
    import dataclasses

    from latentlab import plots

    runs = {f"{rate:g}": fit(data, dataclasses.replace(options, learning_rate=rate), Path(folder) / f"rate-{rate:g}") for rate in rates}
    figure = plots.loss_curves({f"learning rate {rate}": run.metrics() for rate, run in runs.items()})
    return plots.save_png(figure, Path(folder) / "learning-rates.png")


def choose_k(run: Run, options: ClusterOptions, ks: list[int]) -> dict[str, Any]:
    """Look at k-means on the run's codes for every k of `ks`, without labels; return choose-k/<features>.json.

    Raises
    ------
    DataError
        If there are too few different training images for the largest k.
    """
    from latentlab import assignments, choosing, model_files
    from latentlab.progress import track

    embed(run)
    options = resolve(run, options)
    config = {"features": options.features, "seed": options.seed, "restarts": options.restarts, "ks": ks, "embed": _embed_config(run)}
    name = f"choose-k/{options.features}"
    target = run.path / f"{name}.json"
    if not run.is_done(name, config):
        with run.lock(), run.stage(name, config) as outputs, track("choose-k", ks[-1]) as bar:
            vectors = choosing.sample(assignments.training_vectors(run, options, model_files.vector_shape(run, options.features))[1], options.seed)
            found = choosing.choose(vectors, ks, options.seed, options.restarts, step=bar.update)
            write_json(target, {"features": options.features, "images": len(vectors), "seed": options.seed, **found._asdict()})
            outputs.append(target)
    return read_json(target)


def compare(named: list[tuple[Run, str | None]], folder: str | Path) -> dict[str, Any]:
    """Compare clusterings with the first of them; write comparison.json, a page, three tables and a figure to `folder`.

    Parameters
    ----------
    named : list of (Run, str or None)
        Runs with the name of their clusters; None is the newest.

    Raises
    ------
    DataError
        If the runs share no image or split them differently.
    """
    import numpy as np

    from latentlab import assignments, comparing, comparison_page, evaluation, findings, plots, text_tables

    chosen = [(run, assignments.choose(run, name)) for run, name in named]
    short = len({run.path.resolve() for run, _ in chosen}) == len({run.path.name for run, _ in chosen})
    assigned = [
        (f"{run.path.name if short else run.path}:{name}", assignments.read(run, name), assignments.options_of(run, name).k) for run, name in chosen
    ]
    (first, *others), ids, splits = comparing.common(assigned)
    labels = evaluation.read_labels(chosen[0][0])
    sides = []
    for other in others:
        side = {"name": other.name, **comparing.moved(first, other)}
        if labels is not None:
            side["scores"] = comparing.differences(first, other, evaluation.align(ids, labels), splits, len(labels.class_names))
        sides.append(side)
    found = {"first": first.name, "images": len(ids), "others": sides}
    target = Path(folder)
    write_json(target / "comparison.json", found)
    text_tables.write(comparing.frame(found), target, "comparison")
    if labels is None:
        figure = plots.transfer_heatmap(
            np.array(sides[0]["overlap"]), f"of {first.name}", f"of {sides[0]['name']}", "Images by their clusters in both"
        )
    else:
        figure = plots.score_differences(sides, first.name)
    plots.save_png(figure, target / "comparison.png")
    gathered = [findings.gather(run, name, open_run_images(run), labels) for run, name in chosen]
    with atomic_path(target / "index.html") as path:
        path.write_text(comparison_page.render(found, gathered), encoding="utf-8")
    return found


def verify(run: Run, name: str | None = None) -> dict[str, Any]:
    """Check whether the run still reproduces here; return {"reproduces", "checks", "versions"}. The run is not changed.

    Checked are the files, the images, and what the run has of: codes, clusters `name` (default: the newest), their scores.
    """
    import zipfile

    from latentlab import assignments, backend, evaluation, verifying

    _embed_config(run)
    backend.set_precision(run.manifest["precision"])
    checks = verifying.files(run)
    stages = run.manifest["stages"]
    try:
        images = open_run_images(run)
        checks.append(verifying.Check("images", True, f"{len(images):,} as recorded"))
        if "embed" in stages:
            checks.append(verifying.codes(run, images))
        if assignments.names(run) or name is not None:
            name = assignments.choose(run, name)
            checks.append(verifying.clusters(run, name, images))
        labels = evaluation.read_labels(run, keep=False) if f"evaluate/{name}" in stages else None
        if labels is not None:
            checks.append(verifying.scores(run, str(name), labels))
    except (RunError, DataError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:  # what is gone or damaged is what is looked for
        if name is not None and name not in assignments.names(run):
            raise
        checks.append(verifying.Check("recomputing", False, str(error)))
    return {
        "reproduces": all(check.held for check in checks),
        "checks": [check._asdict() for check in checks],
        "versions": verifying.versions(run),
    }


def score_by_k(run: Run, options: ClusterOptions, ks: list[int]) -> dict[str, Any] | None:
    """Cluster with k-means for every k of `ks` and score each beside its chance; return by-k/<features>.json, None without labels.

    Raises
    ------
    DataError
        If the largest k is more than the training images.
    """
    from latentlab import assignments, evaluation, model_files, plots

    embed(run)
    options = resolve(run, options)
    name = f"by-k/{options.features}"
    target = run.path / f"{name}.json"
    config = {"features": options.features, "seed": options.seed, "restarts": options.restarts, "ks": ks, "embed": _embed_config(run)}
    config["scores"] = evaluation.SCORES_FORMAT
    if not _is_scored(run, name, config):
        with run.lock():
            by_k = assignments.by_k(run, options, ks, model_files.vector_shape(run, options.features))
            labels = evaluation.read_labels(run)
            if labels is None:
                return None
            with run.stage(name, config | {"labels": evaluation.fingerprint_of(labels)}) as outputs:
                outputs.append(evaluation.score_by_k(run, labels, by_k, target))
                rows = read_json(target)["rows"]
                outputs.append(plots.save_png(plots.score_curve(rows, rows[-1]["split"]), target.with_suffix(".png")))
    return read_json(target)


def probe(run: Run, options: ClusterOptions) -> dict[str, Any] | None:
    """Probe the run's features, and raw pixels beside them, with labels; return probe/<features>.json, None without labels.

    Raises
    ------
    DataError
        If a split has no labelled image.
    """
    import numpy as np

    from latentlab import assignments, baselines, evaluation, model_files, probing

    embed(run)
    options = resolve(run, options)
    name = f"probe/{options.features}"
    target = run.path / f"{name}.json"
    config = {"features": options.features, "seed": options.seed, "embed": _embed_config(run)}
    if not _is_scored(run, name, config):
        labels = evaluation.read_labels(run)
        if labels is None:
            return None
        with run.lock(), run.stage(name, config | {"labels": evaluation.fingerprint_of(labels)}) as outputs:
            ids, splits, vectors = assignments.all_vectors(run, options, model_files.vector_shape(run, options.features))
            images, classes = open_run_images(run), evaluation.align(ids, labels)
            pixels = np.concatenate([baselines.flat(images.read(part)) for part in images.shards(baselines.SHARD)])
            rows = []
            for method, matrix in ((_feature_name(run, options), vectors), ("pixels", pixels)):
                log.info("probe: %s", method)
                rows += [{"split": "test", "method": method, **row} for row in probing.probe(matrix, splits, classes, options.seed)]
            write_json(target, {"features": options.features, "neighbors": probing.NEIGHBORS, "rows": rows})
            outputs.append(target)
    return read_json(target)


def audit(run: Run, name: str | None = None) -> dict[str, Any]:
    """Look for duplicates within and across the splits and, where there are labels, for labels that are probably wrong.

    Writes audit/duplicates.csv, label-errors.csv, audit.json and two pictures; returns audit.json. Clusters `name` (default:
    the newest) say what classes clusters stand for, and theirs are the scores with and without duplicates.
    """
    from latentlab import assignments, auditing, duplicates, evaluation, model_files
    from latentlab.progress import track

    name = assignments.choose(run, name)
    options = resolve(run, ClusterOptions(seed=assignments.options_of(run, name).seed))
    config = {"clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"], "embed": _embed_config(run), "format": auditing.FORMAT}
    if not _is_scored(run, f"audit/{name}", config):
        images, labels = open_run_images(run), evaluation.read_labels(run)
        with run.lock(), run.stage(f"audit/{name}", config | {"labels": evaluation.fingerprint_of(labels)}) as outputs:
            near = auditing.neighbors(assignments.all_vectors(run, options, model_files.vector_shape(run, options.features))[2], options.seed)
            with track("audit", len(images)) as bar:
                pairs = duplicates.find(images, near[:, : duplicates.NEAREST], bar.update)
            outputs += auditing.write(run, name, images, pairs, near, labels)
    return read_json(run.path / "audit" / name / "audit.json")


def _feature_name(run: Run, options: ClusterOptions) -> str:
    return "+".join((run.manifest["config"]["fit"]["arch"], *(() if options.features == "code" else (options.features,))))


def open_run_images(run: Run) -> ImageSet:
    """Open the images that the run was fitted on.

    Raises
    ------
    RunError
        If they have changed since.
    """
    config = run.manifest.get("config")
    if config is None:
        raise RunError(f"{run.path} has no trained encoder. Train one with: latentlab fit --run {run.path}")
    known = config if isinstance(config, dict) else {}
    images = sources.open_images(recorded(DataOptions, known.get("data"), run.path))
    if images.fingerprint != known.get("images_sha256"):
        raise RunError(f"the images of {run.path} have changed since they were fitted. Fit again into another --run.")
    if not _are_named_as_before(run, images):
        raise RunError(f"the names or splits of the images of {run.path} have changed since they were fitted. Name them as before, or fit again.")
    return images


def _are_named_as_before(run: Run, images: ImageSet) -> bool:
    """Return whether ids and splits are those of images.parquet; the fingerprint is that of the pixels alone."""
    from latentlab import tables

    table = tables.read(run.path / "images.parquet")
    rows = zip(*(table[column].to_pylist() for column in ("id", "split", "status")), strict=True)
    known = [(image_id, split) for image_id, split, status in rows if status == "ok"]
    return known == list(zip(images.ids.tolist(), images.splits.tolist(), strict=True))


def _open_like(run: Run, data: DataOptions) -> ImageSet:
    import dataclasses

    height, width, channels = run_image_shape(run)
    images = sources.open_images(data)
    if images.image_shape != (height, width, channels):
        images = sources.open_images(dataclasses.replace(data, size=height, grey=channels == 1))
    if images.image_shape != (height, width, channels):
        raise DataError(f"{images.name} has images of shape {images.image_shape}, the run's encoder takes {(height, width, channels)}.")
    return images


def run_image_shape(run: Run) -> tuple[int, int, int]:
    """Return (height, width, channels) of the images that the run's encoder takes."""
    from latentlab import model_files

    height, width, channels = model_files.describe(run)["image_shape"]
    return height, width, channels


def _embed_config(run: Run) -> dict[str, Any]:
    entry = run.manifest["stages"].get("fit")
    if entry is None:
        raise RunError(f"{run.path} has no trained encoder. Train one with: latentlab fit --run {run.path}")
    return {"encoder": [output["sha256"] for output in entry["outputs"] if output["path"].endswith("weights.npz")]}


def _config(data: DataOptions, options: FitOptions, images: ImageSet) -> dict[str, Any]:
    return {"data": as_dict(data), "fit": as_dict(options), "images_sha256": images.fingerprint}


def _refuse_others(run: Run, config: dict[str, Any], overwrite: bool) -> None:
    """Raise RunError where the run was started with other settings and may not be overwritten."""
    known = run.manifest.get("config")
    if known is not None and known != config and not overwrite:
        raise RunError(f"{run.path} holds a run with other settings ({_differences(known, config)}). Choose another --run, or --overwrite.")


def _claim(run: Run, data: DataOptions, options: FitOptions, images: ImageSet, config: dict[str, Any]) -> None:
    """Write the run's settings and list of images, where they are not there; what the run has of other settings is removed."""
    known = run.manifest.get("config")
    if known == config:
        return
    if known is not None:
        run.clear()
    with atomic_path(run.path / "config.toml") as path:
        path.write_text(as_toml({"data": data, "fit": options}), encoding="utf-8")
    _write_image_list(images, run)
    run.note(
        config=config,
        data=sources.name_of(data),
        images={split: int((images.splits == split).sum()) for split in ("train", "test")},
        unreadable=len(images.unreadable),
    )


def _differences(known: dict[str, Any], wanted: dict[str, Any]) -> str:
    texts = []
    for table in ("data", "fit"):
        for key in sorted(set(known.get(table, {})) | set(wanted[table])):
            old, new = known.get(table, {}).get(key), wanted[table].get(key)
            if old != new:
                texts.append(f"{key} was {old!r} and is {new!r}")
    if known.get("ready_made") != wanted.get("ready_made"):
        texts.append(f"the encoder was {known.get('ready_made') or 'trained'} and is {wanted.get('ready_made') or 'to be trained'}")
    return "; ".join(texts) or "the images changed"


def _write_image_list(images: ImageSet, run: Run) -> None:
    import pyarrow as pa

    from latentlab import tables

    n_bad = len(images.unreadable)
    tables.write(
        run.path / "images.parquet",
        pa.table(
            {
                "id": [*images.ids.tolist(), *(bad.path for bad in images.unreadable)],
                "split": [*images.splits.tolist(), *[None] * n_bad],
                "status": ["ok"] * len(images) + ["unreadable"] * n_bad,
                "reason": [None] * len(images) + [bad.reason for bad in images.unreadable],
            }
        ),
    )
