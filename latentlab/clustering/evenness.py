"""Whether clusters are of like sizes because their method makes them so, judged without labels.

Heads such as SCAN's are trained towards clusters of one size. Where the images are not so, they cut
a large group into pieces and join small ones to them. Two things that need no labels tell:

- k-means on the same features, which has no such wish, finds clusters of far more unlike sizes;
- the borders of the head run through denser places than those of k-means: more of an image's
  nearest neighbours lie in other clusters.

Both have to hold, so that clusters which are of one size indeed are left in peace.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import DataError
from latentlab.features.neighbors import nearest

SAMPLE = 5000  # images that are looked at
NEIGHBORS = 10
FEWEST_IMAGES = 30
EVENER = 1.5  # times as many clusters of one size as k-means' would come to
CUT_MORE = 1.5  # times as many neighbours in other clusters as by k-means
LEAST_CUT = 0.02  # share of neighbours in other clusters that is no chance


@dataclass(frozen=True)
class Evenness:
    """What k-means and density say of the sizes of clusters.

    Attributes
    ----------
    sizes : tuple of int
        Training images of each cluster, the largest first.
    kmeans_sizes : tuple of int
        Those of k-means on the same features, of at most 5,000 of the images.
    cut, kmeans_cut : float
        Share of the 10 nearest neighbours that lie in other clusters, in [0, 1].
    """

    sizes: tuple[int, ...]
    kmeans_sizes: tuple[int, ...]
    cut: float
    kmeans_cut: float

    @property
    def is_forced(self) -> bool:
        """Whether the clusters are of like sizes though the images seem not to be."""
        is_evener = effective_number(self.sizes) > EVENER * effective_number(self.kmeans_sizes)
        return is_evener and self.cut > max(LEAST_CUT, CUT_MORE * self.kmeans_cut)

    @property
    def text(self) -> str:
        """One line that says so.

        Examples
        --------
        >>> Evenness((85, 82, 80), (239, 5, 3), 0.4, 0.02).text[:70]
        'sizes 85/82/80 where k-means has 239/5/3: this method evens out sizes,'
        """
        return (
            f"sizes {_joined(self.sizes)} where k-means has {_joined(self.kmeans_sizes)}: this"
            f" method evens out sizes, and {self.cut:.0%} of near neighbours are parted by it"
            f" ({self.kmeans_cut:.0%} by k-means); the images may be imbalanced"
        )


def effective_number(sizes: Sequence[int]) -> float:
    """Return how many clusters of one size would be as diverse: the exponential of the entropy.

    Parameters
    ----------
    sizes : sequence of int
        Images of each cluster.

    Examples
    --------
    >>> round(effective_number([50, 50]), 3), round(effective_number([99, 1]), 3)
    (2.0, 1.058)
    """
    shares = np.array([size for size in sizes if size > 0], np.float64)
    shares /= shares.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def compare(matrix: np.ndarray, clusters: np.ndarray, options: ClusterOptions) -> Evenness | None:
    """Compare clusters with those of k-means, and with where the images are dense.

    Parameters
    ----------
    matrix : ndarray of shape (n, d), float32
        Features of the training images.
    clusters : ndarray of shape (n,), int
        Their clusters.
    options : ClusterOptions
        Number of clusters and seed.

    Returns
    -------
    Evenness or None
        None if there are too few images, or too few different ones, to tell.
    """
    count = len(matrix)
    if count < FEWEST_IMAGES or not options.k or options.k < 2:
        return None
    rng = np.random.default_rng([options.seed, 29])
    rows = np.sort(rng.permutation(count)[:SAMPLE])
    sample = np.ascontiguousarray(matrix[rows], dtype=np.float32)
    by_kmeans = _kmeans(sample, options)
    if by_kmeans is None:
        return None
    _, neighbors = nearest(sample, sample, NEIGHBORS + 1)
    return Evenness(
        sizes=_sizes(clusters),
        kmeans_sizes=_sizes(by_kmeans),
        cut=_cut(clusters[rows], neighbors),
        kmeans_cut=_cut(by_kmeans, neighbors),
    )


def _kmeans(sample: np.ndarray, options: ClusterOptions) -> np.ndarray | None:
    """Return the clusters of k-means, int (n,); None if there are too few different vectors."""
    kmeans = Clusterer.named("kmeans")
    try:
        settings = kmeans.parse_options({})
        clusters = kmeans.fit(Vectors.of(sample), replace(options, method="kmeans"), settings)
    except DataError:
        return None
    return clusters.assign(sample).cluster


def _sizes(clusters: np.ndarray) -> tuple[int, ...]:
    return tuple(sorted(np.bincount(clusters).tolist(), reverse=True))


def _cut(clusters: np.ndarray, neighbors: np.ndarray) -> float:
    """Return the share of neighbours, whose positions are (n, m), in other clusters."""
    return float((clusters[neighbors] != clusters[:, None]).mean())


def _joined(sizes: Sequence[int]) -> str:
    shown = "/".join(map(str, sizes[:12]))
    return f"{shown}/..." if len(sizes) > 12 else shown
