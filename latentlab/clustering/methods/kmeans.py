"""k-means (Lloyd 1982) with k-means++ initial centers, by scikit-learn.

With more than 10,000 images most of the search is done on a sample, see
`latentlab.clustering.sampled_kmeans`. Above a stated size scikit-learn's mini-batch form goes on
from there, which reads the images in parts.

    latentlab cluster --run RUN --k 10 --method kmeans --features pool+whiten+l2
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.clustering import sampled_kmeans
from latentlab.clustering.assigned import canonical_order
from latentlab.clustering.clusterer import (
    Centers,
    Clusterer,
    ClustererCapabilities,
    FittedClusters,
    check_enough_images,
    number_of_clusters,
    too_few_different,
)
from latentlab.clustering.sampled_kmeans import KMeansFit
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions

MINIBATCH_PASSES = 3
SAMPLE = 20_000  # images from which the mini-batch form starts
MOST_SEARCHED_WHOLE = 10_000  # images of which every restart sees all


class KMeans(Clusterer):
    """Clusters around centers."""

    capabilities = ClustererCapabilities(pretrained_features="umap10")

    def fit(self, vectors: Vectors, options: ClusterOptions, settings: Any) -> Centers:
        """Cluster vectors.

        Raises
        ------
        DataError
            If there are fewer images, or fewer different vectors, than clusters.
        """
        check_enough_images(number_of_clusters(options), vectors.n_images)
        if vectors.n_images * vectors.n_dims > options.minibatch_above:
            return _fit_in_parts(vectors, options)
        return _fit_in_memory(vectors.matrix(), options)

    def load(self, arrays: Mapping[str, np.ndarray]) -> Centers:
        """Return the fitted clusters from their saved arrays."""
        return Centers(arrays["centers"])


def _fit_in_memory(matrix: np.ndarray, options: ClusterOptions) -> Centers:
    k = number_of_clusters(options)
    fitted = None
    algorithm = "KMeans"
    if len(matrix) > MOST_SEARCHED_WHOLE:
        fitted = sampled_kmeans.fit(matrix, k, options.restarts, options.seed)
        algorithm = "KMeans from a sample"
    if fitted is None or len(np.unique(fitted.labels)) < k:
        fitted = _fit_whole(matrix, k, options)
        algorithm = "KMeans"
    centers = fitted.centers[canonical_order(fitted.labels, k)]
    facts = {"algorithm": algorithm, "inertia": fitted.inertia, "n_iter": fitted.n_iter}
    return Centers(centers.astype(np.float32), facts=facts)


def _fit_whole(matrix: np.ndarray, k: int, options: ClusterOptions) -> KMeansFit:
    """Return the best of scikit-learn's restarts, each on all vectors."""
    from sklearn.cluster import KMeans as ScikitKMeans
    from sklearn.exceptions import ConvergenceWarning

    model = ScikitKMeans(k, n_init=options.restarts, random_state=options.seed)
    with warnings.catch_warnings(), backend.ordered_sums():
        # scikit-learn only warns if there are fewer different vectors than clusters.
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(matrix)
        except ConvergenceWarning as warning:
            raise too_few_different(k, warning) from None
    inertia, n_iter = float(model.inertia_), int(model.n_iter_)
    return KMeansFit(model.cluster_centers_, model.labels_, inertia, n_iter)


def _fit_in_parts(vectors: Vectors, options: ClusterOptions) -> Centers:
    """Start from a sample of all parts, since one part may hold a single class; then refine."""
    from sklearn.cluster import MiniBatchKMeans

    k = number_of_clusters(options)
    start = _fit_in_memory(_sample(vectors, options.seed), options).centers
    model = MiniBatchKMeans(
        k, init=start, n_init=1, reassignment_ratio=0, random_state=options.seed
    )
    with backend.ordered_sums():
        for _ in range(MINIBATCH_PASSES):
            for part in vectors.parts():
                model.partial_fit(part)

    # Number the clusters by size.
    centers = model.cluster_centers_
    labels, inertia = _assign_parts(vectors, Centers(centers.astype(np.float32)))
    facts = {"algorithm": "MiniBatchKMeans", "inertia": inertia, "n_iter": MINIBATCH_PASSES}
    return Centers(centers[canonical_order(labels, k)].astype(np.float32), facts=facts)


def _sample(vectors: Vectors, seed: int) -> np.ndarray:
    """Return about `SAMPLE` vectors drawn at random from all parts."""
    rng = np.random.default_rng([seed, 3])
    share = min(1.0, SAMPLE / vectors.n_images)
    return np.concatenate([part[rng.random(len(part)) < share] for part in vectors.parts()])


def _assign_parts(vectors: Vectors, clusters: FittedClusters) -> tuple[np.ndarray, float]:
    """Return labels, int32 (n,), and the sum of squared distances."""
    labels = []
    inertia = 0.0
    for part in vectors.parts():
        assigned = clusters.assign(part)
        labels.append(assigned.cluster)
        inertia += float(np.square(assigned.distance, dtype=np.float64).sum())
    return np.concatenate(labels), inertia
