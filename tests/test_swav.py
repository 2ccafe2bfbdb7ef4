"""SwAV trains a small encoder on both backends: losses, resuming, big states, collapse."""

import dataclasses
import os
import threading

import numpy as np
import pytest
from conftest import ROOT, latentlab, python, small_fit
from strong import SMALL, SWAV, strong_fit, weights_of

from latentlab import backend, pipeline
from latentlab.config import ClusterOptions
from latentlab.data import opening
from latentlab.data.images import as_input
from latentlab.encoders import model_files, networks
from latentlab.errors import ConfigError, RunError, TrainingError
from latentlab.storage import checkpoints
from latentlab.storage.run import Run
from latentlab.training import (
    batches,
    collapse,
    prototypes,
    reconstructions,
    snapshot,
    state,
    swav_trainer,
)
from latentlab.training.sinkhorn import sinkhorn
from latentlab.training.swav_networks import build_optimizer
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer
from latentlab.training.tensorboard import ScalarLog


def test_sinkhorn_shares_out_evenly_without_overflow():
    scores = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    codes = np.asarray(sinkhorn(scores, 0.5, 50))
    np.testing.assert_allclose(codes.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(codes.sum(axis=0), 5, rtol=1e-2)
    assert np.isfinite(np.asarray(sinkhorn(scores, 1e-3, 3))).all()


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
    monkeypatch.setattr(
        reconstructions,
        "write_examples",
        lambda folder, epoch, *rest: (
            (_ for _ in ()).throw(KeyboardInterrupt) if epoch == 4 else None
        ),
    )
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


def test_what_cannot_be_counted_ends_no_fit(data, tmp_path, monkeypatch):
    monkeypatch.setattr(SwAVTrainer, "flops_per_image", lambda self: 1 / 0)
    run = pipeline.fit(data, strong_fit(epochs=1), tmp_path / "run")
    assert run.fit_summary.flops_per_image is None


def test_an_optimizer_of_another_version_is_refused_in_one_line():
    import keras

    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable(np.zeros(2, np.float32))])
    with pytest.raises(RunError, match="another version of latentlab"):
        snapshot.restore_optimizer(optimizer, {"optimizer-0000": np.zeros(1)})


def test_operations_are_counted_by_shapes(strong_run):
    """By hand, for crops of 16 pixels.

    Maps are 8x8, 4x4 and 2x2, kernels 4x4, 3x3 and, for the code, 1x1.
    """
    lower = 64 * (16 * 3 * 8 + 9 * 8 * 8) + 16 * (9 * 8 * 16 + 9 * 16 * 16 + 16 * 4)
    top = 4 * (9 * 4 * 32 + 9 * 32 * 32)
    decoder = 16 * 9 * 4 * 32 + 64 * 9 * 32 * 16 + 256 * 9 * 16 * 3
    heads = 32 * 16 + 16 * 16 + 16 * 16
    assert strong_run.fit_summary.flops_per_image == 6 * (2 * (lower + top + heads) + decoder)
    assert strong_run.fit_summary.peak_memory > 50e6


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


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_interrupted_fit_goes_on_to_the_same_weights_here_and_on_jax(
    data, strong_run, tmp_path, monkeypatch, optimizer
):
    """Another backend ends where this one does, but for rounding.

    The views are drawn by NumPy, and the checkpoint is arrays.
    """

    class InterruptError(Exception):
        pass

    def interrupt(board, row):
        raise InterruptError

    settings = {**SWAV, "optimizer": optimizer}
    fitted = strong_fit(objective_options=settings)
    whole = (
        strong_run
        if optimizer == SWAV["optimizer"]
        else pipeline.fit(data, fitted, tmp_path / "whole")
    )
    for name in ("here", "jax"):
        with monkeypatch.context() as patched, pytest.raises(InterruptError):
            patched.setattr(ScalarLog, "add", interrupt)
            pipeline.fit(data, fitted, tmp_path / name)
    resumed = pipeline.fit(data, fitted, tmp_path / "here")
    for one, other in zip(weights_of(whole), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    options = [
        f"--set={name}={value}" for name, value in {**SMALL["arch_options"], **settings}.items()
    ]
    shared = (
        "--arch fast8 --objective swav --patience 0 --epochs 3 --batch-size 27"
        " --learning-rate 0.003 --validation 0.1"
    )
    done = latentlab(
        "--backend",
        "jax",
        "fit",
        "--data",
        data.data,
        *shared.split(),
        *options,
        "--run",
        str(tmp_path / "jax"),
    )
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch 1" in done.stderr
    other = Run.open(tmp_path / "jax")
    assert other.fact("backend") == "jax"
    losses = [[row["swapped_loss"] for row in run.metrics()[1:]] for run in (whole, other)]
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


KEPT_ON_JAX = """
import sys
from latentlab import backend

backend.start("jax")
from latentlab import pipeline
from latentlab.config import DataOptions
from strong import strong_fit

for name, kept in (("sent", False), ("kept", True)):
    backend.stays_on_device = lambda size: kept
    pipeline.fit(DataOptions(data=sys.argv[1]), strong_fit(), f"{sys.argv[2]}/{name}")
"""


def test_images_that_stay_on_the_device_train_to_the_same_weights_on_jax(data, tmp_path):
    done = python(
        "-c",
        KEPT_ON_JAX,
        data.data,
        str(tmp_path),
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
    )
    assert done.returncode == 0, done.stderr
    sent, kept = (Run.open(tmp_path / name) for name in ("sent", "kept"))
    assert kept.fact("backend") == "jax"
    for one, other in zip(weights_of(sent), weights_of(kept), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_what_an_accelerator_has_room_for_stays_there(monkeypatch):
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    assert not backend.stays_on_device(1)
    monkeypatch.setattr(backend, "on_gpu", lambda: True)
    assert backend.stays_on_device(50_000 * 32 * 32 * 3)
    assert not backend.stays_on_device(backend.MOST_RESIDENT_BYTES + 1)


def test_muon_trains_kernels_and_matrices_but_the_ends(strong_run):
    objective = SwAVTrainer(
        model_files.load(strong_run),
        pipeline.open_run_images(strong_run),
        strong_fit(),
        SwAVOptions(**SWAV),
    )
    steps = objective.compiled_steps
    left = [
        one.path
        for one, second in zip(steps.trainable, steps.optimizer.velocities, strict=True)
        if len(one.shape) > 1 and second is not None
    ]
    assert sorted(left) == ["prototypes/kernel", "reconstruction/kernel"]
    assert any(second is None for second in steps.optimizer.velocities)


def test_adamw_trains_all_where_it_is_chosen(strong_run):
    import keras

    options = SwAVOptions(**{**SWAV, "optimizer": "adamw", "weight_decay": 0.02})
    optimizer = SwAVTrainer(
        model_files.load(strong_run),
        pipeline.open_run_images(strong_run),
        strong_fit(),
        options,
    ).compiled_steps.optimizer
    assert type(optimizer) is keras.optimizers.AdamW
    assert optimizer.weight_decay == 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "sgd"},
        {"adam_share": -1.0},
        {"weight_decay": -0.1},
        {"weight_decay": float("nan")},
    ],
)
def test_optimizers_that_cannot_be_are_refused(wrong):
    with pytest.raises(
        ConfigError,
        match="optimizer=sgd`: must be one of adamw, muon|adam_share=-1.0`: must be above 0"
        "|weight_decay=(-0.1|nan)`: must be at least 0",
    ):
        SwAVOptions(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"sinkhorn_steps": 0}, {"warm_up_steps": -1}, {"frozen_steps": -1}, {"hidden": 0}]
)
def test_steps_that_cannot_be_are_refused(wrong):
    with pytest.raises(
        ConfigError,
        match="(sinkhorn_steps|hidden)=0`: must be at least 1"
        "|(warm_up|frozen)_steps=-1`: must be at least 0",
    ):
        SwAVOptions(**wrong)


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


def test_a_big_state_is_not_written_after_every_epoch_and_resumes_to_the_same_weights(
    data, strong_run, tmp_path, monkeypatch
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
    longer = strong_fit(epochs=5)
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
    run = pipeline.fit(data, strong_fit(epochs=4), tmp_path / "run")
    assert [event["epoch"] for event in run.fit_summary.recoveries] == [3]
    assert written == [0, 2, 4, 4]  # the last again, settled
    monkeypatch.setattr(state, "SECONDS_BETWEEN_BIG_STATES", 0.0)
    pipeline.fit(data, strong_fit(epochs=2), tmp_path / "other")
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
        pipeline.fit(data, strong_fit(), tmp_path / "run")
    newest = checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch")
    assert newest.name == "epoch-0002"
    assert snapshot.all_finite(checkpoints.load(newest)[0].values())


def test_a_backend_that_miscalculates_is_told_before_training(data, tmp_path, monkeypatch):
    real = collapse.effective_rank
    monkeypatch.setattr(collapse, "effective_rank", lambda vectors: real(vectors * np.inf))
    with pytest.raises(TrainingError, match="untrained network.*`precision=float32`"):
        pipeline.fit(data, strong_fit(), tmp_path / "run")


def test_what_is_made_ahead_comes_in_order_and_so_do_errors():
    def items():
        yield from range(3)
        raise ValueError("the fourth")

    seen = []
    with (
        pytest.raises(ValueError, match="the fourth"),
        batches.Prefetch(items()) as ready,
    ):
        for item in ready:
            seen.append(item)  # noqa: PERF402 - what came before the error counts
    assert seen == [0, 1, 2]
    with batches.Prefetch(iter([5, 6])) as ready:
        assert list(ready) == [5, 6]
    with batches.Prefetch(items()) as ready:
        assert next(ready) == 0
    begun = threading.Event()
    with batches.Prefetch(begun.set() or item if item else item for item in range(2)) as ready:
        assert next(ready) == 0
        assert begun.wait(60)  # the next one is made while this one is held
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


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
