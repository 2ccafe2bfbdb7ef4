"""Neighbours and loss of the method `consistency`."""

import numpy as np
import pytest

from latentlab.refinement.methods import consistency


def test_consistency_pairs_images_with_their_neighbours_and_has_scans_loss(strong_run):
    """The loss by hand, for two images and their neighbours' assignments."""
    method = object.__new__(consistency.NeighborConsistency)
    method.options = consistency.ConsistencyOptions(entropy=2.0)
    method.seed, method._steps = 0, 0
    one, other = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.1, 0.9]])
    wanted = -np.log([0.5, 0.74]).mean() + 2.0 * (0.55 * np.log(0.55) + 0.45 * np.log(0.45))
    assert float(
        method.clustering_loss(np.concatenate([one, other]).astype(np.float32), {})
    ) == pytest.approx(wanted, abs=1e-5)
    images, places = np.arange(10, dtype=np.float32), np.array([4, 7])
    method._neighbors = np.stack([(np.arange(10) + 1) % 10, (np.arange(10) + 2) % 10], axis=1)
    method.read = lambda positions: images[positions]
    drawn = set()
    for method._steps in range(20):
        taken, more = method.material(images[places], places)
        assert (more, taken[:2].tolist()) == ({}, [4, 7])
        assert 1 <= taken[2] - 4 <= 2
        assert 1 <= taken[3] - 7 <= 2
        drawn.add(tuple(taken[2:]))
    assert len(drawn) > 1
