"""Criteria for k: each against its definition or a known answer; their joint rule; bad input."""

import numpy as np
import pytest

from latentlab.clustering import choose_k
from latentlab.errors import ConfigError, DataError
from latentlab.storage import json_form


def blobs(k, each=25, seed=0):
    rng = np.random.default_rng(seed)
    centers = 12 * np.eye(k)[:, : k - 1] if k > 1 else np.zeros((1, 2))
    return np.concatenate(
        [rng.normal(center, 1, (each, centers.shape[1])) for center in centers]
    ).astype(np.float32)


@pytest.fixture(autouse=True)
def _few_repeats(monkeypatch):
    monkeypatch.setattr(choose_k, "REFERENCES", 4)
    monkeypatch.setattr(choose_k, "PAIRS", 3)


def test_clear_blobs_are_counted_and_every_criterion_is_told():
    seen = []
    found = choose_k.choose(blobs(4), range(2, 7), restarts=3, step=seen.append)
    assert found.choices == dict.fromkeys(choose_k.CRITERIA, 4)
    assert found.k == 4
    assert found.reason.startswith("5 of 5 criteria")
    assert seen == [row.k for row in found.rows] == [2, 3, 4, 5, 6]
    again = choose_k.choose(blobs(4), range(2, 7), restarts=3)
    assert again.rows == found.rows


def scores(k, **criteria):
    """Return the criteria of one k, 0 if they do not matter."""
    values = dict.fromkeys(
        ("silhouette", "davies_bouldin", "calinski_harabasz", "gap", "stability"), 0.0
    )
    return choose_k.KScores(k=k, gap_s=0.05, stability_sd=0.0, **(values | criteria))


def test_the_gap_rule_is_the_papers():
    rows = [scores(k, gap=gap) for k, gap in ((2, 0.1), (3, 0.5), (4, 0.52), (5, 0.9))]
    # 0.5 >= 0.52 - 0.05, though 5 has the largest gap
    assert choose_k.choices_of(rows)["gap"] == 3
    rows = [scores(k, gap=gap) for k, gap in ((2, 0.1), (3, 0.2), (4, 0.3), (5, 0.4))]
    assert choose_k.choices_of(rows)["gap"] == 5  # never reached: the last


def test_stability_chooses_the_largest_k_that_is_as_stable():
    rows = [scores(k, stability=value) for k, value in ((2, 1.0), (3, 0.6), (4, 0.97), (5, 0.9))]
    assert choose_k.choices_of(rows)["stability"] == 4


@pytest.mark.parametrize(
    ("ks", "expected", "reason"),
    [
        ((5, 5, 2, 6, 9), 5, "3 of 5 criteria"),
        ((2, 8, 8, 14, 2), 2, "2 of 5"),  # two against two: the silhouette's side
        ((2, 5, 8, 11, 14), 2, "the criteria disagree"),
    ],
)
def test_recommendation_is_where_most_criteria_meet(ks, expected, reason):
    advice = choose_k.recommend(dict(zip(choose_k.CRITERIA, ks, strict=True)))
    assert advice.k == expected
    assert reason in advice.reason
    assert "says" in advice.reason  # the disagreement is shown


@pytest.mark.parametrize(("n_images", "dims"), [(300, 6), (120, 40)])
def test_a_single_cloud_has_no_structure_and_k_is_1(n_images, dims):
    cloud = np.random.default_rng(5).normal(size=(n_images, dims)).astype(np.float32)
    cloud[:, 0] *= 3  # directions of different spread are no groups
    choice = choose_k.choose(cloud, range(2, 6), restarts=2)
    assert choice.k == 1
    assert not choice.has_structure
    assert "no structure was found" in choice.reason
    assert choice.chance is None


def test_structure_is_looked_for_before_umap():
    cloud = np.random.default_rng(6).normal(size=(200, 10)).astype(np.float32)
    clumps = blobs(4, each=50)
    assert choose_k.choose(clumps, range(2, 6), restarts=2).k == 4
    assert choose_k.choose(clumps, range(2, 6), restarts=2, before_umap=cloud).k == 1


def test_the_range_is_extended_as_far_as_the_criteria_rise():
    many = choose_k.choose(blobs(20, each=15), range(12, 16), restarts=2, extend=True)
    assert [row.k for row in many.rows][4:6] == [20, 25]
    assert many.k == 20
    few = choose_k.choose(blobs(4), range(2, 8), restarts=2, extend=True)
    assert few.rows[-1].k == 7


def test_long_vectors_are_looked_at_in_their_principal_components(monkeypatch):
    monkeypatch.setattr(choose_k, "DIMENSIONS", 8)
    vectors = np.pad(blobs(4), ((0, 0), (0, 30)))
    assert choose_k.choose(vectors, range(2, 7), restarts=2).k == 4


def test_results_of_older_versions_can_be_read():
    stored = json_form.to_json(choose_k.choose(blobs(3), range(2, 5), restarts=2))
    for key in ("structure", "chance", "hint"):
        stored.pop(key, None)
    choice = json_form.from_json(choose_k.KChoice, stored)
    assert choice.has_structure
    assert not choice.is_hint


def test_reference_data_fill_the_box_of_the_principal_components(monkeypatch):
    rng = np.random.default_rng(0)
    line = np.outer(rng.normal(0, 5, 200), [1, 1]) + rng.normal(0, 0.1, (200, 2))
    reference = choose_k.reference_data(line, 0)[0]
    across = (reference - line.mean(axis=0)) @ [1, -1]
    assert (
        np.abs(across).max() < 1
    )  # the box follows the data's direction; an upright one would reach beyond 10


def test_bad_ranges_and_too_few_images_say_so():
    assert choose_k.parse_range("2:5") == [2, 3, 4, 5]
    assert choose_k.parse_range("9,2,5") == [2, 5, 9]
    for text in ("2:x", "", "1:5", "5:2", "3,4"):
        with pytest.raises(ConfigError, match="`ks="):
            choose_k.parse_range(text)
    with pytest.raises(DataError, match="at least 4 different training images: there are 3"):
        choose_k.choose(np.repeat(np.eye(3), 20, axis=0), range(2, 6))
