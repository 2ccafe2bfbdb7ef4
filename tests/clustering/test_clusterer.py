"""Clusters as centers: the nearest center, its distance, the margin."""

import numpy as np
import pytest
from helpers.clusterers import blobs, fitted

from latentlab.clustering.clusterer import Centers


def test_assign_gives_nearest_center_distance_and_margin():
    clusterer = Centers(np.array([[0, 0], [4, 0]], np.float32))
    assigned = clusterer.assign(np.array([[1, 0], [4, 3]], np.float32))
    np.testing.assert_array_equal(assigned.cluster, [0, 1])
    np.testing.assert_allclose(assigned.distance, [1, 3], atol=1e-5)
    np.testing.assert_allclose(assigned.margin, [2, 2], atol=1e-5)


@pytest.mark.parametrize("method", ["kmeans", "gmm", "n2d", "hdbscan"])
def test_methods_that_do_not_even_sizes_out_find_blobs(method):
    matrix = np.concatenate([blobs(), blobs(1, 50) + 20])
    k = None if method == "hdbscan" else 5
    labels = fitted(method, matrix, k=k, seed=1).assign(matrix).cluster
    assert np.bincount(labels).tolist() == [50, 30, 30, 30, 30]
