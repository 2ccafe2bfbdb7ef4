"""The training loop: best epoch, early stop, divergence, resuming to the very same weights."""

import json
import math
import shutil

import numpy as np
import pytest
from helpers.files import read_json
from helpers.processes import words
from helpers.runs import small_fit
from helpers.warm_process import run_killed

from latentlab import pipeline
from latentlab.data import opening
from latentlab.errors import RunError, TrainingError
from latentlab.storage import checkpoints
from latentlab.storage.files import sha256
from latentlab.storage.run import Run
from latentlab.training import loop
from latentlab.training.batches import batches, split_validation
from latentlab.training.reconstructions import mean_squared_error
from latentlab.training.snapshot import all_finite


def test_augmented_fit_differs_from_plain(finished_run, data, tmp_path):
    plain = finished_run
    changed = pipeline.fit(data, small_fit(augment="affine"), tmp_path / "changed")
    assert plain.metrics()[1]["loss"] != changed.metrics()[1]["loss"]
    assert read_json(changed.path / "run.json")["config"]["fit"]["augment"] == "affine"


def copied(run, folder):
    """Return a copy of a run that a test may change."""
    return Run.open(shutil.copytree(run.path, folder / "run"))


def weights_of(run):
    with np.load(run.path / "encoder" / "weights.npz") as arrays:
        return [arrays[name] for name in sorted(arrays.files)]


def test_fit_lowers_the_loss_and_keeps_the_best_epoch(data, tmp_path):
    run = pipeline.fit(data, small_fit(epochs=6, learning_rate=0.01), tmp_path / "run")
    rows = run.metrics()
    losses = {row["epoch"]: row["val_loss"] for row in rows}
    assert losses[6] < 0.7 * losses[0]
    assert rows[0]["loss_one_image"] > 0
    best = min(losses, key=lambda epoch: losses[epoch] if epoch else math.inf)
    assert run.fit_summary.best_epoch == best
    images = opening.open_images(data)
    _, validation = split_validation(images, small_fit(epochs=6))
    from latentlab.encoders import model_files

    saved = mean_squared_error(model_files.load(run).autoencoder, images, validation)
    assert saved == pytest.approx(losses[best], rel=1e-4)


def test_same_seed_same_weights_other_seed_others(finished_run, data, tmp_path):
    first = finished_run
    second, third = (
        pipeline.fit(data, small_fit(seed=seed), tmp_path / str(seed)) for seed in (0, 6)
    )
    for one, two in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(
        not np.array_equal(one, three)
        for one, three in zip(weights_of(first), weights_of(third), strict=True)
    )


def test_diverging_loss_is_one_clear_line_and_keeps_the_last_good_epoch(data, tmp_path):
    with pytest.raises(
        TrainingError, match="not finite in epoch .*, step .* images.*Lower `learning_rate`"
    ):
        pipeline.fit(data, small_fit(learning_rate=1e30, schedule="constant"), tmp_path / "run")


def test_patience_stops_early(data, tmp_path):
    run = pipeline.fit(
        data, small_fit(epochs=30, learning_rate=1e-30, patience=2), tmp_path / "run"
    )
    assert run.fit_summary.stopped_early
    assert run.fit_summary.epochs <= 6


def test_few_images_are_trained_on_for_more_epochs(data, tmp_path):
    few = small_fit(epochs=2, batch_size=10, patience=0, least_steps=21)
    run = pipeline.fit(data, few, tmp_path / "few")
    part = len(split_validation(opening.open_images(data), few)[0])
    assert run.fit_summary.epochs == -(-21 // (part // 10)) > 2
    assert not run.fit_summary.stopped_early
    shown = json.loads((run.path / "run.json").read_text())["config"]["fit"]
    assert (shown["epochs"], shown["least_steps"]) == (2, 21)
    assert run.metrics()[-1]["learning_rate"] < 1e-4  # the cosine ends where training does
    as_given = small_fit(epochs=2, least_steps=0)
    assert loop.with_least_steps(as_given, 5) == as_given
    assert loop.with_least_steps(few, 1000) == few
    assert loop.with_least_steps(few, 3).epochs == 21


def test_other_settings_are_refused_and_overwrite_replaces(finished_run, data, tmp_path):
    run = copied(finished_run, tmp_path)
    with pytest.raises(RunError, match="epochs was 2 and is 1"):
        pipeline.fit(data, small_fit(epochs=1), run.path)
    again = pipeline.fit(data, small_fit(epochs=1), run.path, overwrite=True)
    assert again.fit_summary.epochs == 1


def test_killed_fit_resumes_to_the_same_weights(stripes_file, data, tmp_path):
    options = small_fit(epochs=8, arch="blog", arch_options={})
    whole = pipeline.fit(data, options, tmp_path / "whole")
    line = "fit --data {} --run {} --arch blog --epochs 8 --batch-size 20 --validation 0.1"
    for stop_after in (1, 4):

        def has_trained(epochs=stop_after):
            folders = (tmp_path / "killed" / "checkpoints").glob("epoch-*")
            return any(folder.name >= f"epoch-{epochs:04d}" for folder in folders)

        run_killed(words(line, stripes_file, tmp_path / "killed"), has_trained)
        assert not (tmp_path / "killed" / "encoder" / "weights.npz").exists()
    resumed = pipeline.fit(data, options, tmp_path / "killed")
    assert sha256(whole.path / "encoder" / "weights.npz") == sha256(
        resumed.path / "encoder" / "weights.npz"
    ) or all(
        np.array_equal(a, b) for a, b in zip(weights_of(whole), weights_of(resumed), strict=True)
    )
    clean = [
        {k: row[k] for k in ("epoch", "loss", "val_loss") if k in row} for row in resumed.metrics()
    ]
    assert clean == [
        {k: row[k] for k in ("epoch", "loss", "val_loss") if k in row} for row in whole.metrics()
    ]


def test_a_fit_is_listed_as_done_only_with_its_summary(data, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(
        Run,
        "_save",
        lambda run: saved.append((set(run.stage_names()), run.fact("fit") is not None)),
    )
    pipeline.fit(data, small_fit(epochs=1), tmp_path / "run")
    assert ({"fit"}, True) in saved
    assert (
        {"fit"},
        False,
    ) not in saved  # a kill after it would leave a run that every command takes for finished


def test_a_checkpoint_that_a_kill_left_over_is_removed_on_resuming(data, tmp_path):
    run = pipeline.fit(data, small_fit(epochs=3, learning_rate=0.01), tmp_path / "run")
    kept = sorted(path.name for path in (run.path / "checkpoints").iterdir())
    shutil.copytree(
        run.path / "checkpoints" / kept[-1], run.path / "checkpoints" / "epoch-0001"
    )  # the kill came before the pruning
    run.forget("fit")
    pipeline.fit(data, small_fit(epochs=3, learning_rate=0.01), run.path)
    assert (
        sorted(path.name for path in (run.path / "checkpoints").iterdir()) == kept == ["epoch-0003"]
    )


def test_damaged_checkpoint_is_one_clear_line(data, tmp_path):
    run = pipeline.fit(data, small_fit(), tmp_path / "run")
    newest = sorted((run.path / "checkpoints").glob("epoch-*"))[-1]
    (newest / "state.json").write_text(json.dumps({"epoch": 1})[:5])
    run.forget("fit")
    with pytest.raises(RunError, match=r"checkpoint .* was changed or damaged.*the one before"):
        pipeline.fit(data, small_fit(), run.path)


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_the_batch_that_makes_a_number_infinite_is_named(data, tmp_path, monkeypatch, poison):
    """One image poisons its step: the loss, or with a finite loss the weights after it.

    The run stays at the epoch before.
    """
    import keras

    images = opening.open_images(data)
    poisoned = images.read(np.array([7]))[0] / np.float32(255)
    real = keras.Model.train_on_batch

    def train_on_batch(net, batch, target):
        is_poisoned = (np.abs(batch - poisoned) < 1e-6).all(axis=(1, 2, 3)).any() and (
            tmp_path / "run" / "checkpoints" / "epoch-0001"
        ).exists()
        if not is_poisoned:
            return real(net, batch, target)
        if poison == "loss":
            return real(net, batch + np.inf, target)
        loss = real(net, batch, target)
        net.set_weights([weight * np.nan for weight in net.get_weights()])
        return loss

    monkeypatch.setattr(keras.Model, "train_on_batch", train_on_batch)
    with pytest.raises(
        TrainingError,
        match=r"not finite in epoch 2, step \d+, whose 20 images.*non-finite.json"
        ".*last good epoch, 1",
    ):
        pipeline.fit(data, small_fit(), tmp_path / "run")
    told = read_json(tmp_path / "run" / "non-finite.json")
    assert images.ids[7] in told["images"]
    training, _ = split_validation(images, small_fit())
    step = list(batches(training, 20, 0, 2))[told["step"] - 1]
    assert told["images"] == images.ids[step].tolist()
    kept = checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch")
    assert kept.name == "epoch-0001"
    assert all_finite(checkpoints.load(kept)[0].values())
