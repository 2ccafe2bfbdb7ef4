"""k-means (Lloyd 1982, k-means++ initial centers), scikit-learn's; above a stated size its mini-batch form, read in parts.

latentlab cluster --run RUN --k 10 --method kmeans --features pool+whiten+l2
"""

import numpy as np

from latentlab import backend
from latentlab.clustering.base import Centers, Clusterer, Vectors, canonical_order
from latentlab.config import ClusterOptions
from latentlab.errors import DataError

MINIBATCH_PASSES = 3
SAMPLE = 20_000


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Cluster `vectors` into options.k groups.

    Raises
    ------
    DataError
        If there are fewer images, or fewer different vectors, than clusters.
    """
    if vectors.n_images < options.k:
        raise DataError(
            f"--k {options.k} is more than the {vectors.n_images} training images. Choose a smaller --k."
        )
    if vectors.n_images * vectors.n_dims > options.minibatch_above:
        return _fit_parts(vectors, options)
    return _fit_in_memory(vectors.matrix(), options)


def load(arrays: dict[str, np.ndarray]) -> Clusterer:
    """Return the fitted clusters from their saved arrays."""
    return Centers(arrays["centers"])


def _fit_in_memory(matrix: np.ndarray, options: ClusterOptions) -> Centers:
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            with backend.ordered_sums():
                model = KMeans(options.k, n_init=options.restarts, random_state=options.seed).fit(
                    matrix
                )
        except ConvergenceWarning as warning:
            raise DataError(
                f"--k {options.k} is more than the different images there are ({warning}). Choose a smaller --k."
            ) from None
    order = canonical_order(model.labels_, options.k)
    facts = {"algorithm": "KMeans", "inertia": float(model.inertia_), "n_iter": int(model.n_iter_)}
    return Centers(model.cluster_centers_[order].astype(np.float32), facts)


def _fit_parts(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Start from k-means on a random sample of all parts, since one part may hold a single class; then refine in passes."""
    from sklearn.cluster import MiniBatchKMeans

    start = _fit_in_memory(_sample(vectors, options.seed), options).centers
    model = MiniBatchKMeans(
        options.k, init=start, n_init=1, reassignment_ratio=0, random_state=options.seed
    )
    with backend.ordered_sums():
        for _ in range(MINIBATCH_PASSES):
            for part in vectors.parts():
                model.partial_fit(part)
    labels, inertia = _assign_parts(vectors, Centers(model.cluster_centers_.astype(np.float32)))
    facts = {"algorithm": "MiniBatchKMeans", "inertia": inertia, "n_iter": MINIBATCH_PASSES}
    return Centers(
        model.cluster_centers_[canonical_order(labels, options.k)].astype(np.float32), facts
    )


def _sample(vectors: Vectors, seed: int) -> np.ndarray:
    """Return about `SAMPLE` vectors drawn at random from all parts."""
    rng = np.random.default_rng([seed, 3])
    share = min(1.0, SAMPLE / vectors.n_images)
    return np.concatenate([part[rng.random(len(part)) < share] for part in vectors.parts()])


def _assign_parts(vectors: Vectors, clusterer: Clusterer) -> tuple[np.ndarray, float]:
    """Return labels, int32 (n,), and the sum of squared distances."""
    labels, inertia = [], 0.0
    for part in vectors.parts():
        assigned = clusterer.assign(part)
        labels.append(assigned.cluster)
        inertia += float(np.square(assigned.distance, dtype=np.float64).sum())
    return np.concatenate(labels), inertia
