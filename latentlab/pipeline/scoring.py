"""Clusters to scores: what reads labels, once every assignment is written."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.config import ClusterOptions
from latentlab.data import whereabouts
from latentlab.errors import DataError
from latentlab.features.spec import NORMALIZED_EMBEDDING
from latentlab.pipeline.clustering import prepare
from latentlab.pipeline.run_data import (
    feature_name,
    open_shown_images,
    open_small_images,
)
from latentlab.progress import log
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import Clustering
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.reporting.audit import AuditReport
    from latentlab.scoring.labels import Labels
    from latentlab.scoring.probes import ProbeReport, ProbeRow
    from latentlab.scoring.scores import KScores, ScoreRow, Scores

PIXELS = "pixels"  # their name in the rows of a probe


@dataclass(frozen=True)
class _LabelStage:
    """A stage that depends on labels, which may have been corrected since it was done.

    Attributes
    ----------
    run : Run
        The run.
    name : str
        Name of the stage.
    config : dict
        Its settings but for the labels.
    """

    run: Run
    name: str
    config: dict[str, Any]

    def is_done(self) -> bool:
        """Return whether the stage is done with the labels that the data has now.

        They are read only if the stage was done with some: then every assignment is written.
        """
        from latentlab.scoring.evaluate import fingerprint_of, read_labels

        record = self.run.record(self.name)
        before = record.setting("labels") if record else None
        if before is None or not self.run.is_done(self.name, self.config | {"labels": before}):
            return False
        return fingerprint_of(read_labels(self.run, keep=False)) == before

    def do(self, labels: "Labels | None", make: Callable[[], list[Path]]) -> None:
        """Do the stage, with the fingerprint of the labels among its settings."""
        from latentlab.scoring.evaluate import fingerprint_of

        config = self.config | {"labels": fingerprint_of(labels)}
        self.run.do_stage(self.name, config, make)


def evaluate(run: Run, name: str | None = None) -> "Scores | None":
    """Score clusters and baselines against held-out labels.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.

    Returns
    -------
    Scores or None
        As in scores.json; None if the data has no labels.
    """
    from latentlab import backend
    from latentlab.encoders import model_files
    from latentlab.scoring import evaluate as evaluation
    from latentlab.scoring.scores import read_scores

    clustering = run.clustering(name)
    _measure_reconstruction(run)
    config = {
        "clusters": clustering.recorded_outputs(),
        "scores": evaluation.SCORES_FORMAT,
    }
    stage = _LabelStage(run, f"evaluate/{clustering.name}", config)
    if not stage.is_done():
        backend.set_precision(run.precision)
        # Every assignment is written before the first label is read.
        methods = {_method_name(clustering): clustering.assignments}
        with run.lock():
            methods |= _baselines(run, clustering)
            members = [member.assignments for member in clustering.members]
            labels = evaluation.read_labels(run)
        if labels is None:
            log.info("evaluate: nothing is scored: %s", evaluation.why_unlabelled(run))
            return None
        scores = evaluation.scores_of(run.data_name, labels, methods, clustering.k)
        scores = replace(scores, pretraining=model_files.describe(run).pretraining)
        if members:
            by_seed = [_member_rows(clustering, member, labels) for member in members]
            scores = replace(scores, over_seeds=evaluation.over_seeds(by_seed))
        stage.do(labels, lambda: evaluation.write_scores(clustering, scores))
    return read_scores(clustering)


def why_unlabelled(run: Run) -> str:
    """Return why `evaluate`, `score_by_k` and `probe` give None, in a clause.

    Parameters
    ----------
    run : Run
        The run.
    """
    from latentlab.scoring import evaluate as evaluation

    return evaluation.why_unlabelled(run)


def _baselines(run: Run, clustering: Clustering) -> dict[str, Assignments]:
    """Return the baselines of a clustering; none if the pictures that they need are gone."""
    from latentlab.clustering.baselines import baselines_of

    try:
        return baselines_of(run, _with_k(clustering), open_small_images)
    except DataError as error:
        if not whereabouts.are_lost(run):
            raise
        log.warning("evaluate: without baselines, since %s", error)
        return {}


def _member_rows(
    clustering: Clustering, member: Assignments, labels: "Labels"
) -> "tuple[ScoreRow, ...]":
    """Return the scores of one seed of a consensus."""
    from latentlab.scoring.evaluate import scores_of

    methods = {"seed": member}
    return scores_of(clustering.run.data_name, labels, methods, clustering.k).rows


def _with_k(clustering: Clustering) -> ClusterOptions:
    """Return the options of a clustering with its number of clusters, also if it was found."""
    return replace(clustering.options, k=clustering.k)


def _method_name(clustering: Clustering) -> str:
    """Return encoder, feature steps and method, joined by "+", and the number of seeds."""
    options = clustering.options
    name = f"{feature_name(clustering.run, options)}+{options.title}"
    count = len(clustering.members)
    return f"{name} x{count}" if count else name


def _measure_reconstruction(run: Run) -> None:
    """Measure the reconstruction error on both splits; no label takes part."""
    from latentlab.encoders.stored_inputs import StoredInputs
    from latentlab.storage import json_form

    def make() -> list[Path]:
        errors = _reconstruction_errors(run)
        return [json_form.write(run.path / "reconstructions" / "mse.json", errors)]

    if not run.config.is_autoencoder or run.is_done("reconstruct", run.encoder_config()):
        return
    if not StoredInputs(run.path).are_there and whereabouts.are_lost(run):
        log.warning("evaluate: without the error of reconstruction, since the pictures are gone")
    else:
        run.do_stage("reconstruct", run.encoder_config(), make, uses_network=True)


def _reconstruction_errors(run: Run) -> dict[str, float]:
    """Return split -> error; of the stored codes, unless the decoder needs more than those."""
    from latentlab.encoders import model_files
    from latentlab.encoders.embedding import Embeddings
    from latentlab.training import reconstructions

    images = open_small_images(run)
    model = model_files.load(run)
    if model.decoder is not None and run.is_done("embed", run.encoder_config()):
        embeddings = Embeddings(run.path)
        if np.array_equal(embeddings.index().ids, images.ids):
            codes = embeddings.parts(column="code")
            return reconstructions.errors_of_codes(model.decoder, model.code_shape, codes, images)
    of_split = {split: images.indices(split) for split in ("train", "test")}
    return {
        split: reconstructions.mean_squared_error(model.autoencoder, images, indices)
        for split, indices in of_split.items()
        if len(indices)
    }


def score_by_k(run: Run, options: ClusterOptions, ks: list[int]) -> "KScores | None":
    """Cluster with k-means for several numbers of clusters and score each.

    Parameters
    ----------
    run : Run
        A fitted run.
    options : ClusterOptions
        Features, restarts and seed are used.
    ks : list of int
        Numbers of clusters.

    Returns
    -------
    KScores or None
        As in by-k/<features>.json; None if the data has no labels.

    Raises
    ------
    DataError
        If the largest k is more than the training images.
    """
    from latentlab.clustering.vector_clustering import cluster_by_k
    from latentlab.reporting import plots
    from latentlab.scoring import evaluate as evaluation
    from latentlab.scoring.scores import KScores
    from latentlab.storage import json_form

    options = prepare(run, options)
    name = f"by-k/{options.features}"
    target = run.path / f"{name}.json"
    config = {
        "features": str(options.features),
        "seed": options.seed,
        "restarts": options.restarts,
        "ks": ks,
        "embed": run.encoder_config(),
        "scores": evaluation.SCORES_FORMAT,
    }
    stage = _LabelStage(run, name, config)
    if not stage.is_done():
        by_k = cluster_by_k(run, options, ks)
        labels = evaluation.read_labels(run)
        if labels is None:
            return None
        scores = evaluation.scores_by_k(run.data_name, labels, by_k)

        def make() -> list[Path]:
            table = evaluation.write_scores_by_k(scores, target)
            figure = plots.score_curve(scores.rows, scores.split)
            return [table, plots.save_png(figure, target.with_suffix(".png"))]

        stage.do(labels, make)
    return json_form.read(KScores, target)


def probe(run: Run, options: ClusterOptions) -> "ProbeReport | None":
    """Probe the features of a run and, for comparison, raw pixels, with labels.

    Parameters
    ----------
    run : Run
        A fitted run.
    options : ClusterOptions
        Features and seed are used.

    Returns
    -------
    ProbeReport or None
        As in probe/<features>.json; None if the data has no labels.

    Raises
    ------
    DataError
        If a split has no labelled image.
    """
    from latentlab.scoring.evaluate import fingerprint_of, read_labels
    from latentlab.scoring.probes import NEIGHBORS, ProbeReport
    from latentlab.storage import json_form

    if options.features is None and not run.config.is_autoencoder:
        # Clusters are of UMAP's coordinates there, which say less than the vectors themselves.
        options = replace(options, features=NORMALIZED_EMBEDDING)
    options = prepare(run, options)
    features = str(options.features)
    target = run.path / "probe" / f"{features}.json"
    config = {"features": features, "seed": options.seed, "embed": run.encoder_config()}
    stage = _LabelStage(run, f"probe/{features}", config)
    if not stage.is_done():
        labels = read_labels(run)
        if labels is None:
            return None
        same_labels = config | {"labels": fingerprint_of(labels)}

        def make() -> list[Path]:
            prober = _Prober(run, options, labels)
            rows = prober.feature_rows()
            rows += _earlier_pixel_rows(run, same_labels) or prober.pixel_rows()
            return [json_form.write(target, ProbeReport(features, NEIGHBORS, rows))]

        stage.do(labels, make)
    return json_form.read(ProbeReport, target)


class _Prober:
    """Probes of one run against its labels."""

    def __init__(self, run: Run, options: ClusterOptions, labels: "Labels") -> None:
        from latentlab.encoders.embedding import Embeddings
        from latentlab.scoring.evaluate import align

        self.run = run
        self.options = options
        self.index = Embeddings(run.path).index()
        self.classes = align(self.index.ids, labels)

    def feature_rows(self) -> "tuple[ProbeRow, ...]":
        """Return the probes of the features."""
        from latentlab.clustering.vector_clustering import all_vectors

        vectors = all_vectors(self.run, self.options)
        return self._rows(feature_name(self.run, self.options), vectors)

    def pixel_rows(self) -> "tuple[ProbeRow, ...]":
        """Return the probes of raw pixels; none without images."""
        from latentlab.clustering import baselines

        if self.run.config.data is None:
            return ()
        images = open_small_images(self.run)
        shards = images.shards(baselines.SHARD)
        pixels = [baselines.flat(images.read(indices)) for indices in shards]
        return self._rows(PIXELS, np.concatenate(pixels))

    def _rows(self, method: str, vectors: np.ndarray) -> "tuple[ProbeRow, ...]":
        from latentlab.scoring.probes import probe_features

        log.info("probe: %s", method)
        seed = self.options.seed
        return probe_features(vectors, self.index.splits, self.classes, seed, method=method)


def _earlier_pixel_rows(run: Run, config: dict[str, Any]) -> "tuple[ProbeRow, ...]":
    """Return the probes of pixels by an earlier probe of other features; empty without one."""
    from latentlab.scoring.probes import ProbeReport
    from latentlab.storage import json_form

    for name in run.stage_names():
        record = run.record(name)
        if not name.startswith("probe/") or record is None or not isinstance(record.config, dict):
            continue
        is_same = {**record.config, "features": config["features"]} == config
        if is_same and run.is_done(name, record.config):
            report = json_form.read(ProbeReport, run.path / f"{name}.json")
            return tuple(row for row in report.rows if row.method == PIXELS)
    return ()


def audit(run: Run, name: str | None = None) -> "AuditReport":
    """Look for duplicates within and across splits, and for labels that are probably wrong.

    Writes audit/<name>/duplicates.csv, label-errors.csv, audit.json and two pictures.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        The clusters that say which classes they stand for, and whose scores are compared with and
        without duplicates; None is the newest.

    Returns
    -------
    AuditReport
        As in audit.json.
    """
    from latentlab.clustering import duplicates
    from latentlab.clustering.vector_clustering import all_vectors
    from latentlab.features.spec import FeatureSpec
    from latentlab.progress import track
    from latentlab.reporting import audit as auditing
    from latentlab.scoring.evaluate import read_labels
    from latentlab.storage import json_form

    clustering = run.clustering(name)
    options = ClusterOptions(seed=clustering.options.seed)
    if run.config.fit is None:
        # The default of features from outside ends in a map, which moves neighbours.
        options = replace(options, features=FeatureSpec.parse(auditing.FEATURES))
    options = prepare(run, options)
    config = {
        "clusters": clustering.recorded_outputs(),
        "embed": run.encoder_config(),
        "format": auditing.AUDIT_FORMAT,
    }
    if options.features is not None and options.features.projects:
        # Older versions looked for neighbours in the embedding, and recorded no features.
        config["features"] = str(options.features)
    stage = _LabelStage(run, f"audit/{clustering.name}", config)
    target = auditing.audit_folder(clustering) / "audit.json"
    if not stage.is_done():
        images = open_shown_images(run)
        labels = read_labels(run)

        def make() -> list[Path]:
            vectors = all_vectors(run, options)
            neighbors = auditing.nearest_images(vectors, options.seed)
            if run.config.data is None:
                log.info("audit: there are no images, so duplicates are vectors that are equal")
                pairs = duplicates.equal_vectors(vectors)
            else:
                with track("audit", len(images)) as bar:
                    nearest = neighbors[:, : duplicates.NEAREST]
                    pairs = duplicates.find(images, nearest, bar.update)
            return auditing.write_audit(clustering, images, pairs, neighbors, labels)

        stage.do(labels, make)
    return json_form.read(auditing.AuditReport, target)
