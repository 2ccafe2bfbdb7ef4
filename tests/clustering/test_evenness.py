"""Clusters that are of one size by their method alone are noticed, and others are left in peace."""

import numpy as np
import pytest
from helpers.vectors import make_vectors

from latentlab.clustering.evenness import Evenness, compare, evenness_of
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


CUTS, CUTS_NOTHING = (0.3, 0.02), (0.02, 0.02)
EXPLAINS, EXPLAINS_LITTLE = (0.6, 0.7), (0.2, 0.7)


@pytest.mark.parametrize("cut", [CUTS, CUTS_NOTHING])
@pytest.mark.parametrize("explained", [EXPLAINS, EXPLAINS_LITTLE])
def test_unlike_sizes_and_one_other_sign_are_needed(cut, explained):
    has_other_sign = cut == CUTS or explained == EXPLAINS_LITTLE
    assert Evenness((50, 50), (95, 5), *cut, *explained).is_forced == has_other_sign
    assert not Evenness((50, 50), (60, 40), *cut, *explained).is_forced  # k-means agrees


# Pictures of 150, 6 and 3 by the shipped encoder: SCAN, then IMC.
@pytest.mark.parametrize(
    ("sizes", "cut", "explained"),
    [((52, 43, 32), 0.015, 0.266), ((46, 43, 38), 0.031, 0.221)],
)
def test_heads_on_pictures_with_one_frequent_class_are_noticed(sizes, cut, explained):
    evenness = Evenness(sizes, (91, 29, 7), cut, 0.020, explained, 0.677)
    assert evenness.is_forced
    assert "account for" in evenness.text
    assert "those of k-means for 68%" in evenness.text


@pytest.mark.parametrize(
    ("sizes", "kmeans_sizes"),
    [
        ((90, 90, 90), (90, 90, 90)),
        ((105, 100, 95), (120, 100, 80)),
        ((1000,) * 10, tuple(range(1400, 699, -75))),
        ((1000,) * 10, (1400,) * 4 + (733,) * 6),
    ],
)
def test_sizes_that_k_means_finds_in_balanced_images_are_left_in_peace(sizes, kmeans_sizes):
    assert not Evenness(sizes, kmeans_sizes, *CUTS, *EXPLAINS_LITTLE).is_forced


def clumps(*sizes, place, seed=0):
    """Return the pieces of one class: clumps near each other, around a place."""
    vectors, _ = groups(*sizes, apart=1.0, spread=0.2, seed=seed)
    return vectors + place


def test_a_head_that_joins_what_lies_apart_is_noticed_where_no_dense_place_is_cut():
    far = np.eye(16, dtype=np.float32)[:2] * 20
    large = clumps(60, 50, 40, place=0)
    rare = np.concatenate([clumps(6, place=far[0]), clumps(3, place=far[1])])
    joined = np.repeat([0, 1, 2, 2], [60, 50, 40, 9])
    evenness = compare(np.concatenate([large, rare]), joined, ClusterOptions(k=3))
    assert evenness.cut < 0.02
    assert evenness.is_forced


def test_normalised_entropy_is_one_for_clusters_of_one_size():
    assert evenness_of([7, 7, 7], 3) == pytest.approx(1)
    assert evenness_of([7, 0, 0], 3) == pytest.approx(0)
