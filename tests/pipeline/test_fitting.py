"""Runs from the encoder of a kept epoch."""

import numpy as np
import pytest
from helpers.runs import small_fit
from helpers.strong import SMALL, SWAV, weights_of

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, RunError
from latentlab.storage import checkpoints
from latentlab.training import (
    prototypes,
    reconstructions,
)


def test_the_encoder_of_a_kept_epoch_becomes_a_run_of_its_own(strong_run, tmp_path):
    assert sorted(path.name for path in (strong_run.path / "checkpoints").iterdir()) == [
        "epoch-0000",
        "epoch-0002",
        "epoch-0003",
    ]
    last, before = (pipeline.at_epoch(strong_run, epoch, tmp_path / f"{epoch}") for epoch in (3, 2))
    assert all(
        np.array_equal(a, b) for a, b in zip(weights_of(last), weights_of(strong_run), strict=True)
    )
    assert not np.array_equal(weights_of(before)[0], weights_of(strong_run)[0])
    options = pipeline.resolve(before, ClusterOptions(k=4))
    assert len(pipeline.cluster(before, options).assignments) == 160
    arrays, theirs = (
        checkpoints.load(run.path / "checkpoints" / "epoch-0002")[0] for run in (before, strong_run)
    )
    assert all(np.array_equal(arrays[name], theirs[name]) for name in theirs)
    assert prototypes.training_shares(before)().shape == (120, SWAV["prototypes"])
    of_last, of_before = (prototypes.head(run)()["kernel1"] for run in (strong_run, before))
    assert not np.array_equal(of_last, of_before)
    assert [run.fit_summary.best_val_loss for run in (before, last)] == [
        strong_run.metrics()[epoch]["val_loss"] for epoch in (2, 3)
    ]
    with pytest.raises(RunError, match="has no checkpoint of epoch 1"):
        pipeline.at_epoch(strong_run, 1, tmp_path / "1")
    with pytest.raises(RunError, match="the encoder's weights were others"):
        pipeline.at_epoch(strong_run, 3, tmp_path / "2")


def test_kept_epochs_stay_when_a_fit_goes_on_without_asking(data, tmp_path, monkeypatch):
    """And an encoder whose top was not trained becomes a run too."""
    options = small_fit(**SMALL | {"objective": "reconstruction"}, epochs=5)

    def interrupt_in_epoch_4(epoch, n_epochs):
        if epoch == 4:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(reconstructions, "is_shown", interrupt_in_epoch_4)
    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(data, options, tmp_path / "run", keep_every=2)
    monkeypatch.undo()
    run = pipeline.fit(data, options, tmp_path / "run")
    assert {"epoch-0000", "epoch-0002", "epoch-0004"} <= {
        path.name for path in (run.path / "checkpoints").iterdir()
    }
    at_epoch = pipeline.at_epoch(run, 2, tmp_path / "two")
    pipeline.cluster(at_epoch, ClusterOptions(k=4))
    assert pipeline.report(at_epoch).exists()
    with pytest.raises(ConfigError, match="came ready-made"):
        pipeline.cluster_seeds(at_epoch, ClusterOptions(k=4), 2, refit=True)
