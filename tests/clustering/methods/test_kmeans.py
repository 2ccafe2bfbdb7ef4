"""K-means finds groups, in mini-batches too, and refuses too many clusters."""

import numpy as np
import pytest
from helpers.clusterers import blobs, fitted

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
