"""Collapse of embeddings is noticed and undone."""

import numpy as np
import pytest
from helpers.strong import strong_fit

from latentlab import pipeline
from latentlab.errors import TrainingError
from latentlab.training import (
    collapse,
)


def test_a_collapse_while_training_is_undone_and_told(data, tmp_path, monkeypatch):
    real, calls = collapse.effective_rank, []

    def collapsed_once(vectors):
        calls.append(len(vectors))
        return real(vectors * 0 + vectors[:1]) if len(calls) == 3 else real(vectors)

    monkeypatch.setattr(collapse, "effective_rank", collapsed_once)
    run = pipeline.fit(data, strong_fit(), tmp_path / "run")
    assert [event["epoch"] for event in run.fit_summary.recoveries] == [2]
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[2]["learning_rate"] < rows[1]["learning_rate"]


def test_what_collapses_always_ends_in_one_line(data, tmp_path):
    """At such a learning rate the embedding is one point for all images, whatever is undone."""
    with pytest.raises(TrainingError, match="collapsed in epoch|not finite"):
        pipeline.fit(data, strong_fit(learning_rate=1e6, schedule="constant"), tmp_path / "run")


def test_effective_rank_of_known_clouds():
    rng = np.random.default_rng(0)
    assert collapse.effective_rank(np.ones((50, 8))) == 0.0
    assert (
        collapse.effective_rank(np.outer(rng.normal(size=500), np.eye(8)[0]) + np.eye(8)[1]) < 2.1
    )
    assert 7 < collapse.effective_rank(rng.normal(size=(2000, 8))) <= 8


def test_a_backend_that_miscalculates_is_told_before_training(data, tmp_path, monkeypatch):
    real = collapse.effective_rank
    monkeypatch.setattr(collapse, "effective_rank", lambda vectors: real(vectors * np.inf))
    with pytest.raises(TrainingError, match="untrained network.*`precision=float32`"):
        pipeline.fit(data, strong_fit(), tmp_path / "run")
