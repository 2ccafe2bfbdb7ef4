"""Pseudo-labels of self-labelling."""

import numpy as np
import pytest

from latentlab.refinement.methods import selflabel


def test_a_cluster_that_grew_is_cut_back_to_its_share():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 3)) + [1.5, 0, 0]
    q = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    itself = np.arange(300)[:, None]
    before = np.bincount(q.argmax(axis=1), minlength=3)
    after = np.bincount(selflabel.pseudo_labels(q, itself, 1.0)[0].argmax(axis=1), minlength=3)
    assert before.max() > 180
    assert after.max() < 120
    assert selflabel.balanced(q).sum(axis=0) == pytest.approx([100, 100, 100], rel=0.01)


def test_pseudo_labels_take_each_clusters_most_confident_and_weigh_clusters_alike():
    q = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] * 2 + [[0.2, 0.8]] * 3 + [[0.4, 0.6]] * 2)
    itself = np.arange(10)[:, None]
    target, weight = selflabel.pseudo_labels(q, itself, 0.5)
    np.testing.assert_array_equal(target.argmax(axis=1), [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(weight > 0, [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2)
    assert weight[:5].sum() == pytest.approx(weight[5:].sum())
    assert weight[weight > 0].mean() == pytest.approx(1)
    itself[3] = 5  # a neighbour that is sure of the other cluster
    assert selflabel.pseudo_labels(q, itself, 0.5)[0][3].argmax() == 1
