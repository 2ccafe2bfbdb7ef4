"""K-means finds groups, in mini-batches too, and refuses too many clusters."""

import numpy as np
import pytest
from helpers.clusterers import blobs, fitted
from sklearn.cluster import KMeans

from latentlab.clustering.methods import kmeans
from latentlab.errors import DataError


def test_minibatch_above_the_stated_size_agrees_with_the_whole():
    matrix = blobs(4, 200)
    whole = fitted("kmeans", matrix, k=4)
    parts = fitted("kmeans", matrix, k=4, minibatch_above=100)
    assert (whole.facts["algorithm"], parts.facts["algorithm"]) == ("KMeans", "MiniBatchKMeans")
    assert parts.facts["inertia"] == pytest.approx(whole.facts["inertia"], rel=0.05)


def test_more_clusters_than_images_or_than_different_images_is_a_data_error():
    with pytest.raises(DataError, match="`k=5` is more than the 4"):
        fitted("kmeans", blobs(1, 4), k=5)
    with pytest.raises(DataError, match="`k=5` is more than the different images"):
        fitted("kmeans", np.ones((20, 3), np.float32), k=5)


def test_few_images_are_clustered_as_by_scikit_learn_to_the_bit():
    matrix = blobs(4, 100)
    model = KMeans(4, n_init=10, random_state=0).fit(matrix)
    clusters = fitted("kmeans", matrix, k=4)
    expected = {center.tobytes() for center in model.cluster_centers_}
    assert {center.tobytes() for center in clusters.centers} == expected
    assert clusters.facts["algorithm"] == "KMeans"


def test_many_images_are_clustered_from_a_sample(monkeypatch):
    matrix = blobs(4, 100)
    few = fitted("kmeans", matrix, k=4)
    monkeypatch.setattr(kmeans, "MOST_SEARCHED_WHOLE", 399)
    many = fitted("kmeans", matrix, k=4)
    assert many.facts["algorithm"] == "KMeans from a sample"
    assert many.facts["inertia"] == pytest.approx(few.facts["inertia"], rel=1e-4)
    with pytest.raises(DataError, match="`k=5` is more than the different images"):
        fitted("kmeans", np.ones((400, 3), np.float32), k=5)
