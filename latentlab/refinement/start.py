"""Initial clusters for refinement: k-means, N2D or a trained head, on the encoder as it is."""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from latentlab.clustering.assigned import Assigned, distances_to
from latentlab.clustering.clusterer import Clusterer, FittedClusters, number_of_clusters
from latentlab.clustering.heads import Head
from latentlab.clustering.means import cluster_means
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.encoders.model import Model
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.spec import FeatureSpec
from latentlab.nets.entropy import effective_number
from latentlab.progress import log
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Start

N2D = "n2d"
SAMPLE = 20_000  # images that UMAP is fitted to; the others follow their neighbours
TRIES = 5  # N2D clusterings, of which the most even is used


class StartingClusters(Protocol):
    """Clusters of features before refinement."""

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, features of shape (n, d), float32."""


@dataclass(frozen=True)
class _N2DClusters:
    """UMAP coordinates of the features, and a Gaussian mixture in them."""

    coordinates: FittedFeatures
    mixture: FittedClusters

    def assign(self, vectors: np.ndarray) -> Assigned:
        return self.mixture.assign(self.coordinates.transform(vectors))


@dataclass(frozen=True)
class _Initial:
    """Initial clusters, where they put the training images, and their mean features."""

    clusters: StartingClusters
    assigned: Assigned
    centers: np.ndarray


def start_from(
    vectors: Vectors,
    model: Model,
    features: FittedFeatures,
    options: ClusterOptions,
    settings: LoopOptions,
) -> tuple[Start, StartingClusters]:
    """Cluster the features of the training images, as the start of a refinement.

    Parameters
    ----------
    vectors : Vectors
        Features of the training images.
    model : Model
        The trained autoencoder.
    features : FittedFeatures
        The steps that turned its codes into `vectors`.
    options : ClusterOptions
        Number of clusters and seed.
    settings : LoopOptions
        `start` is the clustering method, `neighbors` are N2D's.

    Returns
    -------
    start : Start
        The start of a refinement method, still without images.
    clusters : StartingClusters
        The initial clusters, to assign other images.

    Raises
    ------
    DataError
        If there are fewer images than clusters.
    """
    matrix = vectors.matrix()
    if settings.start == N2D:
        initial = _n2d_clusters(matrix, options, settings.neighbors)
    else:
        initial = _fit(settings.start, vectors, options)

    # Distances to the centers set the width of kernels and the unit of losses.
    own_centers = initial.centers[initial.assigned.cluster]
    spread = float(np.square(matrix - own_centers).sum(axis=1).mean())
    squared = np.square(distances_to(initial.centers, matrix))
    start = Start(
        model=model,
        features=features,
        centers=initial.centers,
        spread=spread,
        squared=squared,
        seed=options.seed,
        soft=initial.assigned.soft,
        head=_head_of(initial.clusters),
    )
    return start, initial.clusters


def most_even(clusterings: list[np.ndarray], k: int) -> int:
    """Find the clustering with the most equal sizes.

    Parameters
    ----------
    clusterings : list of ndarray of shape (n,), int
        Cluster of each image, in each clustering.
    k : int
        Number of clusters.

    Returns
    -------
    int
        Position in the list.

    Examples
    --------
    >>> most_even([np.array([0, 0, 0, 1]), np.array([0, 1, 0, 1])], k=2)
    1
    """
    evenness = []
    for labels in clusterings:
        evenness.append(effective_number(np.bincount(labels, minlength=k)))
    log.info(
        "effective clusters of %d N2D starts: %s",
        len(evenness),
        ", ".join(f"{value:.2f}" for value in evenness),
    )
    return int(np.argmax(evenness))


def _head_of(clusters: StartingClusters) -> tuple[np.ndarray, np.ndarray] | None:
    """Return kernel and bias of clusters that a linear head made, else None."""
    if isinstance(clusters, Head):
        return clusters.kernel, clusters.bias
    return None


def _fit(method: str, vectors: Vectors, options: ClusterOptions) -> _Initial:
    """Fit a clustering method with its default settings."""
    clusterer = Clusterer.named(method)
    options = dataclasses.replace(options, method=method, settings={})
    clusters = clusterer.fit(vectors, options, clusterer.parse_options({}))
    return _Initial(clusters, clusters.assign(vectors.matrix()), clusters.centers)


def _n2d_clusters(matrix: np.ndarray, options: ClusterOptions, neighbors: int) -> _Initial:
    """Fit N2D to features (n, d) several times and return the most even clustering.

    A mixture in UMAP's coordinates now and then spends a Gaussian on a small dense island and
    merges two groups for it. The likelihood rewards that, but the sizes show it. How the islands
    lie changes with UMAP's seed.
    """
    k = number_of_clusters(options)
    tries = []
    assigned = []
    for number in range(TRIES):
        clusters = _fit_n2d(matrix, options, neighbors, number)
        tries.append(clusters)
        assigned.append(clusters.assign(matrix))
    best = most_even([clustering.cluster for clustering in assigned], k)
    centers = cluster_means(matrix, assigned[best].cluster, matrix[:k])
    return _Initial(tries[best], assigned[best], centers)


def _fit_n2d(
    matrix: np.ndarray, options: ClusterOptions, neighbors: int, number: int
) -> _N2DClusters:
    """Fit N2D once, with seeds that depend on the number of the try."""
    # Fit UMAP to a random sample, in the order of the images.
    rng = np.random.default_rng([options.seed, 8, number])
    sample = matrix[np.sort(rng.permutation(len(matrix))[:SAMPLE])]
    seed = int(rng.integers(2**31))
    n2d = Clusterer.named(N2D)
    steps = n2d.capabilities.default_features.format(k=number_of_clusters(options))
    spec = FeatureSpec.parse(steps)
    coordinates = fit_features(spec, [sample], (matrix.shape[1],), seed, neighbors)

    # Fit the mixture in its coordinates.
    options = dataclasses.replace(options, method=N2D, settings={}, seed=seed)
    vectors = Vectors.of(coordinates.transform(sample))
    mixture = n2d.fit(vectors, options, n2d.parse_options({}))
    return _N2DClusters(coordinates, mixture)
