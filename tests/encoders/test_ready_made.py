"""Shipped encoders: stored in half precision, checked, used by one command."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.files import read_json
from helpers.processes import latentlab_in_turn
from helpers.runs import use_weights_in

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.encoders import model_files, ready_made
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.storage import checkpoints


@pytest.fixture
def shipped(finished_run, tmp_path, monkeypatch):
    """Ship the finished run's encoder to a folder of its own."""
    described = model_files.describe(finished_run)
    with np.load(finished_run.path / "encoder" / "weights.npz") as arrays:
        weights = checkpoints.in_order("weight", dict(arrays))
    description = ready_made.ShippedEncoder(
        described.arch,
        described.options,
        described.image_shape,
        fit=finished_run.recorded_config["fit"],
        summary=finished_run.fact("fit"),
        curve=tuple(finished_run.metrics()),
    )
    use_weights_in(monkeypatch, tmp_path / "weights")
    return ready_made.shipped().save("stripes", weights, description)


def test_weights_come_back_in_half_precision(shipped, finished_run):
    model, described = ready_made.shipped().load("stripes")
    for stored, own in zip(model.weights(), model_files.load(finished_run).weights(), strict=True):
        assert np.abs(stored - own).max() <= 1e-3 * max(1, np.abs(own).max())
    assert described.bytes == shipped.stat().st_size
    assert ready_made.shipped().names() == ["stripes"]


def test_kernels_in_8_bits_come_back_within_half_a_step_of_each_filter(shipped, finished_run):
    own = model_files.load(finished_run).weights()
    own[0] = own[0] * 1e-4
    own[0][..., 1] = 0  # a filter that is nothing has no scale to be divided by
    smaller = ready_made.shipped().save(
        "eight", own, ready_made.shipped().describe("stripes"), bits=8
    )
    model, described = ready_made.shipped().load("eight")
    assert described.bits == 8
    for stored, weight in zip(model.weights(), own, strict=True):
        step = (
            np.abs(weight).max(axis=tuple(range(weight.ndim - 1))) / 127
            if weight.ndim > 1
            else 2e-3 * np.abs(weight).max()
        )
        assert (np.abs(stored - weight) <= 0.501 * step).all()
    with np.load(smaller) as arrays:
        assert {
            arrays[f"weight-{i:04d}"].dtype for i, weight in enumerate(own) if weight.ndim > 1
        } == {np.dtype(np.int8)}
    assert smaller.stat().st_size < shipped.stat().st_size
    with pytest.raises(ConfigError, match="16 or 8 bits"):
        ready_made.shipped().save("four", own, described, bits=4)


def test_changed_weights_and_unknown_names_are_refused(shipped):
    shipped.write_bytes(shipped.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match="not what stripes.json describes"):
        ready_made.shipped().load("stripes")
    with pytest.raises(ConfigError, match="there are stripes"):
        ready_made.shipped().describe("stripe")


def test_weights_that_do_not_fit_are_not_shipped(shipped):
    description = ready_made.shipped().describe("stripes")
    with pytest.raises(ConfigError, match="not finite"):
        ready_made.shipped().save("huge", [np.array([1e6])], description)
    with pytest.raises(ConfigError, match="may be shipped"):
        ready_made.shipped().save("large", [np.zeros(13 * 2**20)], description)


def test_a_run_of_a_ready_made_encoder_clusters_as_the_trained_one(
    shipped, finished_run, stripes_file, tmp_path
):
    run = pipeline.use_ready_made(DataOptions(data=str(stripes_file)), "stripes", tmp_path / "run")
    pipeline.cluster(run, ClusterOptions(k=4))
    ours, theirs = (one.clustering("kmeans-k4").assignments.clusters for one in (run, finished_run))
    assert (ours == theirs).mean() > 0.97
    assert pipeline.report(run).exists()
    assert run.recorded_config["ready_made"] == "stripes"
    with pytest.raises(ConfigError, match="came ready-made"):
        pipeline.cluster_seeds(run, ClusterOptions(k=4), 2, refit=True)
    with pytest.raises(RunError, match="the encoder was trained and is stripes"):
        pipeline.use_ready_made(DataOptions(data=str(stripes_file)), "stripes", finished_run.path)


def test_grey_images_reach_an_encoder_of_coloured_ones_and_new_grey_ones_too(
    shipped, stripes_file, tmp_path
):
    with np.load(stripes_file) as arrays:
        grey = arrays["x_train"][..., :1]
    np.save(tmp_path / "grey.npy", grey)
    run = pipeline.use_ready_made(
        DataOptions(data=str(tmp_path / "grey.npy")), "stripes", tmp_path / "run"
    )
    images = pipeline.open_run_images(run)
    assert images.image_shape == (16, 16, 3)
    np.testing.assert_array_equal(images.read(np.arange(20)), grey[:20].repeat(3, axis=3))
    pipeline.cluster(run, ClusterOptions(k=4))
    before = run.clustering("kmeans-k4").assignments.clusters
    written = pipeline.predict(
        run, "kmeans-k4", DataOptions(data=str(tmp_path / "grey.npy")), tmp_path / "new.parquet"
    )
    np.testing.assert_array_equal(pq.read_table(written)["cluster"].to_numpy(), before)


def test_images_of_another_shape_than_the_encoders_are_refused(shipped, tmp_path, monkeypatch):
    real = opening.open_images
    monkeypatch.setattr(
        opening, "open_images", lambda data: real(dataclasses.replace(data, size=12))
    )
    with pytest.raises(DataError, match=r"shape \(12, 12, 1\), the encoder takes \(16, 16, 3\)"):
        pipeline.use_ready_made(DataOptions(data="digits"), "stripes", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.run  # builds every shipped network
def test_every_shipped_encoder_is_whole_and_says_how_it_was_made():
    for name in ready_made.shipped().names():
        _, described = ready_made.shipped().load(name)
        assert described.trained["data"]
        whole, shipped = (described.cost[kind]["imc"]["purity"] for kind in ("trained", "stored"))
        assert whole - 0.01 < shipped > 0.5
        assert read_json(ready_made.FOLDER / f"{name}.json")["bytes"] < 12 * 2**20


def test_the_command_line_refuses_what_it_lacks(tmp_path):
    unknown, alone, resized = latentlab_in_turn(
        ("cluster", "--encoder", "nobody", "--k", "3", "--run", tmp_path / "r", "--json"),
        ("cluster", "--data", "digits", "--k", "3"),
        ("cluster", "--resize", "pad", "--held-out", "0.5", "--k", "3"),
    )
    assert unknown.returncode == 2
    message = json.loads(unknown.stdout)["error"]["message"]
    assert "--encoder 'nobody': unknown encoder. Give cifar10-" in message
    assert "an .onnx or .keras file" in message
    assert not (tmp_path / "r").exists()
    assert "digits has no default encoder: name one as --encoder" in alone.stderr
    assert "--resize and --held-out belong to --encoder and --data" in resized.stderr
