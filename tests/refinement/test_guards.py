"""Collapsed clusters are re-seeded, and divergence is rolled back."""

import numpy as np
from helpers.refinement import FAST, options_of

from latentlab import pipeline
from latentlab.refinement import guards, loop
from latentlab.storage import tables


def test_collapsed_clusters_are_reseeded_from_the_most_spread_one():
    rng = np.random.default_rng(0)
    z = np.concatenate(
        [
            rng.normal(0, 0.1, (50, 2)),
            rng.normal([5, 5], 0.1, (50, 2)),
            rng.normal([9, 5], 0.1, (50, 2)),
        ]
    ).astype(np.float32)
    labels = np.repeat([0, 1, 1], 50)
    centers = np.array([[0, 0], [7, 5], [100, 100]], np.float32)
    dead = guards.collapsed(np.bincount(labels, minlength=3))
    assert dead.tolist() == [2]
    renewed, donors = guards.reseed(centers, z, labels, dead, seed=0)
    assert donors == [1]
    assert sorted(np.round(renewed[1:, 0]).tolist()) == [5, 9]
    np.testing.assert_array_equal(renewed[0], centers[0])


def test_collapse_while_training_is_repaired_and_recorded(fitted, monkeypatch):
    real = guards.collapsed
    calls = []

    def collapsed_once(sizes):
        calls.append(sizes)
        return np.array([3]) if len(calls) == 2 else real(sizes)

    monkeypatch.setattr(loop, "collapsed", collapsed_once)
    result = pipeline.cluster(fitted("collapse"), options_of("idec")).result
    event = result.fact("recoveries")[0]
    assert (event["round"], event["what"], event["clusters"]) == (
        1,
        "re-seeded",
        [result.fact("order").index(3)],
    )
    assert len(event["from"]) == 1


def test_divergence_goes_back_to_the_last_good_state_and_ends_sound(fitted):
    options = options_of("dec", settings=FAST | {"learning_rate": 1e30})
    run = fitted("diverged")
    result = pipeline.cluster(run, options).result
    assert any(event["what"] == "rolled back" for event in result.fact("recoveries"))
    soft = tables.matrix(
        tables.read(run.path / "clusters" / options.name / "assignments.parquet")["soft"]
    )
    assert np.isfinite(soft).all()
