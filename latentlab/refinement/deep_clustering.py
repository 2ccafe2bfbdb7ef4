"""Deep clusters of a run as files: train network and clusters together, assign every image.

clusters/<name>/assignments.parquet   as of any clustering, and start: the cluster before
clusters/<name>/assigner.keras        images -> [z, q]; Keras opens it if latentlab is imported
clusters/<name>/model.npz             the centers
clusters/<name>/weights.npz           the weights of the whole refined model
clusters/<name>/decoded.npz           decoded means of the clusters, and ways between them
clusters/<name>/history.jsonl         one row per round: losses, label change, sizes
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import backend, plugins
from latentlab.clustering.assigned import Assigned, canonical_order, distances_to, grouped
from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.cuts import groups_of, origin_of
from latentlab.clustering.decoded_means import save_decoded
from latentlab.clustering.means import RunningMeans
from latentlab.clustering.run_method import RunMethod, Traits
from latentlab.clustering.vector_clustering import as_assignments
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.data.images import TRAIN, ImageSet, as_input
from latentlab.encoders.embedding import Embeddings, encode
from latentlab.encoders.image_encoder import open_network, require_trainable
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError, RunError
from latentlab.features.fitted import Arrays, FittedFeatures, fit_features
from latentlab.features.sampling import sample_by_id, sampled
from latentlab.features.spec import CODE
from latentlab.refinement.feature_layers import check_gradients
from latentlab.refinement.loop import (
    RefinementLoop,
    RefinementSummary,
    RoundRow,
    Schedule,
    assign_all,
    assign_batch,
)
from latentlab.refinement.refiner import Refinement, Refiner
from latentlab.refinement.start import StartingClusters, start_from
from latentlab.storage import checkpoints, guard, json_form, keras_files, npz
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import (
    ASSIGNMENTS_NAME,
    DECODED_NAME,
    HISTORY_NAME,
    MODEL_NAME,
    RESULT_NAME,
    Clustering,
)
from latentlab.storage.files import atomic_path, fingerprint, refusals, remove_folder, write_json
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run
from latentlab.training import prototypes
from latentlab.training.reconstructions import mean_squared_error

SHARD = 2048
MEASURED_IMAGES = 500  # training images for the error that a method may start from
SMALLEST_ERROR = 1e-6
ASSIGNER_NAME = "assigner.keras"
WEIGHTS_NAME = "weights.npz"


@dataclass(frozen=True)
class Refined:
    """A network and clusters that were trained together.

    Attributes
    ----------
    refinement : Refinement
        The trained method.
    features : FittedFeatures
        The feature steps that it started from.
    start : StartingClusters
        The clusters before.
    summary : RefinementSummary
        How the training went.
    """

    refinement: Refinement
    features: FittedFeatures
    start: StartingClusters
    summary: RefinementSummary


@dataclass(frozen=True)
class DeepTraining:
    """The inputs for training a network and clusters together.

    Attributes
    ----------
    model : Model
        The trained autoencoder; its weights will change.
    images : ImageSet
        All images; those of the training split are trained on.
    codes : list of ndarray of shape (m, d)
        Flattened codes of the training images, in order.
    options : ClusterOptions
        From `RunMethod.resolve`.
    folder : pathlib.Path
        Where checkpoints go, and where an interrupted training resumes from.
    record : callable
        record(row) is called after each round.
    prototype_shares, head : callable or None
        As in `Vectors` and `fit_features`.
    """

    model: Model
    images: ImageSet
    codes: list[np.ndarray]
    options: ClusterOptions
    folder: Path
    record: Callable[[RoundRow], None]
    prototype_shares: Callable[[], np.ndarray] | None = None
    head: Callable[[], Arrays] | None = None

    def run(self) -> Refined:
        """Fit the features and the starting clusters, then train until the clusters settle."""
        options = self.options
        refiner = Refiner.named(options.method)
        settings = refiner.parse_options(options.settings)
        backend.seed(options.seed)
        features = self._fit_features()
        vectors = [features.transform(part) for part in self.codes]
        matrix = Vectors.of(np.concatenate(vectors), self.prototype_shares)
        start, clusters = start_from(matrix, self.model, features, options, settings)
        start = dataclasses.replace(start, error=self._error(), read=self._read)
        refinement = refiner.start(start, settings)
        schedule = Schedule.of(settings, options.augment, options.seed)
        loop = RefinementLoop(refinement, self.images, schedule, self.folder, self.record)
        return Refined(refinement, features, clusters, loop.run())

    def _fit_features(self) -> FittedFeatures:
        spec = self.options.features or CODE
        check_gradients(spec)
        shape = tuple(self.model.part(spec.start).output_shape[1:])
        ids = self.images.ids[self.images.indices(TRAIN)]
        some = sampled(self.codes, ids, self.options.seed)
        return fit_features(spec, some, shape, self.options.seed, head=self.head)

    def _error(self) -> float:
        """Return the reconstruction error of some training images, above 0; 1 without decoder."""
        if not self.model.reconstructs:
            return 1.0
        indices = self.images.indices(TRAIN)
        rows = sample_by_id(self.images.ids[indices], MEASURED_IMAGES, self.options.seed)
        error = mean_squared_error(self.model.autoencoder, self.images, indices[rows])
        return max(error, SMALLEST_ERROR)

    def _read(self, positions: np.ndarray) -> np.ndarray:
        """Return the training images at some positions, float32 in [0, 1]."""
        indices = self.images.indices(TRAIN)
        return as_input(self.images.read(indices[positions]))


@dataclass(frozen=True)
class DeepClustering(RunMethod):
    """A refinement method at work on runs."""

    plugin: Refiner

    @functools.cached_property
    def traits(self) -> Traits:  # type: ignore[override]
        """What the method needs and does."""
        capabilities = self.plugin.capabilities
        return Traits(
            trains_network=True,
            default_features=capabilities.default_features,
            evens_sizes=capabilities.evens_sizes,
        )

    def needs_prototypes(self, options: ClusterOptions) -> bool:
        """Return whether the method that makes the starting clusters reads prototypes."""
        start = self.plugin.parse_options(options.settings).start
        if start not in plugins.names("clustering"):
            return False
        return Clusterer.named(start).capabilities.needs_prototypes

    def check(self, run: Run, options: ClusterOptions) -> None:
        """Refuse encoders that cannot be trained so too; errors as in `RunMethod.check`."""
        require_trainable(run)
        if self.plugin.capabilities.needs_decoder and not run.config.is_autoencoder:
            raise ConfigError(
                "needs a decoder, which the encoder of this run does not have: choose dec,"
                " consistency, selflabel or selftrain",
                field="method",
                value=options.method,
            )
        super().check(run, options)

    def check_before(self, run: Run, options: ClusterOptions) -> None:
        """Refuse features without gradients too; errors as in `RunMethod.check_before`."""
        super().check_before(run, options)
        check_gradients(options.features or CODE)

    def resumes(self, run: Run, options: ClusterOptions) -> bool:
        """Return whether a training of these settings and this encoder was interrupted."""
        return _checkpoint_folder(run, options).exists()

    def make(
        self, run: Run, options: ClusterOptions, open_images: Callable[[Run], ImageSet]
    ) -> list[Path]:
        """Train the clusters, assign every image and write the files; return their paths.

        Goes on where an earlier call was killed. The checkpoints stay until `finish`.
        """
        images = open_images(run)
        folder = run.path / "clusters" / options.name
        training = _training_of(run, options, images)
        refined = training.run()
        # The largest cluster gets number 0, as with every method.
        train_images = images.indices(TRAIN)
        labels = assign_all(refined.refinement, images, train_images).labels
        order = canonical_order(labels, options.k or 0)
        refined.refinement.reorder(order)
        assignments = _assignments(run, images, refined, np.argsort(order))
        written = [assignments.write(folder / ASSIGNMENTS_NAME)]
        written += _write_networks(folder, refined.refinement, training.model)
        if training.model.decoder is not None:
            written.append(_write_decoded(folder, training.model, images, assignments, options.k))
        _write_result(folder, options, refined.summary, order, assignments)
        written.append(folder / RESULT_NAME)
        return [*written, *filter(Path.exists, [folder / HISTORY_NAME])]

    def finish(self, run: Run, options: ClusterOptions) -> None:
        """Remove the checkpoints of finished clusters, if there are any."""
        folder = run.path / "clusters" / options.name / "checkpoints"
        if folder.exists():
            with run.lock():
                remove_folder(folder)

    def centers(self, clustering: Clustering) -> np.ndarray:
        """Return the centers of a finished clustering, float32 (k, d).

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        """
        return npz.read_stored(clustering.folder / MODEL_NAME)["centers"]

    def assign(
        self, clustering: Clustering, images: ImageSet, shards: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, Assigned]]:
        """Yield (positions, where they belong) for each shard, by the saved network."""
        assigner, centers = _load(origin_of(clustering))
        groups = groups_of(clustering)
        for indices in shards:
            positions, pixels = images.read_readable(indices)
            if len(positions):
                assigned = _assign_shard(assigner, centers, pixels)
                yield positions, assigned if groups is None else grouped(assigned, groups)


def load_assigner(path: Path) -> Any:
    """Return the network images -> [z, q] of a saved file.

    Parameters
    ----------
    path : pathlib.Path
        A file assigner.keras.

    Raises
    ------
    ValueError
        If the file is damaged, or names anything but plain layers.
    """
    from latentlab.nets import layers  # noqa: F401  # registers what the file names

    return keras_files.load(path)


def _training_of(run: Run, options: ClusterOptions, images: ImageSet) -> DeepTraining:
    folder = _checkpoint_folder(run, options)
    guard.writing(folder)
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
    history = f"clusters/{options.name}/{HISTORY_NAME}"
    start = (options.features or CODE).start
    return DeepTraining(
        model=open_network(run),
        images=images,
        codes=list(Embeddings(run.path).parts(TRAIN, start)),
        options=options,
        folder=folder,
        record=lambda row: run.append_metrics(row.to_json(), history),
        prototype_shares=prototypes.training_shares(run),
        head=prototypes.head(run),
    )


def _checkpoint_folder(run: Run, options: ClusterOptions) -> Path:
    """Return the folder of the checkpoints; other settings or another encoder have another one."""
    record = run.record("fit")
    digests = [output.sha256 for output in record.outputs] if record else []
    name = fingerprint([options.recorded(), digests])[:12]
    return run.path / "clusters" / options.name / "checkpoints" / name


def _assignments(
    run: Run, images: ImageSet, refined: Refined, new_numbers: np.ndarray
) -> Assignments:
    """Return where all images belong, and where they belonged before training."""
    refinement = refined.refinement
    centers = refinement.centers()
    parts = []
    for indices in images.shards(SHARD):
        parts.append(_assign_shard(refinement.assigner, centers, images.read(indices)))
    assignments = as_assignments(images.ids, images.splits, parts)
    # The starting clusters get the numbers of the final ones.
    codes = Embeddings(run.path).parts(column=refined.features.spec.start)
    before = [refined.start.assign(refined.features.transform(part)).cluster for part in codes]
    start = new_numbers[np.concatenate(before)].astype(np.int32)
    return dataclasses.replace(assignments, start=start)


def _assign_shard(assigner: Any, centers: np.ndarray, pixels: np.ndarray) -> Assigned:
    z, q = assign_batch(assigner, pixels)
    return Assigned.from_probabilities(q, distances_to(centers, z))


def _write_networks(folder: Path, refinement: Refinement, model: Model) -> list[Path]:
    with atomic_path(folder / ASSIGNER_NAME) as path:
        refinement.assigner.save(path)
    with atomic_path(folder / MODEL_NAME) as path, path.open("wb") as file:
        np.savez(file, centers=refinement.centers())
    weights: dict[str, Any] = checkpoints.numbered("weight", model.weights())
    with atomic_path(folder / WEIGHTS_NAME) as path, path.open("wb") as file:
        np.savez(file, **weights)
    return [folder / ASSIGNER_NAME, folder / MODEL_NAME, folder / WEIGHTS_NAME]


def _write_decoded(
    folder: Path, model: Model, images: ImageSet, assignments: Assignments, k: int | None
) -> Path:
    """Decode the clusters' mean codes by the trained encoder."""
    means = RunningMeans(k or 0, int(np.prod(model.code_shape)))
    for indices in images.shards(SHARD):
        codes = encode(model.encoder, images.read(indices))
        means.add(codes, assignments.clusters[indices])
    return save_decoded(folder / DECODED_NAME, model, means.result())


def _write_result(
    folder: Path,
    options: ClusterOptions,
    summary: RefinementSummary,
    order: np.ndarray,
    assignments: Assignments,
) -> None:
    moved = float((assignments.clusters != assignments.start).mean())
    result = options.recorded() | {"algorithm": options.method}
    result |= json_form.to_json(summary.renumbered(order))
    result |= {"order": order.tolist(), "moved": moved, "sizes": assignments.sizes(options.k or 0)}
    write_json(folder / RESULT_NAME, result)


def _load(clustering: Clustering) -> tuple[Any, np.ndarray]:
    folder = clustering.folder
    try:
        return load_assigner(folder / ASSIGNER_NAME), read_npz(folder / MODEL_NAME)["centers"]
    except Exception as error:  # damaged files raise many kinds
        reason = " ".join(str(error).split())
        raise RunError(f"{folder} is missing or damaged ({reason}). Cluster again.") from error
