"""Clusters that are of one size by their method alone are noticed, and others are left in peace."""

import numpy as np
import pytest
from helpers.vectors import make_vectors

from latentlab.clustering.evenness import Evenness, compare, effective_number
from latentlab.config import ClusterOptions


def groups(*sizes, apart=6.0, dims=16, spread=1.0, seed=0):
    """Return vectors in groups of some sizes, and the group of each."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(len(sizes), dims))
    centers *= apart / np.linalg.norm(centers, axis=1, keepdims=True)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    noise = spread * rng.normal(size=(len(truth), dims)) / np.sqrt(dims)
    return (centers[truth] + noise).astype(np.float32), truth


def evened(matrix, k):
    """Return clusters of one size: slices along the first principal component."""
    centered = matrix - matrix.mean(axis=0)
    direction = np.linalg.svd(centered, full_matrices=False)[2][1]
    ranks = np.argsort(np.argsort(centered @ direction))
    return ranks * k // len(matrix)


@pytest.mark.parametrize("sizes", [(300, 6, 3), (500, 20, 20, 10), (200, 4)])
def test_a_method_that_evens_out_sizes_is_noticed(sizes):
    matrix, _ = groups(*sizes)
    k = len(sizes)
    evenness = compare(matrix, evened(matrix, k), ClusterOptions(k=k))
    assert evenness.kmeans_sizes == tuple(sorted(sizes, reverse=True))
    assert evenness.is_forced
    assert "evens out sizes" in evenness.text


def test_the_right_clusters_of_imbalanced_images_are_left_in_peace():
    matrix, truth = groups(300, 6, 3)
    assert not compare(matrix, truth, ClusterOptions(k=3)).is_forced


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [1.0, 6.0, 12.0])  # apart, touching, one cloud
def test_balanced_images_are_left_in_peace(seed, spread):
    matrix, truth = groups(*[60] * 10, spread=spread, seed=seed)
    options = ClusterOptions(k=10)
    for clusters in (truth, evened(matrix, 10)):
        assert not compare(matrix, clusters, options).is_forced


@pytest.mark.parametrize("seed", range(3))
def test_images_of_somewhat_unlike_groups_are_left_in_peace(seed):
    # As k-means finds in features of CIFAR-10: the largest group is three times the smallest.
    matrix, truth = groups(*range(40, 121, 9), spread=7.0, seed=seed)
    assert not compare(matrix, truth, ClusterOptions(k=9)).is_forced


def test_what_cannot_be_told_is_not_told():
    matrix, _ = make_vectors(20)
    clusters = np.arange(20) % 2
    assert compare(matrix, clusters, ClusterOptions(k=2)) is None  # too few
    equal = np.ones((60, 4), np.float32)
    assert compare(equal, np.arange(60) % 2, ClusterOptions(k=2)) is None
    assert compare(equal, np.zeros(60, int), ClusterOptions(k=1)) is None


def test_both_signs_are_needed():
    assert Evenness((50, 50), (95, 5), 0.3, 0.02).is_forced
    assert not Evenness((50, 50), (60, 40), 0.3, 0.02).is_forced  # k-means agrees
    assert not Evenness((50, 50), (95, 5), 0.02, 0.02).is_forced  # no dense place is cut


def test_the_effective_number_counts_clusters_of_one_size():
    assert effective_number([7, 7, 7, 0]) == pytest.approx(3)
