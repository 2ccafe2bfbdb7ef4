"""Merged and split classes are named, and only where purity and ACC differ."""

import numpy as np

from latentlab.scoring import metrics, purity_gap
from latentlab.scoring.purity_gap import MergedClass, SplitClass, find_gap, gap_text

NAMES = ("cat", "dog", "ship")


def test_a_merged_and_a_split_class_are_named():
    # clusters 0 and 2 are both ships; cats and dogs share cluster 1
    table = np.array([[0, 1, 40], [35, 30, 2], [0, 0, 20]])
    gap = find_gap(table)
    assert gap.split == (SplitClass(2, (0, 2)),)
    assert gap.merged == (MergedClass(1, cluster=1, cluster_class=0),)
    assert np.isclose(gap.gap, 20 / 128)
    text = gap_text(gap, NAMES)
    assert text == (
        "Purity is 0.156 above ACC: ship is split over clusters 0, 2;"
        " dog has no cluster of its own: most of it is in cluster 1 with cat."
    )


def test_no_gap_is_not_explained():
    assert find_gap(np.diag([30, 20, 10]) + 1) is None
    assert gap_text(None, NAMES) == ""


def test_the_maps_come_from_the_training_split():
    training, held_out = np.array([[9, 1], [8, 2]]), np.array([[1, 9], [9, 1]])
    gap = find_gap(held_out, training)
    assert gap.split == (SplitClass(0, (0, 1)),)
    assert gap.gap == metrics.mapped_share(held_out, np.array([0, 0])) - metrics.mapped_share(
        held_out, np.array([0, 1])
    )


def test_many_split_classes_end_in_how_many_more():
    table = np.repeat(np.eye(12, dtype=int) * 10, 2, axis=0)
    text = gap_text(find_gap(table), [str(i) for i in range(12)])
    assert text.count("split") == purity_gap.NAMED
    assert text.endswith("; 4 more in scores.json.")
