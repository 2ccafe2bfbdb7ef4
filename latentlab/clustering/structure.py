"""Do vectors fall into groups at all? They are compared with vectors that have none.

Two nulls are drawn, each several times, and clustered by k-means like the vectors:

gaussian    one normal distribution with the same covariance. This is what SigClust takes for a
            single cluster (Liu, Hayes, Nobel and Marron 2008): directions of different variance
            are no groups.
shuffled    each feature is shuffled among the images by itself. It keeps the shape of each
            feature and loses all that ties features together, and so is easily beaten.

Two measures are compared with them:

neighbours  share of each image's nearest neighbours that lie in its own cluster, above chance.
            A cut through a cloud parts neighbours; a cut through a gap does not.
silhouette  mean of (b - a) / max(a, b) (Rousseeuw 1987).

Everything is measured before UMAP, which makes clumps of anything: k-means on UMAP's coordinates
of Gaussian noise has a silhouette of 0.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIMENSIONS = 64  # principal components that are looked at
NEIGHBORS = 10
NULLS = 5  # data sets of each kind
RESTARTS = 2  # of k-means on nulls: they have no best clusters to miss
LEAST_IMAGES = 20  # fewer say nothing


@dataclass(frozen=True)
class Principal:
    """Vectors in the coordinates of their principal components.

    Attributes
    ----------
    coordinates : ndarray of shape (n, d), float32
    mean : ndarray of shape (D,)
    directions : ndarray of shape (D, d)
        From the vectors less their mean to the coordinates.
    """

    coordinates: np.ndarray
    mean: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, dimensions: int = DIMENSIONS) -> "Principal":
        """Return the strongest components of vectors.

        Parameters
        ----------
        vectors : ndarray of shape (n, D)
            The vectors.
        dimensions : int
            How many components, at most.
        """
        vectors = vectors.astype(np.float32, copy=False)
        mean = vectors.mean(axis=0)
        centered = vectors - mean
        count = min(dimensions, *centered.shape)
        if centered.shape[0] < centered.shape[1]:
            directions = _directions_of_few(centered, count)
        else:
            directions = np.linalg.eigh(centered.T @ centered)[1][:, ::-1][:, :count]
        return cls(centered @ directions, mean, directions)

    def place(self, vectors: np.ndarray) -> np.ndarray:
        """Return other `vectors` (m, D) in these coordinates, (m, d)."""
        return (vectors - self.mean) @ self.directions


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How far clusters stand apart, beside clusters of vectors that have none.

    Attributes
    ----------
    neighbours : float
        Neighbours in the same cluster, above chance: 1 if all are, 0 by chance.
    neighbours_gaussian, neighbours_shuffled : tuple of float
        The same of each null.
    silhouette : float
        Of the clusters.
    silhouette_gaussian, silhouette_shuffled : tuple of float
        Of each null.
    """

    neighbours: float
    neighbours_gaussian: tuple[float, ...]
    neighbours_shuffled: tuple[float, ...]
    silhouette: float
    silhouette_gaussian: tuple[float, ...]
    silhouette_shuffled: tuple[float, ...]

    @property
    def null(self) -> float:
        """Mean neighbours of the null that is harder to beat."""
        return max(
            float(np.mean(self.neighbours_gaussian)), float(np.mean(self.neighbours_shuffled))
        )

    @property
    def excess(self) -> float:
        """What the clusters have above the null, of what is to be had: 1 if all, 0 if nothing."""
        return (self.neighbours - self.null) / max(1 - self.null, 1e-6)


def separation(
    vectors: np.ndarray, clusters: np.ndarray, seed: int, space: Principal | None = None
) -> Separation:
    """Compare clusters of vectors with those of nulls.

    Parameters
    ----------
    vectors : ndarray of shape (n, D)
        Features before UMAP.
    clusters : ndarray of shape (n,), int
    seed : int
        Of the nulls and of k-means.
    space : Principal or None
        Of `vectors`, if it is there already.
    """
    space = space or Principal.of(vectors)
    k = len(np.unique(clusters))
    rng = np.random.default_rng([seed, 40])
    gaussian = [gaussian_like(space.coordinates, rng) for _ in range(NULLS)]
    shuffled = [Principal.of(shuffle(vectors, rng)).coordinates for _ in range(NULLS)]
    nulls = [_measures_of_kmeans(null, k, seed) for null in (*gaussian, *shuffled)]
    neighbours, silhouettes = zip(*nulls, strict=True)
    return Separation(
        neighbours=neighbours_within(space.coordinates, clusters),
        neighbours_gaussian=neighbours[:NULLS],
        neighbours_shuffled=neighbours[NULLS:],
        silhouette=silhouette(space.coordinates, clusters),
        silhouette_gaussian=silhouettes[:NULLS],
        silhouette_shuffled=silhouettes[NULLS:],
    )


def silhouette_gains(
    coordinates: np.ndarray, ks: Sequence[int], seed: int, nulls: int = 2
) -> dict[int, float]:
    """Return k -> silhouette of k-means less that of Gaussian nulls.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d)
        From `Principal`.
    ks : sequence of int
        Numbers of clusters.
    seed : int
        Of the nulls and of k-means.
    nulls : int
        Data sets for the comparison.
    """
    rng = np.random.default_rng([seed, 41])
    references = [gaussian_like(coordinates, rng) for _ in range(nulls)]
    gains = {}
    for k in ks:
        values = [
            silhouette(data, kmeans_labels(data, k, seed)) for data in (coordinates, *references)
        ]
        gains[k] = values[0] - float(np.mean(values[1:]))
    return gains


def neighbours_within(coordinates: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of nearest neighbours in the same cluster, above chance.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d)
    clusters : ndarray of shape (n,), int

    Examples
    --------
    >>> line = np.arange(40.0)[:, None]
    >>> neighbours_within(line * 100 ** (line > 19), np.repeat([0, 1], 20))
    1.0
    """
    from latentlab.features.neighbors import nearest_others

    neighbors = nearest_others(coordinates, min(NEIGHBORS, len(coordinates) - 1))
    share = float((clusters[neighbors] == clusters[:, None]).mean())
    sizes = np.unique(clusters, return_counts=True)[1] / len(clusters)
    chance = float((sizes**2).sum())
    return (share - chance) / (1 - chance) if chance < 1 else 0.0


def silhouette(coordinates: np.ndarray, clusters: np.ndarray) -> float:
    """Return the silhouette; 0 if there is a single cluster, or one for each image.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d)
    clusters : ndarray of shape (n,), int
    """
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(clusters)) < len(clusters):
        return 0.0
    return float(silhouette_score(coordinates, clusters))


def kmeans_labels(vectors: np.ndarray, k: int, seed: int, restarts: int = RESTARTS) -> np.ndarray:
    """Return the clusters of k-means, int (n,).

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    k : int
        Number of clusters.
    seed : int
    restarts : int
        The best of so many is used.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different vectors than k
        return KMeans(k, n_init=restarts, random_state=seed).fit(vectors).labels_


def gaussian_like(coordinates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return normal data of the same shape and variances, float32.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d)
        In principal components, so that the variances are the whole covariance.
    rng : numpy.random.Generator
    """
    drawn = rng.standard_normal(coordinates.shape, dtype=np.float32)
    return drawn * coordinates.std(axis=0)


def shuffle(vectors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return vectors with each column shuffled by itself.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
    rng : numpy.random.Generator
    """
    return rng.permuted(vectors, axis=0)


def _measures_of_kmeans(data: np.ndarray, k: int, seed: int) -> tuple[float, float]:
    clusters = kmeans_labels(data, k, seed)
    return neighbours_within(data, clusters), silhouette(data, clusters)


def _directions_of_few(centered: np.ndarray, count: int) -> np.ndarray:
    """Return principal directions of fewer vectors than dimensions, by their inner products."""
    values, sides = np.linalg.eigh(centered @ centered.T)
    largest = np.argsort(values)[::-1][:count]
    lengths = np.sqrt(np.maximum(values[largest], 1e-12))
    return centered.T @ sides[:, largest] / lengths
