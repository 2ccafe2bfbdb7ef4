"""k-means (Lloyd 1982, k-means++ initial centers), scikit-learn's; above a stated size its mini-batch form, read in parts.

    latentlab cluster --run RUN --k 10 --method kmeans --features pool+whiten+l2
"""

import numpy as np

from latentlab.clustering import Clusterer, Vectors, canonical_order
from latentlab.config import ClusterOptions
from latentlab.errors import DataError

MINIBATCH_EPOCHS = 5


def fit(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    """Cluster `vectors` into options.k groups.

    Raises
    ------
    DataError
        If there are fewer images, or fewer different vectors, than clusters.
    """
    if vectors.n_images < options.k:
        raise DataError(f"--k {options.k} is more than the {vectors.n_images} training images. Choose a smaller --k.")
    if vectors.n_images * vectors.n_dims > options.minibatch_above:
        return _fit_parts(vectors, options)
    return _fit_in_memory(vectors.matrix(), options)


def _fit_in_memory(matrix: np.ndarray, options: ClusterOptions) -> Clusterer:
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model = KMeans(options.k, n_init=options.restarts, random_state=options.seed).fit(matrix)
        except ConvergenceWarning as warning:
            raise DataError(f"--k {options.k} is more than the different images there are ({warning}). Choose a smaller --k.") from None
    order = canonical_order(model.labels_, options.k)
    facts = {"algorithm": "KMeans", "inertia": float(model.inertia_), "n_iter": int(model.n_iter_)}
    return Clusterer(model.cluster_centers_[order].astype(np.float32), facts)


def _fit_parts(vectors: Vectors, options: ClusterOptions) -> Clusterer:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(options.k, n_init=options.restarts, random_state=options.seed)
    for _ in range(MINIBATCH_EPOCHS):
        for part in _at_least(vectors, options.k):
            model.partial_fit(part)
    fitted = Clusterer(model.cluster_centers_.astype(np.float32), {})
    labels = np.concatenate([fitted.assign(part)[0] for part in vectors.parts()])
    inertia = sum(float(np.square(fitted.assign(part)[1].astype(np.float64)).sum()) for part in vectors.parts())
    facts = {"algorithm": "MiniBatchKMeans", "inertia": inertia, "n_iter": int(model.n_steps_)}
    return Clusterer(fitted.centers[canonical_order(labels, options.k)], facts)


def _at_least(vectors: Vectors, count: int):
    """Yield the parts, small ones joined to the next, so that the first one can hold `count` centers."""
    waiting: list[np.ndarray] = []
    for part in vectors.parts():
        waiting.append(part)
        if sum(map(len, waiting)) >= count:
            yield np.concatenate(waiting)
            waiting = []
    if waiting and sum(map(len, waiting)):
        yield np.concatenate(waiting)
