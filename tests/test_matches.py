"""Merged and split classes are named, and only where purity and ACC differ; tables of scores tell the training map's scores."""

import numpy as np

from latentlab.scoring import metrics, purity_gap, score_text

NAMES = ("cat", "dog", "ship")


def test_a_merged_and_a_split_class_are_named():
    # clusters 0 and 2 are both ships; cats and dogs share cluster 1
    table = np.array([[0, 1, 40], [35, 30, 2], [0, 0, 20]])
    found = purity_gap.gap(table)
    assert found["split"] == [{"class": 2, "clusters": [0, 2]}]
    assert found["merged"] == [{"class": 1, "cluster": 1, "with": 0}]
    assert np.isclose(found["gap"], 20 / 128)
    text = purity_gap.gap_text(found, NAMES)
    assert text == (
        "Purity is 0.156 above ACC: ship is split over clusters 0, 2; dog has no cluster of its own: most of it is in cluster 1 with cat."
    )


def test_no_gap_is_not_explained():
    assert purity_gap.gap(np.diag([30, 20, 10]) + 1) is None
    assert purity_gap.gap_text(None, NAMES) == ""


def test_the_maps_come_from_the_training_split():
    training, held_out = np.array([[9, 1], [8, 2]]), np.array([[1, 9], [9, 1]])
    found = purity_gap.gap(held_out, training)
    assert found["split"] == [{"class": 0, "clusters": [0, 1]}]
    assert found["gap"] == metrics.mapped_share(held_out, np.array([0, 0])) - metrics.mapped_share(
        held_out, np.array([0, 1])
    )


def test_many_split_classes_end_in_how_many_more():
    table = np.repeat(np.eye(12, dtype=int) * 10, 2, axis=0)
    text = purity_gap.gap_text(purity_gap.gap(table), [str(i) for i in range(12)])
    assert text.count("split") == purity_gap.NAMED
    assert text.endswith("; 4 more in scores.json.")


def test_the_table_tells_the_training_maps_scores_first_and_the_other_below():
    training, held_out = np.array([[60, 40], [45, 55]]), np.array([[20, 30], [10, 40]])
    rows = [
        {"split": "test", "method": "m", "low": None, "high": None, **row}
        for row in metrics.score(held_out, training)
    ]
    rows.append(
        {
            "split": "train",
            "method": "m",
            "metric": "purity",
            "value": 0.999,
            "chance": 0.5,
            "low": None,
            "high": None,
        }
    )
    own = score_text.by_method(rows, "test")["m"]
    assert (own["purity"]["value"], own["purity_own_map"]["value"]) == (0.6, 0.7)
    text = score_text.text_table(rows)
    assert "0.600" in text
    assert "matched on the split itself they are 0.700 and 0.600" in text
    assert "0.999" not in text


def test_intervals_stand_beside_scores():
    assert (
        score_text.with_interval({"value": 0.5, "low": 0.45, "high": 0.55})
        == "0.500 [0.450, 0.550]"
    )
    assert score_text.with_interval({"value": 0.5, "low": None, "high": None}) == "0.500"
