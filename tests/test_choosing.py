"""The criteria for k: each against its definition or its known answer, the rule that joins them, and bad input."""

import numpy as np
import pytest

from latentlab.clustering import choosing
from latentlab.errors import ConfigError, DataError


def blobs(k, each=25, seed=0):
    rng = np.random.default_rng(seed)
    centers = 12 * np.eye(k)[:, : k - 1] if k > 1 else np.zeros((1, 2))
    return np.concatenate(
        [rng.normal(center, 1, (each, centers.shape[1])) for center in centers]
    ).astype(np.float32)


@pytest.fixture(autouse=True)
def _few_repeats(monkeypatch):
    monkeypatch.setattr(choosing, "REFERENCES", 4)
    monkeypatch.setattr(choosing, "PAIRS", 3)


def test_clear_blobs_are_counted_and_every_criterion_is_told():
    seen = []
    found = choosing.choose(blobs(4), range(2, 7), restarts=3, step=seen.append)
    assert found.chosen == dict.fromkeys(choosing.CRITERIA, 4)
    assert found.k == 4
    assert found.reason.startswith("5 of 5 criteria")
    assert seen == [row["k"] for row in found.rows] == [2, 3, 4, 5, 6]
    again = choosing.choose(blobs(4), range(2, 7), restarts=3)
    assert again.rows == found.rows


def test_the_gap_rule_is_the_papers():
    rows = [
        {
            "k": k,
            "gap": gap,
            "gap_s": 0.05,
            "silhouette": 0,
            "davies-bouldin": 0,
            "calinski-harabasz": 0,
            "stability": 0,
        }
        for k, gap in ((2, 0.1), (3, 0.5), (4, 0.52), (5, 0.9))
    ]
    assert choosing.choices(rows)["gap"] == 3  # 0.5 >= 0.52 - 0.05, though 5 has the largest gap
    for row, gap in zip(rows, (0.1, 0.2, 0.3, 0.4), strict=True):
        row["gap"] = gap
    assert choosing.choices(rows)["gap"] == 5  # never reached: the last


def test_stability_chooses_the_largest_k_that_is_as_stable():
    rows = [
        {
            "k": k,
            "gap": 0,
            "gap_s": 0,
            "silhouette": 0,
            "davies-bouldin": 0,
            "calinski-harabasz": 0,
            "stability": value,
        }
        for k, value in ((2, 1.0), (3, 0.6), (4, 0.97), (5, 0.9))
    ]
    assert choosing.choices(rows)["stability"] == 4


@pytest.mark.parametrize(
    ("ks", "expected", "reason"),
    [
        ((5, 5, 2, 6, 9), 5, "3 of 5 criteria"),
        ((2, 8, 8, 14, 2), 2, "2 of 5"),  # two against two: the silhouette's side
        ((2, 5, 8, 11, 14), 2, "the criteria disagree"),
    ],
)
def test_recommendation_is_where_most_criteria_meet(ks, expected, reason):
    k, told = choosing.recommend(dict(zip(choosing.CRITERIA, ks, strict=True)))
    assert k == expected
    assert reason in told
    assert "says" in told  # the disagreement is shown


def test_reference_data_fill_the_box_of_the_principal_components(monkeypatch):
    rng = np.random.default_rng(0)
    line = np.outer(rng.normal(0, 5, 200), [1, 1]) + rng.normal(0, 0.1, (200, 2))
    reference = choosing._references(line, 0)[0]
    across = (reference - line.mean(axis=0)) @ [1, -1]
    assert (
        np.abs(across).max() < 1
    )  # the box follows the data's direction; an upright one would reach beyond 10


def test_bad_ranges_and_too_few_images_say_so():
    assert choosing.parse_range("2:5") == [2, 3, 4, 5]
    assert choosing.parse_range("9,2,5") == [2, 5, 9]
    for text in ("2:x", "", "1:5", "5:2", "3,4"):
        with pytest.raises(ConfigError, match="--ks"):
            choosing.parse_range(text)
    with pytest.raises(DataError, match="too many for 3 different training images"):
        choosing.choose(np.repeat(np.eye(3), 20, axis=0), range(2, 6))


def test_text_marks_each_choice():
    rows = [{"k": k, **dict.fromkeys(choosing.CRITERIA, k / 10)} for k in (2, 3)]
    text = choosing.text(
        {"rows": rows, "chosen": dict.fromkeys(choosing.CRITERIA, 3), "k": 3, "reason": "why"}
    )
    assert text.count("0.300*") == 5
    assert text.endswith("recommended: --k 3, since why")
