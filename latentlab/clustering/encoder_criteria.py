"""How well an encoder suits images, by three criteria that read no label.

silhouette        of k-means after UMAP, in UMAP's coordinates. Over 26 data sets it goes with the
                  agreement of clusters and classes (Lowe et al., arXiv 2406.02465)
seed-stability    mean adjusted Rand index between UMAP and k-means of several seeds
neighbours        share of an image's nearest neighbours that stay when it is mirrored, zoomed into
                  or made darker

The first two are means over several numbers of clusters, unless one is given. Each criterion can be
wrong: reports/photos says how often.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.threads import threads_for
from latentlab.features.neighbors import nearest, nearest_others
from latentlab.features.spec import Step
from latentlab.features.steps import UMAP_DIMENSIONS, learn_step, unit
from latentlab.storage.json_form import json_field

CRITERIA = ("silhouette", "seed-stability", "neighbours")
KS = (5, 10, 20)  # numbers of clusters that stand for any, where none is given
UMAP_NEIGHBORS = 15
SEEDS = 3
NEIGHBORS = 10  # of each image, which should survive a change of it
RESTARTS = 5  # of k-means
LEAST_PER_CLUSTER = 4  # images
LEAST_IMAGES = 20


@dataclass(frozen=True, kw_only=True)
class CriterionValues:
    """The criteria of one encoder; larger is better.

    Attributes
    ----------
    silhouette, seed_stability, neighbours : float
        See the module.
    """

    silhouette: float
    seed_stability: float = json_field(key="seed-stability")
    neighbours: float

    def value(self, criterion: str) -> float:
        """Return the value of `criterion`, one of `CRITERIA`."""
        return getattr(self, criterion.replace("-", "_"))


def judge(
    vectors: np.ndarray, changed: Sequence[np.ndarray], ks: Sequence[int], seed: int
) -> CriterionValues:
    """Return the criteria of an encoder.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        What the encoder gives for the images.
    changed : sequence of ndarray of shape (n, d)
        What it gives for the same images, changed in several ways.
    ks : sequence of int
        Numbers of clusters, from `numbers_of_clusters`.
    seed : int
        The first of the seeds of UMAP and k-means.
    """
    scaled = unit(vectors.astype(np.float32))
    silhouettes, stabilities = [], []
    places = [_place(scaled, seed + step) for step in range(SEEDS)]
    with threads_for(places[0].shape, max(ks)):
        for k in ks:
            labels = [_cluster(each, k, seed + step) for step, each in enumerate(places)]
            silhouettes.append(_silhouette(places[0], labels[0]))
            stabilities.append(_agreement(labels))
    return CriterionValues(
        silhouette=float(np.mean(silhouettes)),
        seed_stability=float(np.mean(stabilities)),
        neighbours=_neighbours_kept(scaled, [unit(each) for each in changed]),
    )


def numbers_of_clusters(k: int | None, n_images: int) -> tuple[int, ...]:
    """Return the numbers of clusters that `judge` looks at.

    Parameters
    ----------
    k : int or None
        What a user has given; None is several.
    n_images : int
        Number of images.

    Examples
    --------
    >>> numbers_of_clusters(None, 1000), numbers_of_clusters(None, 40), numbers_of_clusters(3, 40)
    ((5, 10, 20), (5, 10), (3,))
    """
    if k is not None:
        return (k,)
    return tuple(each for each in KS if each * LEAST_PER_CLUSTER <= n_images) or KS[:1]


def ranks(values: Sequence[float]) -> list[int]:
    """Return the rank of each value, 1 for the largest; equal values share the better rank.

    Parameters
    ----------
    values : sequence of float
        Values of one criterion.

    Examples
    --------
    >>> ranks([0.2, 0.9, 0.2])
    [2, 1, 2]
    """
    places = []
    for value in values:
        n_better = sum(other > value for other in values)
        places.append(1 + n_better)
    return places


def _place(scaled: np.ndarray, seed: int) -> np.ndarray:
    """Return UMAP's coordinates of unit vectors, (n, 10)."""
    return learn_step(Step("umap", UMAP_DIMENSIONS), scaled, seed, UMAP_NEIGHBORS)["coordinates"]


def _cluster(coordinates: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=RESTARTS, random_state=seed).fit_predict(coordinates)


def _silhouette(coordinates: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(labels)) < len(labels):
        return 0.0
    return float(silhouette_score(coordinates, labels))


def _agreement(labels: list[np.ndarray]) -> float:
    from sklearn.metrics import adjusted_rand_score

    pairs = itertools.combinations(labels, 2)
    return float(np.mean([adjusted_rand_score(first, second) for first, second in pairs]))


def _neighbours_kept(scaled: np.ndarray, changed: Sequence[np.ndarray]) -> float:
    """Return the share of neighbours that images keep when they are changed."""
    before = nearest_others(scaled, NEIGHBORS)
    return float(np.mean([_shared(before, _others(scaled, each)) for each in changed]))


def _others(scaled: np.ndarray, changed: np.ndarray) -> list[np.ndarray]:
    """Return the nearest unchanged images of each changed one, without itself."""
    _, positions = nearest(scaled, changed, NEIGHBORS + 1)
    return [row[row != number][:NEIGHBORS] for number, row in enumerate(positions)]


def _shared(before: np.ndarray, after: list[np.ndarray]) -> float:
    return float(
        np.mean([np.isin(row, other).mean() for row, other in zip(before, after, strict=True)])
    )
