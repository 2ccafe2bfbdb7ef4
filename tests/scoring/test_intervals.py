"""Intervals of scores: they narrow with more images, cover, and never collapse to certainty."""

import numpy as np
import pytest

from latentlab.scoring import intervals, metrics

WORLD = 0.4 * np.eye(10) / 10 + 0.6 / 100


SCORES = ("purity", "acc", "nmi", "ari", "purity_train_map", "acc_train_map")


def drawn(n, rng):
    return rng.multinomial(n, WORLD.ravel()).reshape(WORLD.shape)


def test_intervals_hold_the_score_and_narrow_with_the_root_of_the_images():
    rng = np.random.default_rng(0)
    small = drawn(400, rng)
    few, many = (
        intervals.of_scores(table, metrics.maps_of(small)) for table in (small, 100 * small)
    )
    values = {row.metric: row.value for row in metrics.score(small, small)}
    for name in SCORES:
        low, high = few[name]
        assert low < values[name] < high
        assert (high - low) / (many[name][1] - many[name][0]) == pytest.approx(10, rel=0.25)


@pytest.mark.run  # a simulation of seconds
def test_intervals_cover_the_true_score_about_as_often_as_they_say(monkeypatch):
    """The committed simulation is larger: reports/bootstrap-coverage.

    Plain percentiles would miss NMI nearly always.
    """
    monkeypatch.setattr(intervals, "REPEATS", 300)
    rng = np.random.default_rng(1)
    n, cases = 300, 120
    many = rng.multinomial(n, WORLD.ravel(), size=2000).reshape(-1, *WORLD.shape)
    true = {name: scorer(many[:500]).mean() for name, scorer in intervals.SCORERS.items()}
    hits = dict.fromkeys(SCORES, 0)
    plain = 0
    for case in range(cases):
        maps, table = metrics.maps_of(drawn(4 * n, rng)), drawn(n, rng)
        true["purity_train_map"] = metrics.mapped_share(WORLD, maps.majority)
        true["acc_train_map"] = metrics.mapped_share(WORLD, maps.matched)
        for name, (low, high) in intervals.of_scores(table, maps, seed=case).items():
            hits[name] += low <= true[name] <= high
        low, high = np.quantile(
            metrics.nmi(rng.multinomial(n, table.ravel() / n, size=300).reshape(-1, *table.shape)),
            [0.025, 0.975],
        )
        plain += low <= true["nmi"] <= high
    for name in SCORES:
        assert hits[name] / cases >= 0.89, name  # three standard errors of 120 cases below 0.95
    assert plain / cases < 0.5


def test_a_perfect_score_of_few_images_is_not_certain():
    between = intervals.of_scores(np.diag([20, 15, 5]))
    for low, high in between.values():
        assert low < 0.99
        assert high == 1.0


def test_resamples_have_as_many_images_and_repeat_with_their_seed():
    table = np.array([[5, 0, 1], [0, 7, 0]])
    tables = intervals.resample(table, 50, seed=3)
    assert (tables.sum(axis=(1, 2)) == 13).all()
    np.testing.assert_array_equal(tables, intervals.resample(table, 50, seed=3))
    assert (tables != intervals.resample(table, 50, seed=4)).any()
    cells = intervals.seen_and_unseen(table)
    assert cells.sum() == pytest.approx(1)
    assert cells[0, 1] > 0  # empty, and not impossible


def test_one_cluster_of_one_class_has_an_interval_of_a_point():
    for low, high in intervals.of_scores(np.array([[30]])).values():
        assert low == high == 1.0
