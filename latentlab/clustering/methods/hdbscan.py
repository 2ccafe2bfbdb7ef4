"""HDBSCAN (Campello, Moulavi and Sander 2013), by scikit-learn: clusters are dense places.

    latentlab cluster --run RUN --method hdbscan            # no --k: it finds their number
    latentlab cluster --run RUN --method hdbscan --set min_cluster_size=50

Density says little in hundreds of dimensions, so it works on a few UMAP coordinates. Images in no
dense place are its "noise". They go to the cluster of the nearest image that has one, and a column
`noise` marks them. So scores count every image, as with the other methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.assigned import Assigned, canonical_order, distances_to
from latentlab.clustering.clusterer import Clusterer, ClustererCapabilities, FittedClusters
from latentlab.clustering.means import cluster_means
from latentlab.clustering.tree import density_merges
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError
from latentlab.features.neighbors import nearest
from latentlab.options import CheckedOptions, option

MARGIN_NEIGHBORS = 15  # whose clusters make the margin
FEWEST_IMAGES = 4  # two clusters of two
SMALLEST_OF_ALL = 2  # images of a cluster, whatever is set
SMALLEST_CLUSTER = 5  # images, where the share below is fewer
SMALLEST_SHARE = 100  # a cluster has at least 1 image in 100
NOISE = -1


@dataclass(frozen=True)
class HDBSCANOptions(CheckedOptions):
    """Settings of HDBSCAN.

    Attributes
    ----------
    min_cluster_size : int or None
        Fewest images of a cluster; None is a hundredth of the fitted images, at least 5.
    min_samples : int
        Images within the core distance, the image itself among them. More make smoother clusters
        and more noise.
    sample : int
        Most training images that are fitted, drawn at random; the others follow their nearest.
    """

    min_cluster_size: int | None = option(None, "Fewest images of a cluster.")
    min_samples: int = option(5, "Images within the core distance.")
    sample: int = option(20_000, "Most training images that are fitted.")


@dataclass(frozen=True)
class DensityClusters(FittedClusters):
    """Fitted images with their clusters; any other image follows the nearest of them.

    The centers are the means of the clusters.

    Attributes
    ----------
    reference : ndarray of shape (m, d), float32
        Features of the fitted images.
    labels : ndarray of shape (m,), int32
        Their clusters; -1 is noise.
    tree : ndarray of shape (k - 1, 4), or None
        Where the clusters join as the density falls, as `ClusterTree.merges`. None of files from
        before there were trees.
    """

    reference: np.ndarray
    labels: np.ndarray
    tree: np.ndarray | None = None

    @property
    def merges(self) -> np.ndarray | None:
        """Where the clusters join as the density falls."""
        return self.tree

    @classmethod
    def of(
        cls,
        reference: np.ndarray,
        labels: np.ndarray,
        facts: Mapping[str, object],
        tree: np.ndarray | None = None,
    ) -> "DensityClusters":
        """Make the clusters of fitted images; the centers are computed.

        Parameters
        ----------
        reference : ndarray of shape (n, d), float32
            Feature vectors of the fitted images.
        labels : ndarray of shape (n,), int
            The cluster of each fitted image.
        facts : mapping of str to object
            Facts about the fit, for result.json.
        tree : ndarray of shape (k - 1, 4), or None
            As in `tree`.
        """
        n_clusters = int(labels.max()) + 1
        no_members = np.zeros((n_clusters, reference.shape[1]), np.float32)
        centers = cluster_means(reference, labels, no_members)
        return cls(centers, reference, labels, tree, facts=facts)

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign feature vectors (n, d) to the clusters of the nearest fitted images.

        The margin is the share of the 15 nearest in the image's cluster, less that in the next.

        Parameters
        ----------
        vectors : ndarray of shape (n, d), float32
            Feature vectors.
        """
        dense = self.labels != NOISE
        _, positions = nearest(self.reference[dense], vectors, MARGIN_NEIGHBORS)
        neighbor_clusters = self.labels[dense][positions]
        cluster = neighbor_clusters[:, 0]
        rows = np.arange(len(cluster))

        # Margin: the image's cluster against the best of the others.
        shares = self._shares(neighbor_clusters)
        first_share = shares[rows, cluster].copy()
        shares[rows, cluster] = 0
        margin = (first_share - shares.max(axis=1)).astype(np.float32)

        _, closest = nearest(self.reference, vectors, 1)
        is_noise = self.labels[closest[:, 0]] == NOISE
        distance = distances_to(self.centers, vectors)[rows, cluster]
        return Assigned(cluster, distance, margin, noise=is_noise)

    def grouped(self, groups: np.ndarray) -> "DensityClusters":
        """Return the fitted images with some clusters joined.

        Parameters
        ----------
        groups : ndarray of shape (k,), int
            New cluster of each cluster.
        """
        labels = np.where(self.labels == NOISE, NOISE, groups[self.labels]).astype(np.int32)
        return DensityClusters.of(self.reference, labels, {})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return features and clusters of the fitted images, and the tree, by name."""
        arrays = {"reference": self.reference, "labels": self.labels}
        return arrays if self.tree is None else arrays | {"tree": self.tree}

    def _shares(self, neighbor_clusters: np.ndarray) -> np.ndarray:
        """Return the share of each cluster, (n, k), among the neighbours' clusters (n, m)."""
        columns = []
        for cluster in range(len(self.centers)):
            columns.append((neighbor_clusters == cluster).mean(axis=1))
        return np.stack(columns, axis=1)


class HDBSCAN(Clusterer):
    """Clusters are dense places, and their number is found."""

    Options = HDBSCANOptions
    capabilities = ClustererCapabilities(
        default_features="pca50+umap5", finds_k=True, can_start_refinement=False
    )

    def fit(
        self, vectors: Vectors, options: ClusterOptions, settings: HDBSCANOptions
    ) -> DensityClusters:
        """Find the clusters; `options.k` is not used.

        Raises
        ------
        DataError
            If no place is dense enough for two clusters.
        ConfigError
            If a setting does not fit the number of images.
        """
        from sklearn import cluster

        # Settings for this number of images
        matrix = _sample(vectors.matrix(), settings.sample, options.seed)
        smallest = settings.min_cluster_size
        min_samples = settings.min_samples
        if len(matrix) < FEWEST_IMAGES:
            raise DataError(
                f"HDBSCAN takes at least {FEWEST_IMAGES} training images: there are {len(matrix)}.",
                hint="Choose a method with `k`.",
            )
        if smallest is None:
            smallest = max(len(matrix) // SMALLEST_SHARE, SMALLEST_CLUSTER)
            if smallest > len(matrix) // 2:  # so few images that two clusters would not fit
                smallest = len(matrix) // 2
                min_samples = min(min_samples, smallest)
        self._check(smallest, min_samples, len(matrix))

        # Dense places
        model = cluster.HDBSCAN(min_cluster_size=smallest, min_samples=min_samples, copy=True)
        labels = model.fit(matrix).labels_
        k = int(labels.max()) + 1
        if k < 2:
            raise DataError(
                f"HDBSCAN finds no two dense groups of {smallest} images or more.",
                hint=_hint(smallest),
            )
        facts = {
            "algorithm": "HDBSCAN",
            "k": k,
            "fitted_images": len(matrix),
            "noise": float((labels == NOISE).mean()),
            "min_cluster_size": smallest,
        }
        numbered = _by_size(labels, k)
        tree = density_merges(model._single_linkage_tree_, numbered)
        return DensityClusters.of(matrix.astype(np.float32), numbered, facts, tree)

    def load(self, arrays: Mapping[str, np.ndarray]) -> DensityClusters:
        """Return the clusters from their saved arrays."""
        return DensityClusters.of(arrays["reference"], arrays["labels"], {}, arrays.get("tree"))

    def _check(self, min_cluster_size: int, min_samples: int, n_images: int) -> None:
        size_fits = 2 <= min_cluster_size <= n_images // 2
        samples_fit = 1 <= min_samples <= n_images
        if not size_fits or not samples_fit:
            raise ConfigError(
                f"{self.argument}: min_cluster_size {min_cluster_size} must be 2 to"
                f" {n_images // 2} and min_samples {min_samples} 1 to {n_images}, with {n_images}"
                " images to fit.",
                hint="Change them with `settings`.",
            )


def _hint(smallest: int) -> str:
    if smallest <= SMALLEST_OF_ALL:
        return "Choose a method with `k`."
    fewer = max(SMALLEST_OF_ALL, smallest // 2)
    return f"Try `settings.min_cluster_size={fewer}`, or a method with `k`."


def _sample(matrix: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return at most `size` of the vectors, drawn at random, in their order."""
    if len(matrix) <= size:
        return matrix
    rng = np.random.default_rng([seed, 23])
    return matrix[np.sort(rng.choice(len(matrix), size, replace=False))]


def _by_size(labels: np.ndarray, k: int) -> np.ndarray:
    """Return labels, int32, with clusters numbered by size; noise stays."""
    is_dense = labels != NOISE
    new_numbers = np.argsort(canonical_order(labels[is_dense], k))
    return np.where(is_dense, new_numbers[labels], NOISE).astype(np.int32)
