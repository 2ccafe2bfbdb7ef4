"""Groups of vectors, and clustering methods fitted on them."""

import numpy as np

from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.conformance import prototype_shares
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions


def blobs(k=4, each=30, d=5, spread=0.05, seed=0):
    """Return float32 vectors (k * each, d) of k narrow groups."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(k, d)) * 3
    groups = [center + spread * rng.normal(size=(each, d)) for center in centers]
    return np.concatenate(groups).astype(np.float32)


def vectors_of(matrix, size=25):
    """Return the rows of a matrix as vectors in parts of about `size`."""
    return Vectors(
        *matrix.shape,
        lambda: iter(np.array_split(matrix, max(1, len(matrix) // size))),
        lambda: prototype_shares(matrix),
    )


def fitted(method, matrix, **options):
    """Return the clusters of a method on the rows of a matrix."""
    plugin = Clusterer.named(method)
    options = ClusterOptions(method=method, **options)
    return plugin.fit(vectors_of(matrix), options, plugin.parse_options(options.settings))
