"""SwAV trains a small encoder on both backends: losses, resuming, devices."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
from helpers.files import ROOT
from helpers.processes import python
from helpers.strong import SWAV, strong_fit, weights_of

from latentlab import backend, pipeline
from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.images import as_input
from latentlab.encoders import model_files, networks
from latentlab.nets import crops
from latentlab.storage import checkpoints
from latentlab.storage.run import Run
from latentlab.training import (
    batches,
    swav_trainer,
)
from latentlab.training.swav_networks import build_optimizer
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer
from latentlab.training.tensorboard import ScalarLog


def test_without_mirrored_crops_nothing_is_averaged_with_mirror_images(strong_run, monkeypatch):
    objective = SwAVTrainer(
        model_files.load(strong_run),
        pipeline.open_run_images(strong_run),
        strong_fit(),
        SwAVOptions(**SWAV, mirror=False),
    )
    for kind in (objective.big, objective.small):
        drawn = crops.draw(kind, 50, (8, 8, 3), np.random.default_rng(0))
        assert (drawn[:, 3] > 0).all(), "steps from column to column go to the right"
    run = Run.open(strong_run.path)
    fitted = dataclasses.replace(
        run.config, fit=strong_fit(objective_options={**SWAV, "mirror": False})
    )
    monkeypatch.setattr(Run, "config", fitted)
    assert model_files.columns(run) == ("code", "embedding")


def test_swav_learns_and_its_decoder_too(strong_run):
    rows = strong_run.metrics()
    assert rows[-1]["swapped_loss"] < rows[1]["swapped_loss"]
    assert rows[-1]["val_loss"] < 0.5 * rows[1]["val_loss"]
    assert strong_run.fit_summary.best_epoch == 3
    assert model_files.load(strong_run).code_shape == (4, 4, 4)
    assert model_files.load(strong_run).embedder.output_shape == (None, 32)


def test_a_finished_fit_normalises_by_whole_images(strong_run, data):
    import keras

    images, options = opening.open_images(data), strong_fit()
    part = batches.split_validation(images, options)[0]
    model = networks.build(options.arch, images.image_shape, options.arch_options)
    of_fit = SwAVTrainer(model, images, options, SwAVOptions(**SWAV))
    kept = checkpoints.load(strong_run.path / "checkpoints" / "epoch-0003")[0]
    of_fit.restore(kept)
    first = next(
        layer
        for layer in of_fit.networks.lower.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    chosen = np.concatenate(list(batches.batches(part, options.batch_size, options.seed, 0)))
    maps = np.asarray(
        keras.Model(of_fit.networks.lower.input, first.input)(as_input(images.read(chosen)))
    )
    np.testing.assert_allclose(first.moving_mean, maps.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(first.moving_variance, maps.var(axis=(0, 1, 2)), rtol=0.1)
    before = checkpoints.load(strong_run.path / "checkpoints" / "epoch-0002")[0]
    for arrays in (kept, before):
        of_fit.restore(arrays)
        of_fit.settle(part)
        once = of_fit.snapshot()
        of_fit.settle(part)
        assert all(
            np.array_equal(a, b)
            for a, b in zip(once.values(), of_fit.snapshot().values(), strict=True)
        )
        same = [np.allclose(once[name], arrays[name], atol=1e-5) for name in arrays]
        assert all(same) == (arrays is kept)
    assert first.momentum == 0.9


def test_every_crop_counts_and_the_decoder_sends_no_gradient(strong_run):
    import tensorflow as tf

    images = pipeline.open_run_images(strong_run)
    options = SwAVOptions(**{**SWAV, "n_small": 2})
    objective = SwAVTrainer(model_files.load(strong_run), images, strong_fit(), options)
    chosen = images.indices("train")[:8]
    batch = {"images": images.read(chosen)} | {
        name: value
        for name, value in objective._step_arrays(chosen, 1, 0, 1).items()
        if name != "rate"
    }
    assert (len(batch["big"]), len(batch["small"])) == (16, 16)
    seen = []
    compare = objective._compare
    objective._compare = lambda per_view, batch: seen.extend(per_view) or compare(per_view, batch)
    with tf.GradientTape() as tape:
        told = objective._loss(batch)[1]
    assert [tuple(scores.shape) for scores in seen] == 4 * [(8, SWAV["prototypes"])]
    assert told["swapped_loss"] > 0
    objective._compare = lambda per_view, batch: (0.0 * per_view[0][0, 0], 0.0 * per_view[0][0, 0])
    with tf.GradientTape() as tape:
        loss = objective._loss(batch)[0]
    encoder, decoder = tape.gradient(
        loss,
        [
            objective.networks.lower.trainable_variables[0].value,
            objective.networks.decoder.trainable_variables[0].value,
        ],
    )
    assert encoder is None or float(tf.reduce_max(tf.abs(encoder))) == 0
    assert float(tf.reduce_max(tf.abs(decoder))) > 0


@pytest.fixture(scope="module")
def interrupted(stripes_file, tmp_path_factory):
    """Return the folder of a fit that was interrupted after its first epoch; it is copied."""

    class InterruptError(Exception):
        pass

    def interrupt(board, row):
        raise InterruptError

    folder = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.MonkeyPatch.context() as patched, pytest.raises(InterruptError):
        patched.setattr(ScalarLog, "add", interrupt)
        pipeline.fit(DataOptions(data=str(stripes_file)), strong_fit(), folder)
    return folder


ON_JAX = """
import sys
from latentlab import backend

backend.start("jax")
from latentlab import pipeline
from latentlab.config import DataOptions
from helpers.strong import strong_fit

data = DataOptions(data=sys.argv[1])
for name, kept in (("resumed", False), ("kept", True)):
    backend.stays_on_device = lambda size: kept
    pipeline.fit(data, strong_fit(), f"{sys.argv[2]}/{name}")
"""


@pytest.fixture(scope="module")
def on_jax(interrupted, stripes_file, tmp_path_factory):
    """Return two runs of JAX from the interrupted one.

    Images are sent to the device for each step, and stay there.
    """
    folder = tmp_path_factory.mktemp("jax")
    for name in ("resumed", "kept"):
        shutil.copytree(interrupted, folder / name)
    place = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = python("-c", ON_JAX, str(stripes_file), str(folder), env=place)
    assert done.returncode == 0, done.stderr
    runs = Run.open(folder / "resumed"), Run.open(folder / "kept")
    assert [run.fact("backend") for run in runs] == ["jax", "jax"]
    return runs


def test_interrupted_fit_goes_on_to_the_same_weights(data, strong_run, interrupted, tmp_path):
    shutil.copytree(interrupted, tmp_path / "here")
    resumed = pipeline.fit(data, strong_fit(), tmp_path / "here")
    for one, other in zip(weights_of(strong_run), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_interrupted_fit_goes_on_on_jax_to_the_same_losses(strong_run, interrupted, on_jax):
    """Another backend ends where this one does, but for rounding.

    The views are drawn by NumPy, and the checkpoint is arrays.
    """
    resumed = on_jax[0]
    before = Run.open(interrupted).metrics()
    assert [row["epoch"] for row in before] == [0, 1]
    assert resumed.metrics()[:2] == before, "the first epoch is that of the other backend"
    losses = [[row["swapped_loss"] for row in run.metrics()[1:]] for run in (strong_run, resumed)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)


def test_images_that_stay_on_the_device_train_to_the_same_weights(
    data, strong_run, tmp_path, monkeypatch
):
    asked, reads = [], []
    monkeypatch.setattr(backend, "stays_on_device", lambda size: asked.append(size) or True)
    real = SwAVTrainer.train_epoch

    def counted(objective, *rest):
        def read(indices):
            reads.append(len(indices))
            return images.read(indices)

        images = objective.images
        objective.images = dataclasses.replace(images, read=read)
        try:
            return real(objective, *rest)
        finally:
            objective.images = images

    monkeypatch.setattr(SwAVTrainer, "train_epoch", counted)
    kept = pipeline.fit(data, strong_fit(), tmp_path / "kept")
    count = len(batches.split_validation(opening.open_images(data), strong_fit())[0])
    assert (asked, reads) == ([count * 16 * 16 * 3], [count]), (
        "sent once, in the first epoch, the training images alone"
    )
    for one, other in zip(weights_of(strong_run), weights_of(kept), strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_that_stay_on_the_device_train_to_the_same_weights_on_jax(on_jax):
    for one, other in zip(*map(weights_of, on_jax), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_warm_up_the_first_step_has_the_whole_rate(strong_run):
    model, images = model_files.load(strong_run), pipeline.open_run_images(strong_run)
    rates = [
        SwAVTrainer(model, images, strong_fit(), SwAVOptions(**SWAV, warm_up_steps=steps))._rate(
            0, 100
        )
        for steps in (0, 10)
    ]
    assert rates == pytest.approx([3e-3, 3e-4])


def test_muon_trains_in_bfloat16(data, tmp_path):
    run = pipeline.fit(data, strong_fit(precision="mixed_bfloat16"), tmp_path / "run")
    assert run.metrics()[-1]["swapped_loss"] < run.metrics()[1]["swapped_loss"]
    assert build_optimizer(0.1, SwAVOptions(**SWAV)).iterated_in == "bfloat16"


def test_steps_of_a_call_divide_an_epoch_where_they_can():
    assert [swav_trainer.fitting_steps_per_call(n, 50) for n in (95, 100, 191, 3)] == [
        19,
        50,
        50,
        50,
    ]
    assert [
        swav_trainer.fitting_steps_per_call(n, at_most)
        for n, at_most in ((190, 10), (7, 1), (191, 10))
    ] == [
        10,
        1,
        10,
    ]
