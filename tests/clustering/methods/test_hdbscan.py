"""HDBSCAN finds the number of clusters and leaves scattered images as noise."""

import numpy as np
import pytest

from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError

hdbscan = Clusterer.named("hdbscan")


OPTIONS = ClusterOptions(k=None, method="hdbscan")


def blobs(sizes=(80, 60, 40), scattered=10, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0], [10, 0], [0, 10]])
    points = [
        rng.normal(center, 0.5, (size, 2)) for center, size in zip(centers, sizes, strict=True)
    ]
    return np.concatenate([*points, rng.uniform(-30, 40, (scattered, 2))]).astype(np.float32)


def fitted(points, **settings):
    return hdbscan.fit(Vectors.of(points), OPTIONS, hdbscan.parse_options(settings))


def test_the_number_of_clusters_is_found_and_scattered_images_are_noise():
    found = fitted(blobs())
    assert found.facts["k"] == 3
    assigned = found.assign(blobs())
    assert np.bincount(assigned.cluster[:180]).tolist() == [80, 60, 40]  # the largest first
    assert assigned.noise[180:].mean() >= 0.5  # some fall into a group by chance
    assert assigned.noise[:180].mean() < 0.1
    assert assigned.margin[:180].mean() > 0.9


def test_saved_clusters_assign_alike():
    found = fitted(blobs())
    again = hdbscan.load(found.to_arrays()).assign(blobs(seed=1))
    assert (again.cluster == found.assign(blobs(seed=1)).cluster).all()


def test_data_without_dense_groups_is_refused():
    line = np.linspace(0, 1, 60)[:, None].astype(np.float32)
    with pytest.raises(DataError, match="finds no two dense groups"):
        fitted(line, min_cluster_size=25)
    with pytest.raises(ConfigError, match="min_cluster_size 1"):
        fitted(blobs(), min_cluster_size=1)
