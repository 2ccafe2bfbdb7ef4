"""Probes: what features hold, asked with labels."""

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.scoring.probes import probe_features


def groups(apart, count=300, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, count)
    splits = np.where(np.arange(count) < count * 2 // 3, "train", "test")
    return rng.normal(0, 1, (count, 8)) + apart * np.eye(3, 8)[classes], splits, classes


def test_separate_classes_are_told_apart_and_noise_is_not():
    for apart, low, high in ((8, 0.98, 1.0), (0, 0.15, 0.55)):
        for row in probe_features(*groups(apart)):
            assert low <= row.value <= high
            assert row.low <= row.value <= row.high
            assert row.n == 100


def test_chance_names_the_commonest_training_class():
    vectors, splits, classes = groups(0)
    row = probe_features(vectors, splits, classes)[0]
    commonest = np.bincount(classes[splits == "train"]).argmax()
    assert row.chance == pytest.approx((classes[splits == "test"] == commonest).mean())


def test_images_without_labels_are_left_out_and_no_labels_are_refused():
    vectors, splits, classes = groups(8)
    classes[:50] = -1
    assert probe_features(vectors, splits, classes)[0].value > 0.95
    with pytest.raises(DataError, match="both splits"):
        probe_features(vectors, np.full(300, "train"), classes)
    with pytest.raises(DataError, match="two classes"):
        probe_features(vectors, splits, np.zeros(300, int))
