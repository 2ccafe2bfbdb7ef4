"""Agreement of criteria beside that of criteria that choose at random."""

import itertools

import pytest

from latentlab.clustering.k_agreement import agree, chance_of_agreement, recommend


def test_chance_is_that_of_all_possible_choices():
    ks = [2, 3, 4, 5, 6, 7]
    hits = 0
    for choices in itertools.product(ks, repeat=3):
        most = max(sum(abs(one - other) <= 1 for other in choices) for one in choices)
        hits += most >= 3
    assert chance_of_agreement(3, 3, ks) == pytest.approx(hits / 6**3, abs=0.01)


def test_agreement_in_a_short_range_is_a_hint_and_in_a_long_one_is_not():
    choices = dict(zip("abcd", (3, 3, 3, 9), strict=True)) | {"silhouette": 4}
    long_range = recommend(choices, list(range(2, 16)))
    assert long_range.k == 3
    assert not long_range.is_hint
    assert long_range.chance < 0.1
    short = recommend({"silhouette": 3, "gap": 3, "stability": 2}, [2, 3, 4])
    assert short.is_hint
    assert "no more than a hint" in short.reason
    assert "at random would agree so in" in short.reason


def test_disagreement_is_a_hint():
    advice = recommend({"silhouette": 3, "gap": 9}, list(range(2, 16)))
    assert advice.is_hint
    assert advice.k == 3


def test_neighbours_agree_where_an_extended_range_has_gaps():
    ks = [14, 15, 20, 25, 30]
    assert agree(20, 25, ks)
    assert not agree(20, 30, ks)
    assert not agree(20, 25)
    choices = {"silhouette": 25, "gap": 20, "stability": 4}
    assert recommend(choices, [4, *ks], extended=True).k == 25
