"""How far clusters can be trusted, measured without labels.

seeds        the clusters are made again by k-means at the same number of clusters, on the same
             features, from another random half of the images each time: adjusted Rand index
             between these clusters and the ones in question
separation   how far they stand apart, beside nulls (`latentlab.clustering.structure`)
number       whether another number of clusters stands apart further
repetition   adjusted mutual information with k-means on histograms of colours and of edges, and on
             pixels of 32 x 32
familiarity  whether the encoder places a picture and its mirror image among the same neighbours;
             it was made to do so with what it has learnt from

`latentlab.clustering.trust_rule` says what follows. At most `SAMPLE` images are looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.clustering import structure
from latentlab.clustering.pixel_features import colour_histograms, edge_histograms
from latentlab.clustering.structure import Principal, Separation
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.neighbors import nearest
from latentlab.features.spec import FeatureSpec
from latentlab.features.steps import Arrays
from latentlab.storage.json_form import json_field

SAMPLE = 600  # images that are looked at
MIRRORED = 200  # of these, images whose mirror image is encoded
SEEDS = 5
RESTARTS = 3  # of k-means on halves
NUMBERS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)  # of clusters, to compare with
LEAST_PER_CLUSTER = 8  # images a cluster has on average in the largest of these numbers


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """Clusters of some images, and what they were made of.

    Attributes
    ----------
    vectors : ndarray of shape (n, d), float32
        Where the features start: codes or embeddings.
    clusters : ndarray of shape (n,), int
    spec : FeatureSpec
        The steps from the vectors to what was clustered.
    shape : tuple of int
        Shape of one vector before it was flattened.
    pictures : ndarray of shape (n, 32, 32, channels), uint8, or None
        The images, small; None if there are none.
    mirrored : ndarray of shape (m, d), float32, or None
        Vectors of the mirror images of the first m images; None if they cannot be made.
    head : callable or None
        Returns the arrays of the projection head; None if the features go through none.
    """

    vectors: np.ndarray
    clusters: np.ndarray
    spec: FeatureSpec
    shape: tuple[int, ...]
    pictures: np.ndarray | None = None
    mirrored: np.ndarray | None = None
    head: Callable[[], Arrays] | None = None

    @property
    def k(self) -> int:
        """Number of clusters that have images."""
        return len(np.unique(self.clusters))

    def fitted(self, spec: FeatureSpec, rows: np.ndarray, seed: int) -> FittedFeatures:
        """Fit feature steps on some of the images.

        Parameters
        ----------
        spec : FeatureSpec
            The steps.
        rows : ndarray of int
            The images.
        seed : int
            Of the steps.
        """
        return fit_features(spec, [self.vectors[rows]], self.shape, seed, head=self.head)


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """Adjusted mutual information with clusters that need no encoder: 1 is the same, 0 chance.

    Attributes
    ----------
    colours, edges, pixels : float
        With k-means on histograms of colours, on histograms of edges (HOG) and on pixels.
    """

    colours: float
    edges: float
    pixels: float


@dataclass(frozen=True, kw_only=True)
class NumberSupport:
    """How well a number of clusters stands beside others.

    Attributes
    ----------
    k : int
        The number in question.
    best : int
        The number whose clusters stand apart furthest.
    gains : mapping of str to float
        Number -> silhouette of k-means less that of data without groups.
    """

    k: int
    best: int
    gains: dict[str, float]

    @property
    def support(self) -> float:
        """Gain of k as a share of the largest gain; 0 if none gains anything."""
        most = self.gains[str(self.best)]
        return max(self.gains[str(self.k)], 0.0) / most if most > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is measured of clusters; see the module.

    Attributes
    ----------
    k : int
        Number of clusters that have images.
    images : int
        How many were looked at.
    seeds : tuple of float
        Agreement with each remade clustering.
    separation : Separation
    number : NumberSupport
    repetition : Repetition or None
        None without pictures.
    familiarity : float or None
        Share of neighbours that picture and mirror image have in common; None if unknown.
    """

    k: int
    images: int
    seeds: tuple[float, ...]
    separation: Separation
    number: NumberSupport
    repetition: Repetition | None = json_field(optional=True)
    familiarity: float | None = json_field(optional=True)

    @property
    def agreement(self) -> float:
        """Mean agreement of the seeds."""
        return float(np.mean(self.seeds))


def measure(clustered: Clustered, seed: int = 0) -> Measures:
    """Measure how far clusters can be trusted.

    Parameters
    ----------
    clustered : Clustered
        At least two clusters of at least `structure.LEAST_IMAGES` images.
    seed : int
        Of everything that is drawn.
    """
    everything = np.arange(len(clustered.clusters))
    before_umap = clustered.fitted(clustered.spec.without("umap"), everything, seed)
    vectors = before_umap.transform(clustered.vectors)
    space = Principal.of(vectors)
    return Measures(
        k=clustered.k,
        images=len(everything),
        seeds=agreement_of_halves(clustered, seed),
        separation=structure.separation(vectors, clustered.clusters, seed, space),
        number=number_support(space.coordinates, clustered.k, seed),
        repetition=repetition(clustered, seed),
        familiarity=_familiarity(clustered, before_umap, space),
    )


def agreement_of_halves(clustered: Clustered, seed: int) -> tuple[float, ...]:
    """Make the clusters again, each time from another half; return the agreement of each.

    Parameters
    ----------
    clustered : Clustered
    seed : int
        Of the first half; the others have the next seeds.
    """
    from sklearn.metrics import adjusted_rand_score

    values = []
    for number in range(SEEDS):
        remade = _remade(clustered, seed + 1 + number)
        values.append(float(adjusted_rand_score(clustered.clusters, remade)))
    return tuple(values)


def number_support(coordinates: np.ndarray, k: int, seed: int) -> NumberSupport:
    """Compare a number of clusters with others.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d)
        Of `Principal`.
    k : int
        The number in question.
    seed : int
        Of k-means and of the nulls.
    """
    most = len(coordinates) // LEAST_PER_CLUSTER
    numbers = sorted({k, *(number for number in NUMBERS if number <= most)})
    gains = structure.silhouette_gains(coordinates, numbers, seed)
    best = max(gains, key=gains.__getitem__)
    return NumberSupport(k=k, best=best, gains={str(number): gains[number] for number in numbers})


def repetition(clustered: Clustered, seed: int) -> Repetition | None:
    """Compare clusters with those of colours, edges and pixels; None without pictures.

    Parameters
    ----------
    clustered : Clustered
    seed : int
        Of k-means.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    pictures = clustered.pictures
    if pictures is None:
        return None
    pixels = Principal.of(pictures.reshape(len(pictures), -1).astype(np.float32) / 255)
    values = {}
    for name, vectors in (
        ("colours", colour_histograms(pictures)),
        ("edges", edge_histograms(pictures)),
        ("pixels", pixels.coordinates),
    ):
        others = structure.kmeans_labels(vectors, clustered.k, seed)
        values[name] = float(adjusted_mutual_info_score(clustered.clusters, others))
    return Repetition(**values)


def _remade(clustered: Clustered, seed: int) -> np.ndarray:
    """Return the clusters of k-means fitted on a random half, for all images."""
    n_images = len(clustered.clusters)
    rng = np.random.default_rng([seed, 42])
    half = np.sort(rng.choice(n_images, max(n_images // 2, clustered.k), replace=False))
    features = clustered.fitted(clustered.spec, half, seed).transform(clustered.vectors)
    labels = structure.kmeans_labels(features[half], clustered.k, seed, RESTARTS)
    centers = np.stack(
        [features[half][labels == label].mean(axis=0) for label in np.unique(labels)]
    )
    return nearest(centers, features, 1)[1][:, 0]


def _familiarity(
    clustered: Clustered, before_umap: FittedFeatures, space: Principal
) -> float | None:
    """Return the share of neighbours that pictures and their mirror images have in common."""
    if clustered.mirrored is None or not len(clustered.mirrored):
        return None
    count = len(clustered.mirrored)
    mirrored = space.place(before_umap.transform(clustered.mirrored))
    of_pictures = _others(space.coordinates[:count], space.coordinates)
    of_mirrored = _others(mirrored, space.coordinates)
    common = [
        len(np.intersect1d(straight, mirrored)) / len(straight)
        for straight, mirrored in zip(of_pictures, of_mirrored, strict=True)
    ]
    return float(np.mean(common))


def _others(vectors: np.ndarray, coordinates: np.ndarray) -> list[np.ndarray]:
    """Return the nearest of all images for the first of them, without the image itself."""
    positions = nearest(coordinates, vectors, structure.NEIGHBORS + 1)[1]
    return [
        neighbors[neighbors != row][: structure.NEIGHBORS]
        for row, neighbors in enumerate(positions)
    ]
