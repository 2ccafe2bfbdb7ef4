"""Past the autoencoder: SwAV on both backends, heads on vectors, self-labelling; small, and collapse provoked."""

import contextlib
import json
import shutil
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import latentlab, small_fit, use_weights_in
from scipy.special import softmax

from latentlab import (
    assignments,
    checkpoints,
    cli,
    embedding,
    features,
    fit_state,
    metrics,
    model_files,
    pipeline,
    prototypes,
    ready_made,
    recipes,
    training,
)
from latentlab.cli import _options
from latentlab.cli import clustering as clustering_commands
from latentlab.clustering import Vectors, _heads, imc, scan
from latentlab.config import ClusterOptions, FitOptions, as_dict
from latentlab.errors import ConfigError, DataError, RunError, TrainingError
from latentlab.files import sha256
from latentlab.objectives import swav
from latentlab.refinement import Start, consistency, selflabel
from latentlab.refinement._network import vectors_of
from latentlab.run import Run

SMALL = {"arch": "fast8", "arch_options": {"width": 8, "code_channels": 4}, "objective": "swav", "patience": 0}
HEAD_METHODS = ("selflabel", "consistency")
QUICK = {"interval": 4, "max_steps": 24, "batch_size": 30, "learning_rate": 0.003}
SWAV = {"prototypes": 16, "projection": 16, "hidden": 16, "n_small": 0, "optimizer": "muon", "steps_per_call": 4}


def strong_fit(**changes):
    return small_fit(**{**SMALL, "objective_options": SWAV, "epochs": 3, "batch_size": 27, "learning_rate": 3e-3, **changes})


def weights_of(run):
    with np.load(run.path / "encoder" / "weights.npz") as arrays:
        return [arrays[name] for name in sorted(arrays.files)]


@pytest.fixture(scope="module")
def strong_run(stripes_file, tmp_path_factory):
    from latentlab.sources import DataOptions

    return pipeline.fit(DataOptions(data=str(stripes_file)), strong_fit(), tmp_path_factory.mktemp("runs") / "strong", keep_every=2)


def test_sinkhorn_shares_out_evenly_without_overflow():
    scores = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    codes = np.asarray(swav.sinkhorn(scores, 0.5, 50))
    np.testing.assert_allclose(codes.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(codes.sum(axis=0), 5, rtol=1e-2)
    assert np.isfinite(np.asarray(swav.sinkhorn(scores, 1e-3, 3))).all()


def test_swav_learns_and_its_decoder_too(strong_run):
    rows = strong_run.metrics()
    assert rows[-1]["swapped_loss"] < rows[1]["swapped_loss"]
    assert rows[-1]["val_loss"] < 0.5 * rows[1]["val_loss"]
    assert strong_run.manifest["fit"]["best_epoch"] == 3
    assert model_files.load(strong_run).code_shape == (4, 4, 4)
    assert model_files.load(strong_run).embedder.output_shape == (None, 32)


def test_the_encoder_of_a_kept_epoch_becomes_a_run_of_its_own(strong_run, tmp_path):
    assert sorted(path.name for path in (strong_run.path / "checkpoints").iterdir()) == ["epoch-0000", "epoch-0002", "epoch-0003"]
    last, before = (pipeline.at_epoch(strong_run, epoch, tmp_path / f"{epoch}") for epoch in (3, 2))
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(last), weights_of(strong_run), strict=True))
    assert not np.array_equal(weights_of(before)[0], weights_of(strong_run)[0])
    options = pipeline.resolve(before, ClusterOptions(k=4))
    pipeline.cluster(before, options)
    assert len(assignments.read(before, options.name)[2]) == 160
    arrays, theirs = (checkpoints.load(run.path / "checkpoints" / "epoch-0002")[0] for run in (before, strong_run))
    assert all(np.array_equal(arrays[name], theirs[name]) for name in theirs)
    assert prototypes.training_shares(before)().shape == (120, SWAV["prototypes"])
    assert [run.manifest["fit"]["best_val_loss"] for run in (before, last)] == [strong_run.metrics()[epoch]["val_loss"] for epoch in (2, 3)]
    with pytest.raises(RunError, match="has no checkpoint of epoch 1"):
        pipeline.at_epoch(strong_run, 1, tmp_path / "1")
    with pytest.raises(RunError, match="the encoder's weights were others"):
        pipeline.at_epoch(strong_run, 3, tmp_path / "2")


def test_kept_epochs_stay_when_a_fit_goes_on_without_asking(data, tmp_path, monkeypatch):
    """And an encoder whose top was not trained becomes a run too."""
    options = small_fit(**SMALL | {"objective": "reconstruction"}, epochs=5)
    monkeypatch.setattr(training, "_save_reconstructions", lambda *a, **b: (_ for _ in ()).throw(KeyboardInterrupt) if a[4] == 4 else None)
    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(data, options, tmp_path / "run", keep_every=2)
    monkeypatch.undo()
    run = pipeline.fit(data, options, tmp_path / "run")
    assert {"epoch-0000", "epoch-0002", "epoch-0004"} <= {path.name for path in (run.path / "checkpoints").iterdir()}
    at_epoch = pipeline.at_epoch(run, 2, tmp_path / "two")
    pipeline.cluster(at_epoch, ClusterOptions(k=4))
    assert pipeline.report(at_epoch).exists()
    with pytest.raises(ConfigError, match="came ready-made"):
        pipeline.cluster_seeds(at_epoch, ClusterOptions(k=4), 2, refit=True)


def test_what_cannot_be_counted_ends_no_fit(data, tmp_path, monkeypatch):
    monkeypatch.setattr(swav.SwAV, "flops_per_image", lambda self: 1 / 0)
    assert pipeline.fit(data, strong_fit(epochs=1), tmp_path / "run").manifest["fit"]["flops_per_image"] is None


def test_an_optimizer_of_another_version_is_refused_in_one_line():
    import keras

    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable(np.zeros(2, np.float32))])
    with pytest.raises(RunError, match="another version of latentlab"):
        training.restore_optimizer(optimizer, {"optimizer-0000": np.zeros(1)})


def test_operations_are_counted_by_shapes(strong_run):
    """By hand, for crops of 16 pixels: maps of 8x8, 4x4 and 2x2, kernels of 4x4, 3x3 and, for the code, 1x1."""
    lower = 64 * (16 * 3 * 8 + 9 * 8 * 8) + 16 * (9 * 8 * 16 + 9 * 16 * 16 + 16 * 4)
    top = 4 * (9 * 4 * 32 + 9 * 32 * 32)
    decoder = 16 * 9 * 4 * 32 + 64 * 9 * 32 * 16 + 256 * 9 * 16 * 3
    heads = 32 * 16 + 16 * 16 + 16 * 16
    assert strong_run.manifest["fit"]["flops_per_image"] == 6 * (2 * (lower + top + heads) + decoder)
    assert strong_run.manifest["fit"]["peak_memory"] > 50e6


def test_every_crop_counts_and_the_decoder_sends_no_gradient(strong_run):
    import tensorflow as tf

    images = pipeline.open_run_images(strong_run)
    options = swav.Options(**{**SWAV, "n_small": 2})
    objective = swav.objective(model_files.load(strong_run), images, strong_fit(), options)
    batch = {name: value for name, value in objective._batch(images.indices("train")[:8], 1, 0, 1).items() if name != "rate"}
    assert (len(batch["big"]), len(batch["small"])) == (16, 16)
    seen = []
    swapped = objective._swapped
    objective._swapped = lambda scores, count: seen.append(scores.shape) or swapped(scores, count)
    with tf.GradientTape() as tape:
        told = objective._loss(batch)[1]
    assert tuple(seen[0]) == (32, SWAV["prototypes"])
    assert told["swapped_loss"] > 0
    objective._swapped = lambda scores, count: (0.0 * scores[0, 0], 0.0 * scores[0, 0])
    with tf.GradientTape() as tape:
        loss = objective._loss(batch)[0]
    encoder, decoder = tape.gradient(loss, [objective.lower.trainable_variables[0].value, objective.decoder.trainable_variables[0].value])
    assert encoder is None or float(tf.reduce_max(tf.abs(encoder))) == 0
    assert float(tf.reduce_max(tf.abs(decoder))) > 0


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_interrupted_fit_goes_on_to_the_same_weights_here_and_on_jax(data, strong_run, tmp_path, monkeypatch, optimizer):
    """The views are NumPy's and the checkpoint is arrays, so that another backend ends where this one does, but for rounding."""

    class InterruptError(Exception):
        pass

    def interrupt(board, row):
        raise InterruptError

    settings = {**SWAV, "optimizer": optimizer}
    fitted = strong_fit(objective_options=settings)
    whole = strong_run if optimizer == SWAV["optimizer"] else pipeline.fit(data, fitted, tmp_path / "whole")
    for name in ("here", "jax"):
        with monkeypatch.context() as patched, pytest.raises(InterruptError):
            patched.setattr(training._TensorBoard, "add", interrupt)
            pipeline.fit(data, fitted, tmp_path / name)
    resumed = pipeline.fit(data, fitted, tmp_path / "here")
    for one, other in zip(weights_of(whole), weights_of(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    options = [f"--set={name}={value}" for name, value in {**SMALL["arch_options"], **settings}.items()]
    shared = "--arch fast8 --objective swav --patience 0 --epochs 3 --batch-size 27 --learning-rate 0.003 --validation 0.1"
    done = latentlab("--backend", "jax", "fit", "--data", data.data, *shared.split(), *options, "--run", str(tmp_path / "jax"))
    assert done.returncode == 0, done.stderr
    assert "resuming after epoch 1" in done.stderr
    other = Run.open(tmp_path / "jax")
    assert other.manifest["backend"] == "jax"
    losses = [[row["swapped_loss"] for row in run.metrics()[1:]] for run in (whole, other)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)


def test_muon_trains_kernels_and_matrices_but_the_ends(strong_run):
    objective = swav.objective(model_files.load(strong_run), pipeline.open_run_images(strong_run), strong_fit(), swav.Options(**SWAV))
    steps = objective._compiled()
    left = [one.path for one, second in zip(steps.trainable, steps.optimizer.velocities, strict=True) if len(one.shape) > 1 and second is not None]
    assert sorted(left) == ["prototypes/kernel", "reconstruction/kernel"]
    assert any(second is None for second in steps.optimizer.velocities)


def test_adamw_trains_all_where_it_is_chosen(strong_run):
    import keras

    options = swav.Options(**{**SWAV, "optimizer": "adamw", "weight_decay": 0.02})
    optimizer = swav.objective(model_files.load(strong_run), pipeline.open_run_images(strong_run), strong_fit(), options)._compiled().optimizer
    assert type(optimizer) is keras.optimizers.AdamW
    assert optimizer.weight_decay == 0.02


@pytest.mark.parametrize("wrong", [{"optimizer": "sgd"}, {"adam_share": -1.0}, {"weight_decay": -0.1}, {"weight_decay": float("nan")}])
def test_optimizers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="optimizer=sgd: must be one of adamw, muon|adam_share must be above 0, weight_decay at least 0"):
        swav.Options(**wrong)


@pytest.mark.parametrize("wrong", [{"sinkhorn_steps": 0}, {"warm_up_steps": -1}, {"frozen_steps": -1}, {"hidden": 0}])
def test_steps_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="must be at least 1, warm_up_steps and frozen_steps at least 0"):
        swav.Options(**wrong)


def test_without_warm_up_the_first_step_has_the_whole_rate(strong_run):
    model, images = model_files.load(strong_run), pipeline.open_run_images(strong_run)
    rates = [swav.objective(model, images, strong_fit(), swav.Options(**SWAV, warm_up_steps=steps))._rate(0, 100) for steps in (0, 10)]
    assert rates == pytest.approx([3e-3, 3e-4])


def test_muon_trains_in_bfloat16(data, tmp_path):
    run = pipeline.fit(data, strong_fit(precision="mixed_bfloat16"), tmp_path / "run")
    assert run.metrics()[-1]["swapped_loss"] < run.metrics()[1]["swapped_loss"]
    assert swav._optimizer(0.1, swav.Options(**SWAV)).iterated_in == "bfloat16"


def test_a_collapse_while_training_is_undone_and_told(data, tmp_path, monkeypatch):
    real, calls = swav.effective_rank, []

    def collapsed_once(vectors):
        calls.append(len(vectors))
        return real(vectors * 0 + vectors[:1]) if len(calls) == 3 else real(vectors)

    monkeypatch.setattr(swav, "effective_rank", collapsed_once)
    run = pipeline.fit(data, strong_fit(), tmp_path / "run")
    assert [event["epoch"] for event in run.manifest["fit"]["recoveries"]] == [2]
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[2]["learning_rate"] < rows[1]["learning_rate"]


def test_what_collapses_always_ends_in_one_line(data, tmp_path):
    """With a learning rate this high the embedding is one point for all images, whatever is undone."""
    with pytest.raises(TrainingError, match="collapsed in epoch|not finite"):
        pipeline.fit(data, strong_fit(learning_rate=1e6, schedule="constant"), tmp_path / "run")


def test_effective_rank_of_known_clouds():
    rng = np.random.default_rng(0)
    assert swav.effective_rank(np.ones((50, 8))) == 0.0
    assert swav.effective_rank(np.outer(rng.normal(size=500), np.eye(8)[0]) + np.eye(8)[1]) < 2.1
    assert 7 < swav.effective_rank(rng.normal(size=(2000, 8))) <= 8


@pytest.mark.parametrize("method", ["scan", "temi"])
def test_heads_find_groups_that_are_not_round(method, tmp_path):
    rng = np.random.default_rng(0)
    stretch = np.diag([3.0, 0.3, 0.3, 0.3])
    groups = [rng.normal(size=(150, 4)) @ stretch + 4 * np.eye(4)[axis] for axis in (1, 2, 3)]
    matrix, y = np.concatenate(groups).astype(np.float32), np.repeat(np.arange(3), 150)
    pq.write_table(pa.table({"id": [f"a{i}" for i in range(450)], "embedding": matrix.tolist()}), tmp_path / "vectors.parquet")
    result = pipeline.cluster_vectors(tmp_path / "vectors.parquet", ClusterOptions(k=3, method=method), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist()[:2] == ["a0", "a1"]
    np.testing.assert_allclose(np.stack(table["soft"].to_pylist()).sum(axis=1), 1, atol=1e-5)
    assert metrics.purity(metrics.contingency(np.asarray(table["cluster"]), y, 3, 3)) > 0.95
    assert result["losses"][result["head"]] == min(result["losses"])


def test_heads_that_lose_clusters_are_trained_again_with_more_entropy():
    matrix = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    vectors = Vectors(300, 4, lambda: iter([matrix]))
    head = scan.fit(vectors, ClusterOptions(k=6, method="scan", settings={"entropy": 0.3, "heads": 2, "batch_size": 300, "epochs": 1}))
    assert [event["entropy"] for event in head.facts["recoveries"]] == [0.3, 0.6][: len(head.facts["recoveries"])]
    assert head.facts["recoveries"]
    loaded = _heads.load(head.to_arrays())
    np.testing.assert_array_equal(loaded.assign(matrix).cluster, head.assign(matrix).cluster)


def test_a_cluster_that_grew_is_cut_back_to_its_share():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 3)) + [1.5, 0, 0]
    q = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    itself = np.arange(300)[:, None]
    before = np.bincount(q.argmax(axis=1), minlength=3)
    after = np.bincount(selflabel.pseudo_labels(q, itself, 1.0)[0].argmax(axis=1), minlength=3)
    assert before.max() > 180
    assert after.max() < 120
    assert selflabel.balanced(q).sum(axis=0) == pytest.approx([100, 100, 100], rel=0.01)


def test_pseudo_labels_take_each_clusters_most_confident_and_weigh_clusters_alike():
    q = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] * 2 + [[0.2, 0.8]] * 3 + [[0.4, 0.6]] * 2)
    itself = np.arange(10)[:, None]
    target, weight = selflabel.pseudo_labels(q, itself, 0.5)
    np.testing.assert_array_equal(target.argmax(axis=1), [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(weight > 0, [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2)
    assert weight[:5].sum() == pytest.approx(weight[5:].sum())
    assert weight[weight > 0].mean() == pytest.approx(1)
    itself[3] = 5  # a neighbour that is sure of the other cluster
    assert selflabel.pseudo_labels(q, itself, 0.5)[0][3].argmax() == 1


@pytest.mark.parametrize("method", HEAD_METHODS)
def test_training_the_head_with_the_network_lowers_its_loss_and_predicts_the_same_again(strong_run, data, tmp_path, method):
    options = ClusterOptions(k=4, method=method, settings=QUICK | {"tolerance": -1.0})
    result = pipeline.cluster(strong_run, options)
    assert result["rounds"] == 6
    assert min(result["sizes"]["train"]) > 0
    name = pipeline.resolve(strong_run, options).name
    losses = [row["clustering_loss"] for row in strong_run.metrics(f"clusters/{name}/history.jsonl")]
    assert losses[-1] < losses[0] - 0.05
    pipeline.predict(strong_run, name, data, tmp_path / "predicted.parquet")
    ids, _, cluster = assignments.read(strong_run, name)
    again = pq.read_table(tmp_path / "predicted.parquet")
    assert again["id"].to_pylist() == ids.tolist()
    np.testing.assert_array_equal(np.asarray(again["cluster"]), cluster)


@pytest.mark.parametrize("method", HEAD_METHODS)
def test_an_interrupted_head_goes_on_to_the_same_clusters(strong_run, tmp_path, monkeypatch, method):
    whole, cut = (Run.open(shutil.copytree(strong_run.path, tmp_path / name)) for name in ("whole", "cut"))
    options = pipeline.resolve(whole, ClusterOptions(k=4, method=method, settings=QUICK | {"tolerance": -1.0}, label="again"))
    pipeline.cluster(whole, options)
    kept = Run.append_metrics

    def fails_in_the_third_round(run, row, name="metrics.jsonl"):
        if row["stage"] == "refine" and row["epoch"] == 3:
            raise KeyboardInterrupt
        kept(run, row, name)

    monkeypatch.setattr(Run, "append_metrics", fails_in_the_third_round)
    with pytest.raises(KeyboardInterrupt):
        pipeline.cluster(cut, options)
    monkeypatch.undo()
    assert not (cut.path / "clusters" / "again" / "assignments.parquet").exists()
    pipeline.cluster(cut, options)
    assert len({sha256(run.path / "clusters" / "again" / "assignments.parquet") for run in (whole, cut)}) == 1


@pytest.fixture
def head(strong_run):
    """Return a `consistency` method at work on the stripes, in rounds of four steps, and a function that trains one step."""
    images = pipeline.open_run_images(strong_run)
    model, indices = model_files.load(strong_run), images.indices("train")

    def read(positions):
        return training.as_input(images.read(indices[positions]))

    z = np.asarray(model.embedder.predict_on_batch(read(np.arange(len(indices)))))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    start = Start(model, features.Features("embedding+l2", (z.shape[1],), ({},)), z[:4].copy(), 1.0, np.zeros((len(z), 4)), 0, read=read)
    method = consistency.refiner(start, consistency.Options(interval=4, max_steps=8, learning_rate=0.01, neighbors=3, average=1.0))
    method.begin_round(z, np.eye(4, dtype=np.float32)[np.arange(len(z)) % 4])
    return method, lambda: method.step(read(np.arange(20)), np.arange(20))


def averages_of(method):
    return [np.asarray(average) for average in method.trainer.optimizer._model_variables_moving_average]


def test_the_head_is_trained_along_a_cosine_and_becomes_its_average(head):
    """Two rounds: the rates halve in the middle, and at a round's end the weights are the optimizer's averages."""
    method, step = head
    rates, weights = [], []
    for _ in range(4):
        weights.append([np.asarray(variable) for variable in method.trainer.trainable_variables])
        step()
        rates.append(float(np.asarray(method.trainer.optimizer.learning_rate)))
    assert rates == pytest.approx([0.01 * 0.5 * (1 + np.cos(np.pi * step / 8)) for step in range(4)], rel=1e-4)
    ends = [np.asarray(variable) for variable in method.trainer.trainable_variables]
    assert all(np.array_equal(end, average) for end, average in zip(ends, averages_of(method), strict=True))
    step()
    assert float(np.asarray(method.trainer.optimizer.learning_rate)) == pytest.approx(0.005, rel=1e-4)
    assert any(not np.array_equal(now, average) for now, average in zip(method.trainer.trainable_variables, averages_of(method), strict=True))


def test_after_averaging_batch_normalisation_knows_the_new_weights(head):
    """The statistics are those of strong views under the averaged weights: more passes over such views hardly change them."""
    method, step = head
    for _ in range(4):
        step()
    names = [variable.path for variable in method.trainer.non_trainable_variables]
    before = {name: np.asarray(value) for name, value in zip(names, method.trainer.non_trainable_variables, strict=True)}
    method._steps += 1  # other views
    method._settle(100, 30)
    moved = [
        np.abs(np.asarray(v) - before[n]).mean() / np.abs(before[n]).mean()
        for n, v in zip(names, method.trainer.non_trainable_variables, strict=True)
    ]
    assert len(moved) > 4
    assert np.median(moved) < 0.1


def test_a_reseeded_cluster_is_not_averaged_away(head):
    method, step = head
    step()
    centers = method.centers().copy()
    centers[2] = -centers[2]
    method.set_centers(centers)
    kernel = method.head.get_weights()[0]
    assert any(np.array_equal(average, kernel) for average in averages_of(method))


def test_consistency_pairs_images_with_their_neighbours_and_has_scans_loss(strong_run):
    """The loss by hand, for two images and their neighbours' assignments."""
    method = object.__new__(consistency.NeighborConsistency)
    method.options, method.seed, method._steps = consistency.Options(entropy=2.0), 0, 0
    one, other = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.1, 0.9]])
    wanted = -np.log([0.5, 0.74]).mean() + 2.0 * (0.55 * np.log(0.55) + 0.45 * np.log(0.45))
    assert float(method.clustering_loss(np.concatenate([one, other]).astype(np.float32), {})) == pytest.approx(wanted, abs=1e-5)
    images, places = np.arange(10, dtype=np.float32), np.array([4, 7])
    method._neighbors = np.stack([(np.arange(10) + 1) % 10, (np.arange(10) + 2) % 10], axis=1)
    method.read = lambda positions: images[positions]
    drawn = set()
    for method._steps in range(20):
        taken, more = method.material(images[places], places)
        assert (more, taken[:2].tolist()) == ({}, [4, 7])
        assert 1 <= taken[2] - 4 <= 2
        assert 1 <= taken[3] - 7 <= 2
        drawn.add(tuple(taken[2:]))
    assert len(drawn) > 1


def test_methods_without_their_network_are_refused_in_one_line(finished_run, strong_run, tmp_path):
    with pytest.raises(ConfigError, match="no embedding above its code"):
        pipeline.cluster(finished_run, ClusterOptions(k=4, features="embedding"))
    for method in HEAD_METHODS:
        with pytest.raises(ConfigError, match="fit with --recipe strong|no embedding above its code"):
            pipeline.cluster(finished_run, ClusterOptions(k=4, method=method))
    with pytest.raises(ConfigError, match="plain autoencoder|works on the code itself"):
        pipeline.cluster(strong_run, ClusterOptions(k=4, method="vade"))
    with pytest.raises(ConfigError, match="trains the network that made the vectors"):
        pipeline.cluster_vectors(tmp_path / "a.parquet", ClusterOptions(k=2, method="dec"), tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "no column of vectors"),
        ({"embedding": [[1.0, 2.0], [1.0]]}, "differ in length"),
        ({"embedding": [[1.0, 2.0], [1.0, float("nan")]]}, "not finite, first in row 1"),
        ({"embedding": [[1.0, 2.0]]}, "--k 2 is more than the 1 vectors"),
    ],
)
def test_bad_vector_files_are_one_clear_line(columns, message, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=message):
        pipeline.cluster_vectors(tmp_path / "bad.parquet", ClusterOptions(k=2), tmp_path / "out.parquet")


def test_the_recipe_fills_in_what_is_not_given():
    arguments = ["--recipe", "strong", "--epochs", "1", "--set", "prototypes=8", "--set", "width=4"]
    with cli.fit.make_context("fit", list(arguments)) as context:
        chosen = _options.fit_of(context.params, context.params["learning_rate"])
    wanted = recipes.fit_settings("strong")
    assert (chosen.arch, chosen.objective, chosen.epochs, chosen.batch_size) == (wanted["arch"], wanted["objective"], 1, wanted["batch_size"])
    assert chosen.objective_options == {**wanted["objective_options"], "prototypes": 8}
    assert chosen.learning_rate == wanted["learning_rate"]
    assert chosen.arch_options == {"width": 4}
    with cli.cluster.make_context("cluster", ["--recipe", "strong", "--k", "4", "--set", "interval=7"]):
        preset = recipes.cluster_settings("strong", "gpu")
        options = clustering_commands._cluster_options(preset, ("interval=7",), {"k": 4, "method": "kmeans"})
    assert (options.method, options.settings) == ("selflabel", {**recipes.cluster_settings("strong", "gpu")["settings"], "interval": 7})
    with pytest.raises(ConfigError, match="known are strong"):
        recipes.fit_settings("weak")


def test_the_recipe_takes_the_head_that_the_run_has_prototypes_for(data, strong_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recipes, "device", lambda: "cpu")
    plain = pipeline.fit(data, small_fit(**SMALL | {"objective": "reconstruction"}, epochs=1), tmp_path / "plain")
    pq.write_table(pa.table({"embedding": np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32).tolist()}), tmp_path / "own.parquet")
    quick = ["cluster", "--k", "4", "--recipe", "strong", "--set", "epochs=2", "--set", "heads=2", "--name", "by-recipe"]
    for of, method in ((strong_run.path, "imc"), (plain.path, "scan")):
        cli.cli.main([*quick, "--run", str(of)], standalone_mode=False)
        assert ("the run has no prototypes, so SCAN's head" in capsys.readouterr().err) == (method == "scan")
        assert assignments.read_result(Run.open(of), "by-recipe")["method"] == method
    cli.cli.main([*quick, "--embeddings", str(tmp_path / "own.parquet"), "--out", str(tmp_path / "out.parquet"), "--json"], standalone_mode=False)
    told = capsys.readouterr()
    assert json.loads(told.out)["result"]["method"] == "scan"
    assert not told.err
    unfinished = Run.create(tmp_path / "unfinished")
    for config in ({}, {"config": strong_run.manifest["config"]}):
        unfinished.note(**config)
        assert cli.cli.main([*quick, "--run", str(unfinished.path)], standalone_mode=False) == RunError.exit_code
        assert "has no trained encoder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--embeddings", "own.parquet", "--encoder", "cifar10-strong", "--data", "digits"],
            "--encoder and --data would do nothing beside --embeddings",
        ),
        (["--embeddings", "own.parquet", "--run", "runs/a"], "--run would do nothing beside --embeddings"),
        (["--run", "runs/a", "--out", "mine.parquet"], "--out belongs to --embeddings"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message, capsys):
    assert cli.cli.main(["cluster", "--k", "4", *options], standalone_mode=False) == ConfigError.exit_code
    assert message in capsys.readouterr().err


def test_a_run_of_the_recipe_goes_on_where_another_kind_of_machine_began_it(tmp_path, capsys, monkeypatch):
    begun = Run.create(tmp_path / "run")
    begun.note(config={"fit": as_dict(FitOptions(**recipes.fit_settings("strong", "gpu") | {"epochs": 3}))})
    monkeypatch.setattr(recipes, "device", lambda: "cpu")

    def options(*arguments):
        with cli.fit.make_context("fit", ["--recipe", "strong", *arguments]) as context:
            return _options.fit_to_go_on(context.params, context.params["learning_rate"], str(begun.path))

    assert options("--epochs", "3").arch == "resnet18"
    assert "going on with the setting for gpu" in capsys.readouterr().err
    assert options("--epochs", "4").arch == "fast8"
    assert not capsys.readouterr().err


def test_the_recipe_of_another_kind_of_machine_can_be_asked_for():
    assert {kind: recipes.fit_settings("strong", kind)["arch"] for kind in recipes.MACHINES} == {
        "cpu": "fast8",
        "cpu-bfloat16": "fast8",
        "cpu-amx": "fast8",
        "gpu": "resnet18",
    }
    assert recipes.fit_settings("strong") == recipes.fit_settings("strong", recipes.device())
    assert recipes.cluster_settings("strong", "cpu-bfloat16") == {"method": "imc"}
    assert recipes.cluster_settings("strong", "cpu", prototypes=False) == {"method": "scan"}
    of_gpu = [recipes.cluster_settings("strong", "gpu", prototypes) for prototypes in (True, False)]
    assert [(one["method"], one["settings"]["start"]) for one in of_gpu] == [("selflabel", "imc"), ("selflabel", "scan")]
    with pytest.raises(ConfigError, match="unknown kind of machine 'tpu': known are cpu, cpu-bfloat16, cpu-amx, gpu"):
        recipes.fit_settings("strong", "tpu")


def test_a_big_state_is_not_written_after_every_epoch_and_resumes_to_the_same_weights(data, strong_run, tmp_path, monkeypatch):
    """With a rest longer than the fit: only the first and the last checkpoint, and those to be kept; a kill costs the epochs since."""

    class InterruptError(Exception):
        pass

    def interrupt(board, row):
        if row["epoch"] == 3:
            raise InterruptError

    monkeypatch.setattr(fit_state, "BIG", 0)
    monkeypatch.setattr(fit_state, "REST", 1e9)
    longer = strong_fit(epochs=5)
    whole = pipeline.fit(data, longer, tmp_path / "whole")
    assert sorted(path.name for path in (whole.path / "checkpoints").iterdir()) == ["epoch-0005"]
    with monkeypatch.context() as patched, pytest.raises(InterruptError):
        patched.setattr(training._TensorBoard, "add", interrupt)
        pipeline.fit(data, longer, tmp_path / "run", keep_every=2)
    assert checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch").name == "epoch-0002"
    run = pipeline.fit(data, longer, tmp_path / "run", keep_every=2)
    assert [row["epoch"] for row in run.metrics()] == [0, 1, 2, 3, 4, 5]
    for one, other in zip(weights_of(whole), weights_of(run), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_big_state_is_written_when_its_rest_is_over_and_where_a_collapse_is_undone(data, tmp_path, monkeypatch):
    real, calls = swav.effective_rank, []

    def collapsed_once(vectors):
        calls.append(len(vectors))
        return 1.0 if len(calls) == 4 else real(vectors)  # the first is of the untrained network

    written = []
    save = checkpoints.save
    monkeypatch.setattr(
        checkpoints, "save", lambda place, kind, number, *rest, **more: written.append(number) or save(place, kind, number, *rest, **more)
    )
    monkeypatch.setattr(swav, "effective_rank", collapsed_once)
    monkeypatch.setattr(fit_state, "BIG", 0)
    monkeypatch.setattr(fit_state, "REST", 1e9)
    run = pipeline.fit(data, strong_fit(epochs=4), tmp_path / "run")
    assert [event["epoch"] for event in run.manifest["fit"]["recoveries"]] == [3]
    assert written == [0, 2, 4]
    monkeypatch.setattr(fit_state, "REST", 0.0)
    pipeline.fit(data, strong_fit(epochs=2), tmp_path / "other")
    assert written[3:] == [0, 1, 2]


def test_a_big_state_that_diverges_stands_at_its_last_good_epoch(data, tmp_path, monkeypatch):
    real = swav.SwAV.train_epoch

    def poisoned(objective, training, epoch, watch=False):
        objective.factor = np.nan if epoch == 3 else 1.0  # of the learning rate, so that weights become NaN
        return real(objective, training, epoch, watch)

    monkeypatch.setattr(swav.SwAV, "train_epoch", poisoned)
    monkeypatch.setattr(fit_state, "BIG", 0)
    monkeypatch.setattr(fit_state, "REST", 1e9)
    with pytest.raises(TrainingError, match=r"not finite in epoch 3, step 1,.*last good epoch, 2"):
        pipeline.fit(data, strong_fit(), tmp_path / "run")
    newest = checkpoints.newest(tmp_path / "run" / "checkpoints", "epoch")
    assert newest.name == "epoch-0002"
    assert training.all_finite(checkpoints.load(newest)[0].values())


def test_a_backend_that_miscalculates_is_told_before_training(data, tmp_path, monkeypatch):
    real = swav.effective_rank
    monkeypatch.setattr(swav, "effective_rank", lambda vectors: real(vectors * np.inf))
    with pytest.raises(TrainingError, match="untrained network.*--precision float32"):
        pipeline.fit(data, strong_fit(), tmp_path / "run")


def test_what_is_made_ahead_comes_in_order_and_so_do_errors():
    def items():
        yield from range(3)
        raise ValueError("the fourth")

    seen = []
    with pytest.raises(ValueError, match="the fourth"), contextlib.closing(training.ahead(items())) as ready:
        for item in ready:
            seen.append(item)  # noqa: PERF402 - what came before the error counts
    assert seen == [0, 1, 2]
    assert list(training.ahead(iter([5, 6]))) == [5, 6]
    with contextlib.closing(training.ahead(items())) as ready:
        assert next(ready) == 0
    begun = threading.Event()
    with contextlib.closing(training.ahead(begun.set() or item if item else item for item in range(2))) as ready:
        assert next(ready) == 0
        assert begun.wait(60)  # the next one is made while this one is held
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_steps_of_a_call_divide_an_epoch_where_they_can():
    assert [swav._steps_per_call(n, 50) for n in (95, 100, 191, 3)] == [19, 50, 50, 50]
    assert [swav._steps_per_call(n, at_most) for n, at_most in ((190, 10), (7, 1), (191, 10))] == [10, 1, 10]


def test_imc_finds_the_clusters_that_tell_the_prototype():
    """Loss of heads that know the prototypes' groups, that know nothing, and that are one cluster: H(C) is log k, log k and 0."""
    groups = np.repeat(np.arange(4), 25)
    vectors, shares = np.eye(4, dtype=np.float32)[groups] * 20, np.eye(8, dtype=np.float32)[groups * 2 + np.arange(100) % 2]
    own = imc.Options(heads=3, entropy=4.0)
    objective = imc.PrototypeInformation(4, 4, own, 0)
    objective.kernel.assign(np.stack([np.eye(4), np.zeros((4, 4)), np.eye(4)[[0, 0, 0, 0]]]).astype(np.float32))
    told = np.asarray(objective.losses(vectors, shares))
    steep = imc.PULL * (20 - imc.STEEPEST)
    np.testing.assert_allclose(told, [-4 * np.log(4) + steep, -4 * np.log(4) + np.log(4), steep], atol=2e-3)


def test_imc_reads_the_prototypes_of_the_fit(strong_run):
    import keras

    run = strong_run
    pipeline.embed(run)
    shares = prototypes.training_shares(run)()
    embedded = np.concatenate(list(embedding.read_parts(run.path / "embeddings", "train", "embedding")))
    objective = swav.objective(model_files.load(run), pipeline.open_run_images(run), strong_fit(), swav.Options(**SWAV))
    objective.restore(checkpoints.load(checkpoints.newest(run.path / "checkpoints", "epoch"))[0])
    objective.projector.trainable = False  # so that batch normalisation takes its kept statistics
    scores = np.asarray(objective._scores(embedded, np.float32(0)))
    np.testing.assert_allclose(shares, softmax(scores / 0.1, axis=1), atol=1e-4)
    projected = np.asarray(objective.projector(embedded, training=False))
    np.testing.assert_allclose(features.through(prototypes.head(run)(), embedded), projected, atol=1e-4)
    fitted = features.fit("embedding+project+l2", [], embedded.shape[1:], 0, head=prototypes.head(run))
    model, picked = model_files.load(run), training.as_input(pipeline.open_run_images(run).read(np.arange(5)))
    network = keras.Model(model.encoder.input, vectors_of(model, fitted))
    np.testing.assert_allclose(network.predict_on_batch(picked), fitted.transform(model.embedder.predict_on_batch(picked)), atol=1e-5)
    result = pipeline.cluster(run, ClusterOptions(k=4, method="imc"))
    assert result["features"] == "embedding+project+l2"
    assert len(result["losses"]) == 20
    assert min(result["sizes"]["train"]) > 0
    start = pipeline.cluster(run, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"}))
    assert start["rounds"] >= 3


def test_imc_without_prototypes_says_what_to_do(data, strong_run, tmp_path):
    plain = pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain")
    elsewhere = pipeline.with_weights(strong_run, [2 * weight for weight in weights_of(strong_run)], tmp_path / "elsewhere")
    for run, settings, cause in ((plain, {}, "--objective reconstruction has none"), (elsewhere, {}, "trained elsewhere")):
        with pytest.raises(ConfigError, match=f"prototypes of the run's own fit.*{cause}.*--method scan"):
            pipeline.cluster(run, ClusterOptions(k=4, method="imc", settings=settings))
    with pytest.raises(ConfigError, match="prototypes of the run's own fit"):
        pipeline.cluster(elsewhere, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"}))
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    with pytest.raises(ConfigError, match="vectors alone do not have"):
        imc.fit(Vectors.of(vectors), ClusterOptions(k=4, method="imc"))
    damaged = tmp_path / "damaged"
    shutil.copytree(strong_run.path, damaged)
    np.savez(damaged / "checkpoints" / "epoch-0003" / "arrays.npz", other=vectors)
    for steps, what in (("auto", "projection head is"), ("embedding+l2", "prototypes are")):
        with pytest.raises(RunError, match=f"where the {what}, is damaged"):
            pipeline.cluster(Run.open(damaged), ClusterOptions(k=4, method="imc", seed=1, features=steps))
    with pytest.raises(ConfigError, match=r"step project needs the projection head.*trained elsewhere.*choose --features embedding\+l2"):
        pipeline.cluster(elsewhere, ClusterOptions(k=4, features="embedding+project+l2"))
    assert pipeline.resolve(elsewhere, ClusterOptions(k=4)).features == "embedding+l2"


def test_shipped_prototypes_are_those_of_the_fit(strong_run, data, tmp_path, monkeypatch):
    arrays = checkpoints.in_order("weight", checkpoints.load(checkpoints.newest(strong_run.path / "checkpoints", "epoch"))[0])
    n_weights = len(model_files.load(strong_run).weights())
    described = model_files.describe(strong_run)
    description = {key: described[key] for key in ("arch", "options", "image_shape")}
    description |= {"fit": strong_run.manifest["config"]["fit"], "summary": strong_run.manifest["fit"], "curve": strong_run.metrics()}
    use_weights_in(monkeypatch, tmp_path / "weights")
    ready_made.save("strong", arrays[:n_weights], description, objective=arrays[n_weights:])
    run = pipeline.use_ready_made(data, "strong", tmp_path / "run")
    for one in (run, strong_run):
        pipeline.embed(one)
    np.testing.assert_allclose(prototypes.training_shares(run)(), prototypes.training_shares(strong_run)(), atol=0.02)
    assert min(pipeline.cluster(run, ClusterOptions(k=4, method="imc"))["sizes"]["train"]) > 0
    changed = pipeline.with_weights(run, [2 * weight for weight in arrays[:n_weights]], tmp_path / "changed")
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.check(changed)
    ready_made.save("strong", arrays[:n_weights], description)
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.check(run)
    ready_made.save("strong", arrays[:n_weights], description | {"summary": {"best_epoch": 9}}, objective=arrays[n_weights:])
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.check(run)
