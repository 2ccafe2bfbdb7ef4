"""Clusters to scores: what reads labels, once every assignment is written."""

from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.config import ClusterOptions
from latentlab.pipeline.clustering import prepare
from latentlab.pipeline.run_data import feature_name, open_run_images
from latentlab.progress import log
from latentlab.storage.files import write_json
from latentlab.storage.run import Run, embed_config

if TYPE_CHECKING:
    from latentlab.reporting.audit import AuditReport
    from latentlab.scoring.probes import ProbeReport, ProbeRow
    from latentlab.scoring.scores import KScores, Scores

PIXELS = "pixels"  # their name in what a probe found


def evaluate(run: Run, name: str | None = None) -> "Scores | None":
    """Score the clusters `name` (default: the newest) and the baselines against held-out labels; return scores.json.

    Returns None where the data has no labels.
    """
    import dataclasses

    from latentlab import backend
    from latentlab.clustering import assignments, baselines
    from latentlab.scoring.evaluate import (
        SCORES_FORMAT,
        fingerprint_of,
        over_seeds,
        read_labels,
        scores_of,
        write_scores,
    )
    from latentlab.scoring.scores import read_scores
    from latentlab.storage.assignments import Assignments

    name = assignments.choose(run, name)
    options = assignments.options_of(run, name)
    _reconstruct(run)
    config = {
        "clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"],
        "scores": SCORES_FORMAT,
    }
    if not _is_scored(run, f"evaluate/{name}", config):
        backend.set_precision(run.manifest["precision"])
        with run.lock():
            united = assignments.members_of(run, name)
            clustering = run.clustering(name)
            compared = {_method_name(run, options, len(united)): clustering.assignments}
            compared |= {
                method: Assignments(*triple)
                for method, triple in baselines.assignments_of(
                    run, options, open_run_images
                ).items()
            }
            labels = read_labels(run)
            if labels is None:
                log.info(
                    "evaluate: %s has no labels, so there is nothing to score", run.manifest["data"]
                )
                return None
            scores = scores_of(run.data_name, labels, compared, options.k)
            if united:
                by_seed = [
                    scores_of(
                        run.data_name, labels, {name: of.clustering(name).assignments}, options.k
                    ).rows
                    for of, name in united
                ]
                scores = dataclasses.replace(scores, over_seeds=over_seeds(by_seed))
            with run.stage(
                f"evaluate/{name}", config | {"labels": fingerprint_of(labels)}
            ) as outputs:
                outputs += write_scores(clustering, scores)
    return read_scores(run.clustering(name))


def _is_scored(run: Run, stage: str, config: dict[str, Any]) -> bool:
    """Return whether a stage that reads labels is done, with the labels that the data has now: they may have been corrected since.

    They are read only where the stage was done with some, that is where every assignment is written.
    """
    from latentlab.scoring.evaluate import fingerprint_of, read_labels

    before = run.manifest["stages"].get(stage, {}).get("config", {}).get("labels")
    if before is None or not run.is_done(stage, config | {"labels": before}):
        return False
    return fingerprint_of(read_labels(run, keep=False)) == before


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


def score_by_k(run: Run, options: ClusterOptions, ks: list[int]) -> "KScores | None":
    """Cluster with k-means for every k of `ks` and score each beside its chance; return by-k/<features>.json, None without labels.

    Raises
    ------
    DataError
        If the largest k is more than the training images.
    """
    from latentlab.clustering import assignments
    from latentlab.encoders import model_files
    from latentlab.reporting import plots
    from latentlab.scoring.evaluate import (
        SCORES_FORMAT,
        fingerprint_of,
        read_labels,
        scores_by_k,
        write_scores_by_k,
    )
    from latentlab.scoring.scores import KScores
    from latentlab.storage import json_form
    from latentlab.storage.assignments import Assignments

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
    config["scores"] = SCORES_FORMAT
    if not _is_scored(run, name, config):
        with run.lock():
            by_k = assignments.by_k(
                run, options, ks, model_files.vector_shape(run, options.features)
            )
            labels = read_labels(run)
            if labels is None:
                return None
            with run.stage(name, config | {"labels": fingerprint_of(labels)}) as outputs:
                scores = scores_by_k(
                    run.data_name, labels, {k: Assignments(*triple) for k, triple in by_k.items()}
                )
                outputs.append(write_scores_by_k(scores, target))
                outputs.append(
                    plots.save_png(
                        plots.score_curve(scores.rows, scores.split), target.with_suffix(".png")
                    )
                )
    return json_form.read(KScores, target)


def probe(run: Run, options: ClusterOptions) -> "ProbeReport | None":
    """Probe the run's features, and raw pixels beside them, with labels; return probe/<features>.json, None without labels.

    Raises
    ------
    DataError
        If a split has no labelled image.
    """
    from latentlab.clustering import assignments, baselines
    from latentlab.encoders import model_files
    from latentlab.scoring.evaluate import align, fingerprint_of, read_labels
    from latentlab.scoring.probes import NEIGHBORS, ProbeReport, ProbeRow, probe_features
    from latentlab.storage import json_form

    options = prepare(run, options)
    name = f"probe/{options.features}"
    target = run.path / f"{name}.json"
    config = {"features": options.features, "seed": options.seed, "embed": embed_config(run)}
    if not _is_scored(run, name, config):
        labels = read_labels(run)
        if labels is None:
            return None
        config["labels"] = fingerprint_of(labels)
        with run.lock(), run.stage(name, config) as outputs:
            ids, splits, vectors = assignments.all_vectors(
                run, options, model_files.vector_shape(run, options.features)
            )
            classes = align(ids, labels)

            def rows_of(method: str, matrix: np.ndarray) -> tuple[ProbeRow, ...]:
                log.info("probe: %s", method)
                return probe_features(matrix, splits, classes, options.seed, method=method)

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
            json_form.write(target, ProbeReport(str(options.features), NEIGHBORS, tuple(rows)))
            outputs.append(target)
    return json_form.read(ProbeReport, target)


def _pixel_rows(run: Run, config: dict[str, Any]) -> "tuple[ProbeRow, ...]":
    """Return the rows of raw pixels from an earlier probe of other features by the same seed and labels; empty where there is none."""
    from latentlab.scoring.probes import ProbeReport
    from latentlab.storage import json_form

    for name, entry in run.manifest["stages"].items():
        before = entry.get("config")
        same = (
            name.startswith("probe/")
            and isinstance(before, dict)
            and {**before, "features": config["features"]} == config
        )
        if same and run.is_done(name, before):
            report = json_form.read(ProbeReport, run.path / f"{name}.json")
            return tuple(row for row in report.rows if row.method == PIXELS)
    return ()


def audit(run: Run, name: str | None = None) -> "AuditReport":
    """Look for duplicates within and across the splits and, where there are labels, for labels that are probably wrong.

    Writes audit/duplicates.csv, label-errors.csv, audit.json and two pictures; returns audit.json. Clusters `name` (default:
    the newest) say what classes clusters stand for, and theirs are the scores with and without duplicates.
    """
    from latentlab.clustering import assignments, duplicates
    from latentlab.encoders import model_files
    from latentlab.features import feature_steps
    from latentlab.progress import track
    from latentlab.reporting.audit import AUDIT_FORMAT, nearest_images, read_audit, write_audit
    from latentlab.scoring.evaluate import fingerprint_of, read_labels

    name = assignments.choose(run, name)
    options = prepare(run, ClusterOptions(seed=assignments.options_of(run, name).seed))
    config = {
        "clusters": run.manifest["stages"][f"cluster/{name}"]["outputs"],
        "embed": embed_config(run),
        "format": AUDIT_FORMAT,
    }
    if feature_steps.projects(options.features):
        config["features"] = (
            options.features
        )  # an audit of an older version looked for neighbours in the embedding
    if not _is_scored(run, f"audit/{name}", config):
        images, labels = open_run_images(run), read_labels(run)
        with (
            run.lock(),
            run.stage(f"audit/{name}", config | {"labels": fingerprint_of(labels)}) as outputs,
        ):
            near = nearest_images(
                assignments.all_vectors(
                    run, options, model_files.vector_shape(run, options.features)
                )[2],
                options.seed,
            )
            with track("audit", len(images)) as bar:
                pairs = duplicates.find(images, near[:, : duplicates.NEAREST], bar.update)
            outputs += write_audit(run.clustering(name), images, pairs, near, labels)
    return read_audit(run.clustering(name))
