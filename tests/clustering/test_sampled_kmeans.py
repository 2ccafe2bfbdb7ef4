"""k-means by a sample: as tight as ten restarts on all, the same for a seed, in bounded memory."""

import itertools

import numpy as np
import pytest
from helpers.clusterers import blobs
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from latentlab.clustering import sampled_kmeans

DIGITS = load_digits().data.astype(np.float32)


def shifted_digits():
    """Return the digits where they are and one pixel in each direction: (16173, 64)."""
    images = load_digits().images.astype(np.float32)
    shifts = itertools.product((-1, 0, 1), repeat=2)
    return np.concatenate([np.roll(images, shift, (1, 2)).reshape(-1, 64) for shift in shifts])


@pytest.fixture
def small_sample(monkeypatch):
    """Let the sample of the digits be a third of them."""
    monkeypatch.setattr(sampled_kmeans, "SAMPLE_ROWS", (600, 600))


@pytest.mark.parametrize(("k", "seeds"), [(10, 2), (30, 1)])
def test_clusters_of_real_vectors_are_as_tight_as_those_of_ten_restarts(k, seeds):
    vectors = shifted_digits()
    best = KMeans(k, n_init=10, random_state=0).fit(vectors).inertia_
    for seed in range(seeds):
        fitted = sampled_kmeans.fit(vectors, k, restarts=10, seed=seed)
        assert fitted.inertia <= 1.001 * best
        distances = np.square(vectors - fitted.centers[fitted.labels]).sum(axis=1)
        assert fitted.inertia == pytest.approx(distances.sum(dtype=np.float64), rel=1e-4)
        assert len(np.unique(fitted.labels)) == k


def test_a_seed_gives_the_same_clusters_with_any_number_of_threads(monkeypatch, small_sample):
    monkeypatch.setattr(sampled_kmeans, "BLOCK_ROWS", 100)
    fits = []
    for threads in (1, 4):
        monkeypatch.setattr(sampled_kmeans, "THREADS", threads)
        fits.append(sampled_kmeans.fit(DIGITS, 20, restarts=3, seed=7))
    np.testing.assert_array_equal(fits[0].centers, fits[1].centers)
    np.testing.assert_array_equal(fits[0].labels, fits[1].labels)


def test_centers_are_the_means_of_their_clusters_far_from_the_origin_too():
    matrix = blobs(5, 400) + np.float32(1000)
    fitted = sampled_kmeans.fit(matrix, 5, restarts=3, seed=0)
    means = np.stack([matrix[fitted.labels == label].mean(axis=0) for label in range(5)])
    np.testing.assert_allclose(fitted.centers, means, rtol=1e-5)


def test_fewer_different_vectors_than_clusters_leave_clusters_empty():
    fitted = sampled_kmeans.fit(np.repeat(np.eye(3, dtype=np.float32), 50, axis=0), 5, 2, seed=0)
    assert len(np.unique(fitted.labels)) == 3
    assert fitted.inertia == pytest.approx(0, abs=1e-3)


def test_one_cluster_is_the_mean():
    fitted = sampled_kmeans.fit(DIGITS, 1, restarts=10, seed=0)
    np.testing.assert_allclose(fitted.centers[0], DIGITS.mean(axis=0), rtol=1e-4, atol=1e-4)
