"""Planted wrong labels are suspected; duplicates do not count as neighbours."""

import numpy as np

from latentlab.reporting.audit import nearest_images
from latentlab.scoring import label_errors


def test_a_label_against_its_neighbours_and_its_cluster_is_suspected():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 50)
    vectors = rng.normal(np.where(truth[:, None] == 0, [5, 0], [0, 5]), 0.5, (100, 2))
    wrong = np.array([3, 30, 77])
    labels = truth.copy()
    labels[wrong] = 1 - labels[wrong]
    near = nearest_images(vectors, 0)
    alone = np.full(100, -1)
    found = label_errors.find(near, labels, truth, alone, 2)
    assert set(found.image) == set(wrong)
    assert (found.suggested == truth[found.image]).all()
    assert not len(
        label_errors.find(near, labels, 1 - truth, alone, 2).image
    )  # the cluster stands for the label's class


def test_duplicates_are_no_witnesses():
    near = np.array([[1, 2], [0, 2], [0, 1]])
    shares = label_errors.class_shares(near, np.array([0, 1, 1]), np.array([0, 0, -1]), 2)
    assert shares[0].tolist() == [0, 1]
    assert shares[1].tolist() == [0, 1]  # image 0 is its duplicate and does not count
