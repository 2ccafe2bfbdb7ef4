"""Big states are written rarely, and resume to the same weights."""

import numpy as np
import pytest
from helpers.strong import SWAV, strong_fit, weights_of

from latentlab import pipeline
from latentlab.errors import TrainingError
from latentlab.storage import checkpoints
from latentlab.training import (
    collapse,
    snapshot,
    state,
)
from latentlab.training.swav_trainer import SwAVTrainer
from latentlab.training.tensorboard import ScalarLog

# Compiled faster than muon, whose state test_swav_trainer.py resumes.
ADAMW = SWAV | {"optimizer": "adamw"}


def fit_of(epochs):
    return strong_fit(epochs=epochs, objective_options=ADAMW)


def test_a_big_state_is_not_written_after_every_epoch_and_resumes_to_the_same_weights(
    data, tmp_path, monkeypatch
):
    """Only the first and last checkpoint are written if the rest between two outlasts the fit.

    A kill costs the epochs since. Those of `keep_every` are written too.
    """

    class InterruptError(Exception):
        pass

    def interrupt(board, row):
        if row["epoch"] == 3:
            raise InterruptError

    monkeypatch.setattr(state, "BIG_STATE", 0)
    monkeypatch.setattr(state, "SECONDS_BETWEEN_BIG_STATES", 1e9)
    longer = fit_of(5)
    whole = pipeline.fit(data, longer, tmp_path / "whole")
    assert sorted(path.name for path in (whole.path / "checkpoints").iterdir()) == ["epoch-0005"]
    with monkeypatch.context() as patched, pytest.raises(InterruptError):
        patched.setattr(ScalarLog, "add", interrupt)
        pipeline.fit(data, longer, tmp_path / "run", keep_every=2)
    assert checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch").name == "epoch-0002"
    run = pipeline.fit(data, longer, tmp_path / "run", keep_every=2)
    assert [row["epoch"] for row in run.metrics()] == [0, 1, 2, 3, 4, 5]
    for one, other in zip(weights_of(whole), weights_of(run), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_big_state_is_written_when_its_rest_is_over_and_where_a_collapse_is_undone(
    data, tmp_path, monkeypatch
):
    real, calls = collapse.effective_rank, []

    def collapsed_once(vectors):
        calls.append(len(vectors))
        return 1.0 if len(calls) == 4 else real(vectors)  # the first is of the untrained network

    written = []
    save = checkpoints.save
    monkeypatch.setattr(
        checkpoints,
        "save",
        lambda place, kind, number, *rest, **more: (
            written.append(number) or save(place, kind, number, *rest, **more)
        ),
    )
    monkeypatch.setattr(collapse, "effective_rank", collapsed_once)
    monkeypatch.setattr(state, "BIG_STATE", 0)
    monkeypatch.setattr(state, "SECONDS_BETWEEN_BIG_STATES", 1e9)
    run = pipeline.fit(data, fit_of(4), tmp_path / "run")
    assert [event["epoch"] for event in run.fit_summary.recoveries] == [3]
    assert written == [0, 2, 4, 4]  # the last again, settled
    monkeypatch.setattr(state, "SECONDS_BETWEEN_BIG_STATES", 0.0)
    pipeline.fit(data, fit_of(2), tmp_path / "other")
    assert written[4:] == [0, 1, 2, 2]


def test_a_big_state_that_diverges_stands_at_its_last_good_epoch(data, tmp_path, monkeypatch):
    real = SwAVTrainer.train_epoch

    def poisoned(objective, training, epoch, check_weights=False):
        objective.rate_factor = (
            np.nan if epoch == 3 else 1.0
        )  # of the learning rate, so that weights become NaN
        return real(objective, training, epoch, check_weights)

    monkeypatch.setattr(SwAVTrainer, "train_epoch", poisoned)
    monkeypatch.setattr(state, "BIG_STATE", 0)
    monkeypatch.setattr(state, "SECONDS_BETWEEN_BIG_STATES", 1e9)
    with pytest.raises(TrainingError, match=r"not finite in epoch 3, step 1,.*last good epoch, 2"):
        pipeline.fit(data, fit_of(3), tmp_path / "run")
    newest = checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch")
    assert newest.name == "epoch-0002"
    assert snapshot.all_finite(checkpoints.load(newest)[0].values())
