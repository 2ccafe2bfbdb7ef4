"""Criteria of encoders: clear groups beat noise, and vectors that changes leave alone."""

import numpy as np
import pytest

from latentlab.clustering import encoder_criteria
from latentlab.clustering.encoder_criteria import judge, numbers_of_clusters, ranks


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 16)) * 4
    return (np.repeat(centers, 30, axis=0) + rng.normal(size=(90, 16))).astype(np.float32)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(size=(90, 16)).astype(np.float32)


def test_groups_are_better_than_noise(vectors, noise):
    groups = judge(vectors, [vectors + 0.01], (3,), seed=0)
    nothing = judge(noise, [noise[::-1]], (3,), seed=0)
    for name in encoder_criteria.CRITERIA:
        assert groups.value(name) > nothing.value(name) + 0.1


def test_what_no_change_touches_keeps_all_neighbours(vectors):
    assert judge(vectors, [vectors, vectors], (3,), seed=0).neighbours == 1.0


def test_the_same_seed_gives_the_same_values(noise):
    assert judge(noise, [noise], (3,), seed=1) == judge(noise, [noise], (3,), seed=1)


def test_few_images_get_few_clusters():
    assert numbers_of_clusters(None, 20) == (5,)
    assert numbers_of_clusters(None, 8) == (5,)
    assert numbers_of_clusters(7, 20) == (7,)


def test_equal_values_share_a_rank():
    assert ranks([0.5, 0.5, 0.9]) == [2, 2, 1]
