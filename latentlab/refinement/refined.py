"""Deep clusters of a run as files: start from k-means on the code, train network and clusters together, assign every image.

clusters/<name>/assignments.parquet     id, split, cluster, distance, margin, soft, start (the cluster before)
clusters/<name>/assigner.keras          images -> [z, q], which any Keras program opens that imports latentlab.nets.layers
clusters/<name>/model.npz               the centers
clusters/<name>/weights.npz             the weights of the whole refined model, as encoder/weights.npz has those before
clusters/<name>/decoded.npz             what the decoder makes of the clusters' mean codes, and of ways between them
clusters/<name>/history.jsonl           one row a round: losses, label change, sizes
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab import backend, plugins
from latentlab.clustering import decoding
from latentlab.clustering.base import (
    Assigned,
    Vectors,
    assigned_softly,
    canonical_order,
    distances_to,
)
from latentlab.config import ClusterOptions, as_dict, plugin_options
from latentlab.data.images import TEST, TRAIN, ImageSet, as_input
from latentlab.encoders import embedding
from latentlab.encoders.networks import Model
from latentlab.errors import RunError
from latentlab.features import feature_steps
from latentlab.refinement.base import Refiner, Start
from latentlab.refinement.feature_layers import check
from latentlab.refinement.loop import Schedule, assign_all, assign_batch, refine
from latentlab.refinement.start import StartingClusters, start_from
from latentlab.storage import checkpoints, keras_files, tables
from latentlab.storage.files import atomic_path, fingerprint, refusals, remove_folder, write_json
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run
from latentlab.training import prototypes
from latentlab.training.loop import mean_squared_error

SHARD = 2048
MEASURED = 500  # training images whose reconstruction error a method may start from
SMALLEST_ERROR = 1e-6


def make(run: Run, options: ClusterOptions, model: Model, images: ImageSet) -> list[Path]:
    """Train the deep clusters, assign every image and write the files; return their paths. Resumes where it was killed.

    The checkpoints stay until `tidy`, which is for when the run has recorded the files.
    """
    folder = run.path / "clusters" / options.name
    place = _checkpoints(run, options)
    with refusals(place):
        place.mkdir(parents=True, exist_ok=True)
    parts = run.path / "embeddings"
    history = f"clusters/{options.name}/history.jsonl"
    codes = [
        part
        for part in embedding.read_parts(parts, TRAIN, feature_steps.column(options.features))
        if len(part)
    ]
    shares, head = prototypes.training_shares(run), prototypes.head(run)
    refiner, start, first, facts = train(
        model,
        images,
        codes,
        options,
        place,
        lambda row: run.append_metrics(row, history),
        shares,
        head,
    )
    order = canonical_order(
        assign_all(refiner, images, images.indices(TRAIN))[1].argmax(axis=1), options.k
    )
    refiner.reorder(order)
    before = np.argsort(order)[_assign_before(run, start.features, first)]
    written = [
        _write_assignments(folder, refiner, images, before),
        *_write_models(folder, refiner, model, images),
    ]
    _write_result(
        folder,
        options,
        {
            **facts,
            "recoveries": [_renumbered(event, order) for event in facts["recoveries"]],
            "order": order.tolist(),
        },
    )
    return [*written, folder / "result.json", *filter(Path.exists, [run.path / history])]


def resumes(run: Run, options: ClusterOptions) -> bool:
    """Return whether a training of these very settings and this encoder was interrupted, on which `make` goes on.

    Raises
    ------
    ConfigError
        If a setting is wrong; nothing is changed.
    """
    _method(options)
    return _checkpoints(run, options).exists()


def tidy(run: Run, options: ClusterOptions) -> None:
    """Remove the checkpoints of finished clusters, if there are any."""
    place = run.path / "clusters" / options.name / "checkpoints"
    if place.exists():
        with run.lock():
            remove_folder(place)


def train(
    model: Model,
    images: ImageSet,
    codes: list[np.ndarray],
    options: ClusterOptions,
    place: Path,
    record: Callable[[dict[str, Any]], None],
    prototype_shares: Callable[[], np.ndarray] | None = None,
    head: Callable[[], feature_steps.Arrays] | None = None,
) -> tuple[Refiner, Start, StartingClusters, dict[str, Any]]:
    """Train `model` and clusters together and return the refiner, what it started from, and `refine`'s facts.

    Parameters
    ----------
    codes : list of ndarray of shape (m, d)
        Flattened codes of the training images, in order.
    place, record
        As for `refine`.
    prototype_shares
        As in `Vectors`.
    head
        As for `features.fit`.
    """
    method, own = _method(options)
    backend.seed(options.seed)
    shape = tuple(model.part(feature_steps.column(options.features)).output_shape[1:])
    fitted = feature_steps.fit(options.features, codes, shape, options.seed, head=head)
    start, first = start_from(
        Vectors.of(np.concatenate([fitted.transform(part) for part in codes]), prototype_shares),
        model,
        fitted,
        options,
        own,
    )
    indices = images.indices(TRAIN)
    error = max(mean_squared_error(model.autoencoder, images, indices[:MEASURED]), SMALLEST_ERROR)
    start = dataclasses.replace(
        start, error=error, read=lambda positions: as_input(images.read(indices[positions]))
    )
    refiner: Refiner = method.refiner(start, own)
    schedule = Schedule(
        own.interval,
        own.batch_size,
        own.tolerance,
        own.max_steps,
        options.augment,
        options.seed,
        own.least_rounds,
    )
    return refiner, start, first, refine(refiner, images, schedule, place, record)


def assign(
    run: Run, name: str, images: ImageSet, shards: Iterable[np.ndarray]
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield (indices, where they belong) for the images of each shard, by the saved network alone."""
    assigner, centers = _load(run, name)
    for indices in shards:
        yield indices, _assign_shard(assigner, centers, images, indices)


def _checkpoints(run: Run, options: ClusterOptions) -> Path:
    """Return the folder of the checkpoints, one of its own for other settings or another encoder."""
    wanted = fingerprint(
        [
            as_dict(options),
            [output["sha256"] for output in run.manifest["stages"]["fit"]["outputs"]],
        ]
    )
    return run.path / "clusters" / options.name / "checkpoints" / wanted[:12]


def _method(options: ClusterOptions) -> tuple[Any, Any]:
    """Return the method's module and its options; ConfigError where one is unknown."""
    method = plugins.load("refinement", options.method)
    check(options.features)
    return method, plugin_options(method.Options, options.settings, f"--method {options.method}")


def _assign_before(run: Run, fitted: feature_steps.Features, first: StartingClusters) -> np.ndarray:
    """Return the cluster of every image before training, int32 (n,)."""
    parts = embedding.read_parts(run.path / "embeddings", column=feature_steps.column(fitted.spec))
    return np.concatenate([first.assign(fitted.transform(part)).cluster for part in parts])


def _assign_shard(
    assigner: Any, centers: np.ndarray, images: ImageSet, indices: np.ndarray
) -> Assigned:
    z, q = assign_batch(assigner, images.read(indices))
    return assigned_softly(q, distances_to(centers, z))


def _write_assignments(
    folder: Path, refiner: Refiner, images: ImageSet, before: np.ndarray
) -> Path:
    assigner, centers = refiner.networks()[1], refiner.centers()
    parts = [_assign_shard(assigner, centers, images, indices) for indices in images.shards(SHARD)]
    columns: dict[str, Any] = {"id": images.ids.tolist(), "split": images.splits.tolist()}
    columns |= {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("cluster", "distance", "margin")
    }
    columns["soft"] = tables.vectors(
        np.concatenate([part.soft for part in parts if part.soft is not None])
    )
    columns["start"] = before.astype(np.int32)
    return tables.write(folder / "assignments.parquet", pa.table(columns))


def _write_models(folder: Path, refiner: Refiner, model: Model, images: ImageSet) -> list[Path]:
    with atomic_path(folder / "assigner.keras") as path:
        refiner.networks()[1].save(path)
    with atomic_path(folder / "model.npz") as path, path.open("wb") as file:
        np.savez(file, centers=refiner.centers())
    weights: dict[str, Any] = checkpoints.numbered("weight", model.weights())
    with atomic_path(folder / "weights.npz") as path, path.open("wb") as file:
        np.savez(file, **weights)
    written = [folder / "assigner.keras", folder / "model.npz", folder / "weights.npz"]
    if model.decoder is not None:
        written.append(
            decoding.save(folder / "decoded.npz", model, _mean_codes(folder, model, images))
        )
    return written


def _mean_codes(folder: Path, model: Model, images: ImageSet) -> np.ndarray:
    """Return the mean code of each cluster, (k, d), by the trained encoder."""
    table = tables.read(folder / "assignments.parquet", ["cluster", "soft"])
    cluster, k = np.asarray(table["cluster"]), tables.matrix(table["soft"]).shape[1]
    sums, counts = np.zeros((k, int(np.prod(model.code_shape)))), np.zeros(k)
    for indices in images.shards(SHARD):
        codes = embedding.encode(model.encoder, images.read(indices))
        np.add.at(sums, cluster[indices], codes)
        np.add.at(counts, cluster[indices], 1)
    return sums / np.maximum(counts, 1)[:, None]


def _renumbered(event: dict[str, Any], order: np.ndarray) -> dict[str, Any]:
    """Return what was repaired with the clusters' final numbers; `order` holds the old number of each."""
    final = np.argsort(order)
    return {
        key: final[value].tolist() if key in ("clusters", "from") and value else value
        for key, value in event.items()
    }


def _write_result(folder: Path, options: ClusterOptions, facts: dict[str, Any]) -> None:
    table = tables.read(folder / "assignments.parquet", ["split", "cluster", "start"])
    cluster, splits = np.asarray(table["cluster"]), np.asarray(table["split"].to_pylist())
    sizes = {
        split: np.bincount(cluster[splits == split], minlength=options.k).tolist()
        for split in (TRAIN, TEST)
    }
    moved = float((cluster != np.asarray(table["start"])).mean())
    write_json(
        folder / "result.json",
        {**as_dict(options), "algorithm": options.method, **facts, "moved": moved, "sizes": sizes},
    )


def load_assigner(path: Path) -> Any:
    """Return the network images -> [z, q] of a saved file.

    Raises
    ------
    ValueError
        If the file is damaged, or names anything but plain layers.
    """
    from latentlab.nets import layers  # noqa: F401  # registers what the file names

    return keras_files.load(path)


def _load(run: Run, name: str) -> tuple[Any, np.ndarray]:
    folder = run.path / "clusters" / name
    try:
        return load_assigner(folder / "assigner.keras"), read_npz(folder / "model.npz")["centers"]
    except Exception as error:  # damaged files raise many kinds
        raise RunError(
            f"{folder} is missing or damaged ({' '.join(str(error).split())}). Cluster again."
        ) from error
