"""Heads on vectors: the fit of one, groups of vectors, settings that train in a second."""

import numpy as np

from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions

HEAD_METHODS = ("selflabel", "consistency")


QUICK = {"interval": 4, "max_steps": 24, "batch_size": 30, "learning_rate": 0.003}


def fitted(method, matrix, k, settings=None):
    """Return the head of a method on vectors."""
    plugin = Clusterer.named(method)
    options = ClusterOptions(k=k, method=method, settings=settings or {})
    return plugin.fit(Vectors.of(matrix), options, plugin.parse_options(options.settings))


def groups_of(k, each=60, dims=16, apart=8.0):
    """Return vectors of k round groups, so many standard deviations apart, and their groups."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(k), each)
    return (rng.normal(size=(len(y), dims)) + apart * rng.normal(size=(k, dims))[y]).astype(
        np.float32
    ), y
