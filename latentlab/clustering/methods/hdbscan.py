"""HDBSCAN (Campello, Moulavi and Sander 2013), scikit-learn's: clusters are dense places, and it finds their number by itself.

    latentlab cluster --run RUN --method hdbscan            # no --k
    latentlab cluster --run RUN --method hdbscan --set min_cluster_size=50

Density says little in hundreds of dimensions, so it works on a few UMAP coordinates. Images in no dense place, its
"noise", go to the cluster of the nearest image that has one, and a column `noise` tells them apart: so scores count
every image, as those of the other methods do.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentlab.clustering.base import (
    Assigned,
    Clusterer,
    Vectors,
    canonical_order,
    cluster_means,
    distances_to,
)
from latentlab.config import ClusterOptions, plugin_options
from latentlab.errors import ConfigError, DataError

FEATURES = "pca50+umap5"
FINDS_K = True
NEIGHBORS = 15  # whose clusters make the margin
NOISE = -1


@dataclass(frozen=True)
class Options:
    """Settings of HDBSCAN.

    Attributes
    ----------
    min_cluster_size : int or None
        Fewest images of a cluster; None is a hundredth of the fitted images, at least 5.
    min_samples : int
        Images within the core distance, the image itself among them: more of them make smoother clusters and more noise.
    sample : int
        At most this many training images, drawn at random, are fitted; the others follow their nearest.
    """

    min_cluster_size: int | None = None
    min_samples: int = 5
    sample: int = 20_000


@dataclass(frozen=True)
class DensityClusters:
    """Fitted images with their clusters; any other image follows the nearest of them.

    Attributes
    ----------
    reference : ndarray of shape (m, d), float32
        Features of the fitted images.
    labels : ndarray of shape (m,), int32
        Their clusters, -1 where they are noise.
    """

    reference: np.ndarray
    labels: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def centers(self) -> np.ndarray:
        """The clusters' means, float32 (k, d)."""
        k = int(self.labels.max()) + 1
        return cluster_means(
            self.reference, self.labels, np.zeros((k, self.reference.shape[1]), np.float32)
        )

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors (n, d); the margin is the share of the 15 nearest in the own cluster less that in the next one."""
        dense = self.labels != NOISE
        places = _nearest(self.reference[dense], vectors, NEIGHBORS)
        near = self.labels[dense][places]
        cluster = near[:, 0]
        shares = np.stack(
            [(near == c).mean(axis=1) for c in range(int(self.labels.max()) + 1)], axis=1
        )
        own = shares[np.arange(len(cluster)), cluster].copy()
        shares[np.arange(len(cluster)), cluster] = 0
        noise = self.labels[_nearest(self.reference, vectors, 1)[:, 0]] == NOISE
        distance = distances_to(self.centers, vectors)[np.arange(len(cluster)), cluster]
        return Assigned(
            cluster, distance, (own - shares.max(axis=1)).astype(np.float32), noise=noise
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return features and clusters of the fitted images by name."""
        return {"reference": self.reference, "labels": self.labels}


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Fit HDBSCAN to `vectors`; options.k is not used.

    Raises
    ------
    DataError
        If no place is dense enough for two clusters.
    """
    from sklearn.cluster import HDBSCAN

    own: Options = plugin_options(Options, options.settings, "--method hdbscan")
    matrix = vectors.matrix()
    if len(matrix) > own.sample:
        matrix = matrix[
            np.sort(
                np.random.default_rng([options.seed, 23]).choice(
                    len(matrix), own.sample, replace=False
                )
            )
        ]
    least = max(len(matrix) // 100, 5) if own.min_cluster_size is None else own.min_cluster_size
    if not 2 <= least <= len(matrix) // 2 or not 1 <= own.min_samples <= len(matrix):
        raise ConfigError(
            f"--method hdbscan: min_cluster_size {least} must be 2 to {len(matrix) // 2} and min_samples {own.min_samples} 1 to {len(matrix)},"
            f" with {len(matrix)} images to fit. Change them with --set."
        )
    labels = (
        HDBSCAN(min_cluster_size=least, min_samples=own.min_samples, copy=True).fit(matrix).labels_
    )
    k = int(labels.max()) + 1
    if k < 2:
        raise DataError(
            f"HDBSCAN finds no two dense groups of {least} images or more. Try --set min_cluster_size={max(2, least // 2)}, or a method with --k."
        )
    dense = labels != NOISE
    number = np.argsort(canonical_order(labels[dense], k))
    labels = np.where(dense, number[labels], NOISE).astype(np.int32)
    facts = {
        "algorithm": "HDBSCAN",
        "k": k,
        "fitted_images": len(matrix),
        "noise": float((~dense).mean()),
        "min_cluster_size": least,
    }
    return DensityClusters(matrix.astype(np.float32), labels, facts)


def load(arrays: dict[str, np.ndarray]) -> Clusterer:
    """Return the clusters from their saved arrays."""
    return DensityClusters(arrays["reference"], arrays["labels"])


def _nearest(reference: np.ndarray, vectors: np.ndarray, count: int) -> np.ndarray:
    """Return the positions, int (n, count), of the nearest references, the nearest first."""
    from sklearn.neighbors import NearestNeighbors

    return (
        NearestNeighbors(n_neighbors=min(count, len(reference)))
        .fit(reference)
        .kneighbors(vectors, return_distance=False)
    )
