"""Cluster the vectors of a run as they are: features and clusters fitted on the training split."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab.clustering.assigned import Assigned
from latentlab.clustering.clusterer import Clusterer, FittedClusters
from latentlab.clustering.cuts import groups_of, origin_of
from latentlab.clustering.run_method import RunMethod, Traits
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.data.images import TRAIN, ImageSet
from latentlab.encoders import model_files
from latentlab.encoders.embedding import EmbeddedImages, Embeddings
from latentlab.encoders.image_encoder import open_encoder
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.sampling import sampled
from latentlab.features.spec import CODE
from latentlab.progress import log
from latentlab.storage import json_form, tables
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import (
    ASSIGNMENTS_NAME,
    MODEL_NAME,
    RESULT_NAME,
    Clustering,
)
from latentlab.storage.files import atomic_path, write_json
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run
from latentlab.storage.vector_files import read_beside, read_vector_file
from latentlab.training import prototypes


@dataclass(frozen=True)
class VectorClustering(RunMethod):
    """A clustering method on vectors that stay as they are, at work on runs."""

    plugin: Clusterer

    @functools.cached_property
    def traits(self) -> Traits:  # type: ignore[override]
        """What the method needs and does."""
        capabilities = self.plugin.capabilities
        return Traits(
            finds_k=capabilities.finds_k,
            default_features=capabilities.default_features,
            required_step=capabilities.required_step,
            pretrained_features=capabilities.pretrained_features,
            evens_sizes=capabilities.evens_sizes,
        )

    def needs_prototypes(self, options: ClusterOptions) -> bool:
        """Return whether the method reads the prototypes of the run's fit."""
        return self.plugin.capabilities.needs_prototypes

    def resumes(self, run: Run, options: ClusterOptions) -> bool:
        """Return False: these methods take seconds or minutes and begin again."""
        return False

    def make(
        self, run: Run, options: ClusterOptions, open_images: Callable[[Run], ImageSet]
    ) -> list[Path]:
        """Write assignments.parquet, model.npz and result.json; return their paths."""
        training = TrainingVectors.of(run, options)
        settings = self.plugin.parse_options(options.settings)
        clusters = self.plugin.fit(training.vectors, options, settings)
        assignments = training.assign_all(clusters)
        folder = run.path / "clusters" / options.name
        arrays: dict[str, Any] = {**clusters.to_arrays(), **training.features.to_arrays()}
        with atomic_path(folder / MODEL_NAME) as path, path.open("wb") as file:
            np.savez(file, **arrays)
        sizes = assignments.sizes(options.k or int(assignments.clusters.max()) + 1)
        result = options.recorded() | json_form.to_json(clusters.facts) | {"sizes": sizes}
        write_json(folder / RESULT_NAME, result)
        table = assignments.write(folder / ASSIGNMENTS_NAME)
        return [table, folder / MODEL_NAME, folder / RESULT_NAME]

    def finish(self, run: Run, options: ClusterOptions) -> None:
        """Do nothing: nothing is kept for resuming."""

    def assign(
        self, clustering: Clustering, images: ImageSet, shards: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, Assigned]]:
        """Yield (positions, where they belong) for the images at the positions of each shard."""
        encode = open_encoder(clustering.run).encoding(clustering.features.start)
        features, clusters = self._load(clustering)
        for indices in shards:
            positions, pixels = images.read_readable(indices)
            if len(positions):
                yield positions, clusters.assign(features.transform(encode(pixels)))

    def assign_vectors(
        self, clustering: Clustering, parts: Iterable[np.ndarray]
    ) -> Iterator[Assigned]:
        """Yield where the vectors (m, d) of each part belong.

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        parts : iterable of ndarray of shape (m, d), float32
            Vectors of the kind that its features start from.
        """
        features, clusters = self._load(clustering)
        for vectors in parts:
            yield clusters.assign(features.transform(vectors))

    def assign_grouped(
        self, clustering: Clustering, groups: np.ndarray, parts: Iterable[np.ndarray]
    ) -> Iterator[Assigned]:
        """Yield where the vectors of each part belong once some clusters are joined.

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        groups : ndarray of shape (k,), int
            New cluster of each of its clusters.
        parts : iterable of ndarray of shape (m, d), float32
            Vectors of the kind that its features start from.
        """
        features, clusters = self._load(clustering)
        joined = clusters.grouped(groups)
        for vectors in parts:
            yield joined.assign(features.transform(vectors))

    def centers(self, clustering: Clustering) -> np.ndarray:
        """Return the centers of a finished clustering, float32 (k, d).

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        """
        return self._load(clustering)[1].centers

    def merges(self, clustering: Clustering) -> np.ndarray | None:
        """Return the method's own tree of its clusters, as `ClusterTree.merges`, or None.

        Parameters
        ----------
        clustering : Clustering
            A finished clustering of this method.
        """
        return self._load(clustering)[1].merges

    def _load(self, clustering: Clustering) -> tuple[FittedFeatures, FittedClusters]:
        path = origin_of(clustering).folder / MODEL_NAME
        groups = groups_of(clustering)
        try:
            arrays = read_npz(path)
            features, clusters = FittedFeatures.from_arrays(arrays), self.plugin.load(arrays)
            return features, clusters if groups is None else clusters.grouped(groups)
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{path} is missing or damaged ({error}). Cluster again.") from error


@dataclass(frozen=True)
class TrainingVectors:
    """Feature steps fitted on a run's training split, and the features of that split.

    Attributes
    ----------
    run : Run
        The run.
    index : EmbeddedImages
        All images of the run.
    features : FittedFeatures
        The fitted steps.
    vectors : Vectors
        Features of the training images.
    """

    run: Run
    index: EmbeddedImages
    features: FittedFeatures
    vectors: Vectors

    @classmethod
    def of(cls, run: Run, options: ClusterOptions) -> "TrainingVectors":
        """Fit the feature steps of a run.

        Parameters
        ----------
        run : Run
            Its images are embedded as the features need.
        options : ClusterOptions
            Features and seed are used.
        """
        spec = options.features or CODE
        head = prototypes.head(run)
        shares = prototypes.training_shares(run, spec.start)
        shape = model_files.vector_shape(run, spec)
        embeddings = Embeddings(run.path)
        index = embeddings.index()
        count = index.count(TRAIN)
        codes = functools.partial(embeddings.parts, TRAIN, spec.start)
        ids = index.ids[index.splits == TRAIN]
        some = sampled(codes(), ids, options.seed)
        features = fit_features(spec, some, shape, options.seed, head=head)
        one_code = np.zeros((1, math.prod(shape)), np.float32)
        n_dims = features.transform(one_code).shape[1]
        vectors = Vectors(count, n_dims, lambda: map(features.transform, codes()), shares)
        return cls(run, index, features, vectors)

    def all_parts(self) -> Iterator[np.ndarray]:
        """Yield the features of all images of the run, float32 (m, d), in order."""
        parts = Embeddings(self.run.path).parts(column=self.features.spec.start)
        return map(self.features.transform, parts)

    def assign_all(self, clusters: FittedClusters) -> Assignments:
        """Assign all images of the run to the fitted `clusters`."""
        parts = [clusters.assign(part) for part in self.all_parts()]
        return as_assignments(self.index.ids, self.index.splits, parts)


def as_assignments(ids: np.ndarray, splits: np.ndarray, parts: list[Assigned]) -> Assignments:
    """Return the parts of an assignment as one.

    Parameters
    ----------
    ids, splits : ndarray of shape (n,), str
        Of all images.
    parts : list of Assigned
        In the order of the images.
    """
    clusters = np.concatenate([part.cluster for part in parts])
    columns = {}
    for name in ("distance", "margin", "noise", "soft"):
        arrays = [getattr(part, name) for part in parts]
        if arrays[0] is not None:
            columns[name] = np.concatenate(arrays)
    return Assignments(ids, splits, clusters, **columns)


def all_vectors(run: Run, options: ClusterOptions) -> np.ndarray:
    """Return the features of all images of a run, float32 (n, d).

    Parameters
    ----------
    run : Run
        Its images are embedded as the features need.
    options : ClusterOptions
        Features and seed are used; the steps are fitted on the training split.
    """
    return np.concatenate(list(TrainingVectors.of(run, options).all_parts()))


def cluster_by_k(run: Run, options: ClusterOptions, ks: list[int]) -> dict[int, Assignments]:
    """Return k -> k-means assignments of a run for every k; the feature steps are fitted once.

    Parameters
    ----------
    run : Run
        Its images are embedded as the features need.
    options : ClusterOptions
        Features, restarts and seed are used.
    ks : list of int
        Numbers of clusters.
    """
    training = TrainingVectors.of(run, options)
    kmeans = Clusterer.named("kmeans")
    by_k = {}
    for k in ks:
        settings = kmeans.parse_options({})
        clusters = kmeans.fit(training.vectors, replace(options, k=k), settings)
        by_k[k] = training.assign_all(clusters)
    return by_k


def cluster_file(path: Path, options: ClusterOptions, target: Path) -> dict[str, Any]:
    """Cluster the vectors of a file and write where they belong.

    Parameters
    ----------
    path : pathlib.Path
        A file of any form that `latentlab.storage.vector_files` reads.
    options : ClusterOptions
        From `RunMethod.resolve`; the method is one on vectors.
    target : pathlib.Path
        The parquet file to write: the clusters, and the other columns of the file. Vectors that are
        not finite are left out.

    Returns
    -------
    dict
        What result.json holds of a clustering, with "out", "id_column" ("" for numbers of rows)
        and "left_out", the number of vectors that are not finite.

    Raises
    ------
    DataError
        If it holds no vectors, or fewer than k.
    ConfigError
        If the features need images.
    """
    spec = options.features or CODE
    if spec.averages:
        raise ConfigError(
            ": averages need images, and a file of vectors has none: leave averaged out",
            field="features",
            value=spec,
        )
    table = read_vector_file(path)
    rows = _finite_rows(path, table.vectors)
    assigned, summary = _clustered(path, table.vectors[rows], options)
    beside = read_beside(path, table).take(rows)
    id_column = table.columns.ids
    ids = beside[id_column] if id_column else rows
    tables.write(target, _with_columns(assigned_table(ids, assigned), beside, id_column))
    return summary | {
        "out": str(target),
        "id_column": id_column,
        "left_out": len(table.vectors) - len(rows),
    }


def _clustered(
    path: Path, matrix: np.ndarray, options: ClusterOptions
) -> tuple[Assigned, dict[str, Any]]:
    """Return the clusters of some vectors, float32 (n, d), and what result.json holds of them."""
    if options.k is not None and len(matrix) < options.k:
        raise DataError(
            f"is more than the {len(matrix)} vectors of {path}",
            field="k",
            value=options.k,
            limit=len(matrix),
            hint="Choose a smaller `k`.",
        )
    some = sampled([matrix], np.arange(len(matrix)), options.seed)
    features = fit_features(options.features or CODE, some, matrix.shape[1:], options.seed)
    vectors = features.transform(matrix)
    plugin = Clusterer.named(options.method)
    clusters = plugin.fit(Vectors.of(vectors), options, plugin.parse_options(options.settings))
    assigned = clusters.assign(vectors)
    sizes = np.bincount(assigned.cluster, minlength=options.k or 0).tolist()
    return assigned, options.recorded() | json_form.to_json(clusters.facts) | {"sizes": sizes}


def _finite_rows(path: Path, vectors: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows that are finite and not too large; others are told."""
    is_fine = (np.abs(vectors) <= tables.LARGEST).all(axis=1)  # False for NaN
    rows = np.flatnonzero(is_fine)
    if len(rows) == 0:
        raise DataError(f"{path}: not one of its {len(vectors)} vectors is finite.")
    if len(rows) < len(vectors):
        first = int(np.flatnonzero(~is_fine)[0])
        log.warning(
            "%d of %d vectors are not finite and are left out, the first in row %d",
            len(vectors) - len(rows),
            len(vectors),
            first,
        )
    return rows


def _with_columns(table: pa.Table, beside: pa.Table, id_column: str) -> pa.Table:
    """Return clusters with the columns that stood beside the vectors."""
    for name in beside.column_names:
        if name != id_column:
            is_taken = name in table.column_names
            table = table.append_column(f"given_{name}" if is_taken else name, beside[name])
    return table


def assigned_table(ids: Any, assigned: Assigned) -> pa.Table:
    """Return id, cluster, distance, margin and, if there are, noise and soft as a table.

    Parameters
    ----------
    ids : sequence of n ids
        The ids of the vectors.
    assigned : Assigned
        Their clusters, distances and margins.
    """
    columns: dict[str, Any] = {"id": ids}
    for name in ("cluster", "distance", "margin", "noise"):
        values = getattr(assigned, name)
        if values is not None:
            columns[name] = values
    if assigned.soft is not None:
        columns["soft"] = tables.vectors(assigned.soft)
    return pa.table(columns)
