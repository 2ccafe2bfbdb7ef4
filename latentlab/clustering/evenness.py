"""Whether clusters are of like sizes because their method makes them so, judged without labels.

Heads such as SCAN's are trained towards clusters of one size. Where the images are not so, they cut
a large group into pieces and join small ones to them. The first sign of it is that k-means on the
same features, which has no such wish, finds clusters of far more unlike sizes.

Sizes are compared by their normalised entropy: 0 if all images are in one cluster, 1 if all
clusters are of one size, whatever their number. It has to be `EVENER` = 0.15 above that of k-means.
On pictures of three classes, 150, 6 and 3, it was 0.31 and 0.33 above (52/43/32 and 46/43/38 where
k-means made 91/29/7). On ten classes of one size, of which k-means makes 700 to 1,400 for 1,000, it
is 0.03 above at most. With three clusters the number of clusters that would be as diverse, which
was compared before, had to be 1.5 times as large: that asked for 0.37.

k-means alone also finds unlike sizes in balanced images of unlike spread. So one of two other signs
has to hold too, and clusters which are of one size indeed are left in peace:

- the borders of the head run through denser places than those of k-means: more of an image's
  nearest neighbours lie in other clusters;
- the head accounts for less than half of the spread of the features that k-means accounts for,
  as it joins what lies far apart. On the pictures above it was 22% and 27% of the spread, and 68%
  by k-means, while k-means cut as many neighbours as SCAN: a large class had pieces of its own.

A few images far from all others could still mislead both: k-means then makes a cluster of them. So
what is said is that images may be imbalanced.
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
EVENER = 0.15  # by which the normalised entropy of the sizes is above that of k-means' sizes
CUT_MORE = 1.5  # times as many neighbours in other clusters as by k-means
LEAST_CUT = 0.02  # share of neighbours in other clusters that is no chance
EXPLAINS_LESS = 0.5  # share of the spread that k-means accounts for


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
    explained, kmeans_explained : float
        Share of the variance of the features that lies between the clusters, in [0, 1].
    """

    sizes: tuple[int, ...]
    kmeans_sizes: tuple[int, ...]
    cut: float
    kmeans_cut: float
    explained: float
    kmeans_explained: float

    @property
    def is_forced(self) -> bool:
        """Whether the clusters are of like sizes though the images seem not to be."""
        k = max(2, len(self.sizes), len(self.kmeans_sizes))
        evener = evenness_of(self.sizes, k) - evenness_of(self.kmeans_sizes, k)
        return evener > EVENER and (self.cuts_more or self.explains_less)

    @property
    def cuts_more(self) -> bool:
        """Whether borders run through denser places than those of k-means."""
        return self.cut > max(LEAST_CUT, CUT_MORE * self.kmeans_cut)

    @property
    def explains_less(self) -> bool:
        """Whether clusters join what lies far apart, compared with those of k-means."""
        return self.explained < EXPLAINS_LESS * self.kmeans_explained

    @property
    def text(self) -> str:
        """One line that says so.

        Examples
        --------
        >>> Evenness((85, 82, 80), (239, 5, 3), 0.4, 0.02, 0.2, 0.7).text[:70]
        'sizes 85/82/80 where k-means has 239/5/3: this method evens out sizes,'
        """
        if self.explains_less:
            sign = (
                f"its clusters account for {self.explained:.0%} of the spread of the features"
                f" (those of k-means for {self.kmeans_explained:.0%})"
            )
        else:
            sign = (
                f"{self.cut:.0%} of near neighbours are parted by it"
                f" ({self.kmeans_cut:.0%} by k-means)"
            )
        return (
            f"sizes {_joined(self.sizes)} where k-means has {_joined(self.kmeans_sizes)}: this"
            f" method evens out sizes, and {sign}; the images may be imbalanced"
        )


def evenness_of(sizes: Sequence[int], k: int) -> float:
    """Return the normalised entropy of sizes: 0 for one cluster, 1 for `k` clusters of one size.

    Parameters
    ----------
    sizes : sequence of int
        Images of each cluster.
    k : int
        Number of clusters, at least 2.

    Examples
    --------
    >>> round(evenness_of([91, 29, 7], 3), 2), round(evenness_of([52, 43, 32], 3), 2)
    (0.67, 0.98)
    """
    shares = np.array([size for size in sizes if size > 0], np.float64)
    shares /= shares.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(k))


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
        explained=_explained(sample, clusters[rows]),
        kmeans_explained=_explained(sample, by_kmeans),
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


def _explained(sample: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of the variance of vectors (n, d) that lies between clusters."""
    centered = sample.astype(np.float64) - sample.mean(axis=0, dtype=np.float64)
    total = float(np.square(centered).sum())
    sums = np.zeros((clusters.max() + 1, sample.shape[1]))
    np.add.at(sums, clusters, centered)
    counts = np.maximum(1, np.bincount(clusters))
    between = float((np.square(sums).sum(axis=1) / counts).sum())
    return between / total if total > 0 else 0.0


def _joined(sizes: Sequence[int]) -> str:
    shown = "/".join(map(str, sizes[:12]))
    return f"{shown}/..." if len(sizes) > 12 else shown
