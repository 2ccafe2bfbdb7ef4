"""Merged and split classes are named, and only where purity and ACC differ; tables of scores tell the training map's scores."""

import dataclasses

import numpy as np

from latentlab.cli.texts.scores import score_table
from latentlab.scoring import metrics, purity_gap, tables
from latentlab.scoring.purity_gap import MergedClass, SplitClass, find_gap, gap_text
from latentlab.scoring.scores import ScoreRow, group_rows

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
        "Purity is 0.156 above ACC: ship is split over clusters 0, 2; dog has no cluster of its own: most of it is in cluster 1 with cat."
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


def test_the_table_tells_the_training_maps_scores_first_and_the_other_below():
    training, held_out = np.array([[60, 40], [45, 55]]), np.array([[20, 30], [10, 40]])
    rows = [
        ScoreRow(method="m", split="test", metric=row.metric, value=row.value, chance=row.chance)
        for row in metrics.score(held_out, training)
    ]
    rows.append(ScoreRow(method="m", split="train", metric="purity", value=0.999, chance=0.5))
    scores = group_rows(rows, "test")["m"]
    assert scores.headline("purity") is scores.purity_by_train_map
    assert (scores.purity_by_train_map.value, scores.purity_matched_on_split.value) == (0.6, 0.7)
    text = score_table(rows)
    assert "0.600" in text
    assert "matched on the split itself they are 0.700 and 0.600" in text
    assert "0.999" not in text


def test_without_a_training_map_the_split_is_matched_on_itself():
    rows = [ScoreRow(method="m", split="test", metric="purity", value=0.5)]
    scores = group_rows(rows, "test")["m"]
    assert scores.purity_by_train_map is None
    assert scores.headline("purity").value == 0.5


def test_intervals_stand_beside_scores():
    row = ScoreRow(method="m", split="test", metric="nmi", value=0.5)
    assert tables.with_interval(row) == "0.500"
    row = dataclasses.replace(row, low=0.45, high=0.55)
    assert tables.with_interval(row) == "0.500 [0.450, 0.550]"
