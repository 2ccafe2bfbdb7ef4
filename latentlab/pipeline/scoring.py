"""Clusters to scores: what reads labels, once every assignment is written."""

from typing import Any

import numpy as np

from latentlab.config import ClusterOptions
from latentlab.pipeline.clustering import prepare
from latentlab.pipeline.run_data import feature_name, open_run_images
from latentlab.progress import log
from latentlab.storage.files import read_json, write_json
from latentlab.storage.run import Run, embed_config

PIXELS = "pixels"  # their name in what a probe found


def evaluate(run: Run, name: str | None = None) -> dict[str, Any] | None:
    """Score the clusters `name` (default: the newest) and the baselines against held-out labels; return scores.json.

    Returns None where the data has no labels.
    """
    from latentlab import backend
    from latentlab.clustering import assignments, baselines
    from latentlab.scoring import evaluation

    name = assignments.choose(run, name)
    options = assignments.options_of(run, name)
    _reconstruct(run)
    config = {
        "clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"],
        "scores": evaluation.SCORES_FORMAT,
    }
    if not _is_scored(run, f"evaluate/{name}", config):
        backend.set_precision(run.manifest["precision"])
        with run.lock():
            united = assignments.members_of(run, name)
            compared = {_method_name(run, options, len(united)): assignments.read(run, name)}
            compared |= baselines.assignments_of(run, options, open_run_images)
            labels = evaluation.read_labels(run)
            if labels is None:
                log.info(
                    "evaluate: %s has no labels, so there is nothing to score", run.manifest["data"]
                )
                return None
            members = {str(i): assignments.read(*member) for i, member in enumerate(united)}
            with run.stage(
                f"evaluate/{name}", config | {"labels": evaluation.fingerprint_of(labels)}
            ) as outputs:
                outputs += evaluation.score_assignments(
                    run, name, labels, compared, options.k, members
                )
    return evaluation.read_scores(run, name)


def _is_scored(run: Run, stage: str, config: dict[str, Any]) -> bool:
    """Return whether a stage that reads labels is done, with the labels that the data has now: they may have been corrected since.

    They are read only where the stage was done with some, that is where every assignment is written.
    """
    from latentlab.scoring import evaluation

    before = run.manifest["stages"].get(stage, {}).get("config", {}).get("labels")
    if before is None or not run.is_done(stage, config | {"labels": before}):
        return False
    return evaluation.fingerprint_of(evaluation.read_labels(run, keep=False)) == before


def _method_name(run: Run, options: ClusterOptions, seeds: int) -> str:
    """Return encoder, feature steps and clustering, joined by "+", and of how many seeds it is the consensus."""
    return f"{feature_name(run, options)}+{options.title}" + (f" x{seeds}" if seeds else "")


def _reconstruct(run: Run) -> None:
    """Measure the reconstruction error on both splits; no label takes part."""
    from latentlab import backend
    from latentlab.encoders import model_files
    from latentlab.training import loop

    if run.is_done("reconstruct", embed_config(run)):
        return
    backend.set_precision(run.manifest["precision"])
    images = open_run_images(run)
    with run.lock(), run.stage("reconstruct", embed_config(run)) as outputs:
        net = model_files.load(run).autoencoder
        errors = {
            split: loop.mean_squared_error(net, images, images.indices(split))
            for split in ("train", "test")
            if len(images.indices(split))
        }
        write_json(run.path / "reconstructions" / "mse.json", errors)
        outputs.append(run.path / "reconstructions" / "mse.json")


def score_by_k(run: Run, options: ClusterOptions, ks: list[int]) -> dict[str, Any] | None:
    """Cluster with k-means for every k of `ks` and score each beside its chance; return by-k/<features>.json, None without labels.

    Raises
    ------
    DataError
        If the largest k is more than the training images.
    """
    from latentlab.clustering import assignments
    from latentlab.encoders import model_files
    from latentlab.reporting import plots
    from latentlab.scoring import evaluation

    options = prepare(run, options)
    name = f"by-k/{options.features}"
    target = run.path / f"{name}.json"
    config = {
        "features": options.features,
        "seed": options.seed,
        "restarts": options.restarts,
        "ks": ks,
        "embed": embed_config(run),
    }
    config["scores"] = evaluation.SCORES_FORMAT
    if not _is_scored(run, name, config):
        with run.lock():
            by_k = assignments.by_k(
                run, options, ks, model_files.vector_shape(run, options.features)
            )
            labels = evaluation.read_labels(run)
            if labels is None:
                return None
            with run.stage(name, config | {"labels": evaluation.fingerprint_of(labels)}) as outputs:
                outputs.append(evaluation.score_by_k(run, labels, by_k, target))
                rows = read_json(target)["rows"]
                outputs.append(
                    plots.save_png(
                        plots.score_curve(rows, rows[-1]["split"]), target.with_suffix(".png")
                    )
                )
    return read_json(target)


def probe(run: Run, options: ClusterOptions) -> dict[str, Any] | None:
    """Probe the run's features, and raw pixels beside them, with labels; return probe/<features>.json, None without labels.

    Raises
    ------
    DataError
        If a split has no labelled image.
    """
    from latentlab.clustering import assignments, baselines
    from latentlab.encoders import model_files
    from latentlab.scoring import evaluation, probing

    options = prepare(run, options)
    name = f"probe/{options.features}"
    target = run.path / f"{name}.json"
    config = {"features": options.features, "seed": options.seed, "embed": embed_config(run)}
    if not _is_scored(run, name, config):
        labels = evaluation.read_labels(run)
        if labels is None:
            return None
        config["labels"] = evaluation.fingerprint_of(labels)
        with run.lock(), run.stage(name, config) as outputs:
            ids, splits, vectors = assignments.all_vectors(
                run, options, model_files.vector_shape(run, options.features)
            )
            classes = evaluation.align(ids, labels)

            def rows_of(method: str, matrix: np.ndarray) -> list[dict[str, Any]]:
                log.info("probe: %s", method)
                return [
                    {"split": "test", "method": method, **row}
                    for row in probing.probe(matrix, splits, classes, options.seed)
                ]

            rows = rows_of(feature_name(run, options), vectors)
            if not (of_pixels := _pixel_rows(run, config)):
                images = open_run_images(run)
                of_pixels = rows_of(
                    PIXELS,
                    np.concatenate(
                        [
                            baselines.flat(images.read(part))
                            for part in images.shards(baselines.SHARD)
                        ]
                    ),
                )
            rows += of_pixels
            write_json(
                target, {"features": options.features, "neighbors": probing.NEIGHBORS, "rows": rows}
            )
            outputs.append(target)
    return read_json(target)


def _pixel_rows(run: Run, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of raw pixels from an earlier probe of other features by the same seed and labels; empty where there is none."""
    for name, entry in run.manifest["stages"].items():
        before = entry.get("config")
        same = (
            name.startswith("probe/")
            and isinstance(before, dict)
            and {**before, "features": config["features"]} == config
        )
        if same and run.is_done(name, before):
            return [
                row
                for row in read_json(run.path / f"{name}.json")["rows"]
                if row["method"] == PIXELS
            ]
    return []


def audit(run: Run, name: str | None = None) -> dict[str, Any]:
    """Look for duplicates within and across the splits and, where there are labels, for labels that are probably wrong.

    Writes audit/duplicates.csv, label-errors.csv, audit.json and two pictures; returns audit.json. Clusters `name` (default:
    the newest) say what classes clusters stand for, and theirs are the scores with and without duplicates.
    """
    from latentlab.clustering import assignments, duplicates
    from latentlab.encoders import model_files
    from latentlab.features import feature_steps
    from latentlab.progress import track
    from latentlab.reporting import auditing
    from latentlab.scoring import evaluation

    name = assignments.choose(run, name)
    options = prepare(run, ClusterOptions(seed=assignments.options_of(run, name).seed))
    config = {
        "clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"],
        "embed": embed_config(run),
        "format": auditing.FORMAT,
    }
    if feature_steps.projects(options.features):
        config["features"] = (
            options.features
        )  # an audit of an older version looked for neighbours in the embedding
    if not _is_scored(run, f"audit/{name}", config):
        images, labels = open_run_images(run), evaluation.read_labels(run)
        with (
            run.lock(),
            run.stage(
                f"audit/{name}", config | {"labels": evaluation.fingerprint_of(labels)}
            ) as outputs,
        ):
            near = auditing.neighbors(
                assignments.all_vectors(
                    run, options, model_files.vector_shape(run, options.features)
                )[2],
                options.seed,
            )
            with track("audit", len(images)) as bar:
                pairs = duplicates.find(images, near[:, : duplicates.NEAREST], bar.update)
            outputs += auditing.write(run, name, images, pairs, near, labels)
    return read_json(run.path / "audit" / name / "audit.json")
