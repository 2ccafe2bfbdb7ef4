"""Feature steps and k-means: hand-checked cases, round trips, canonical numbers, errors."""

import numpy as np

from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.conformance import prototype_shares
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions

RNG = np.random.default_rng(0)


def blobs(k=4, each=30, d=5, spread=0.05):
    centers = RNG.normal(size=(k, d)) * 3
    return np.concatenate([c + spread * RNG.normal(size=(each, d)) for c in centers]).astype(
        np.float32
    )


def vectors_of(matrix, size=25):
    return Vectors(
        *matrix.shape,
        lambda: iter(np.array_split(matrix, max(1, len(matrix) // size))),
        lambda: prototype_shares(matrix),
    )


def fitted(method, matrix, **options):
    plugin = Clusterer.named(method)
    options = ClusterOptions(method=method, **options)
    return plugin.fit(vectors_of(matrix), options, plugin.parse_options(options.settings))
