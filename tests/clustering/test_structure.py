"""Vectors with groups and without, beside their nulls."""

import numpy as np
import pytest

from latentlab.clustering import structure
from latentlab.clustering.structure import Principal


def blobs(k, each=40, apart=4.0, dims=8):
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(k), each)
    centers = apart * np.eye(dims)[:k]
    noise = rng.normal(0, 1, (len(clusters), dims))
    return (centers[clusters] + noise).astype(np.float32), clusters


def test_groups_stand_apart():
    vectors, clusters = blobs(4)
    separation = structure.separation(vectors, clusters, seed=0)
    assert separation.neighbours > 0.9
    assert separation.excess > 0.7
    assert len(separation.neighbours_gaussian) == structure.NULLS


@pytest.mark.parametrize("stretch", [1, 6])
def test_a_single_cloud_does_not_whatever_its_shape(stretch):
    vectors = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    vectors[:, 0] *= stretch
    clusters = structure.kmeans_labels(vectors, 4, 0)
    assert abs(structure.separation(vectors, clusters, seed=0).excess) < 0.15


def test_gains_of_the_silhouette_are_largest_at_the_number_of_groups():
    vectors, _ = blobs(4)
    gains = structure.silhouette_gains(Principal.of(vectors).coordinates, (2, 3, 4, 6, 8), 0)
    assert max(gains, key=gains.get) == 4


@pytest.mark.parametrize("shape", [(30, 100), (100, 30)])
def test_principal_components_are_those_of_an_svd(shape):
    vectors = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    space = Principal.of(vectors)
    centered = vectors - vectors.mean(axis=0)
    lengths = np.linalg.svd(centered, compute_uv=False)[: space.coordinates.shape[1]]
    np.testing.assert_allclose(
        np.linalg.norm(space.coordinates, axis=0)[:20], lengths[:20], rtol=1e-3
    )
    np.testing.assert_allclose(space.place(vectors), space.coordinates, atol=1e-4)


def test_one_cluster_or_one_image_each_have_no_silhouette():
    vectors, _ = blobs(2, each=5)
    assert structure.silhouette(vectors, np.zeros(10, int)) == 0
    assert structure.silhouette(vectors, np.arange(10)) == 0
    assert structure.neighbours_within(vectors, np.zeros(10, int)) == 0
