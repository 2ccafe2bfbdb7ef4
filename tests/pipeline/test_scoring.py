"""Scoring a run: what is computed once is read afterwards."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import make_stripes, small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data.images import as_input
from latentlab.encoders import model_files
from latentlab.pipeline import scoring
from latentlab.pipeline.run_data import open_small_images
from latentlab.scoring import probes
from latentlab.scoring.scores import read_scores
from latentlab.training.reconstructions import errors_of_codes, mean_squared_error


def test_pixels_are_probed_once_for_all_features(finished_run, tmp_path, monkeypatch):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    asked, real = [], probes.probe_features

    def counted(vectors, *others, **named):
        asked.append(vectors.shape[1])
        return real(vectors, *others, **named)

    monkeypatch.setattr(probes, "probe_features", counted)
    found = [pipeline.probe(run, ClusterOptions(features=steps)) for steps in ("code", "pool")]
    assert len(asked) == 3
    of_pixels = [[row for row in report.rows if row.method == "pixels"] for report in found]
    assert of_pixels[0] == of_pixels[1]
    assert len(of_pixels[0]) == 2
    pipeline.probe(run, ClusterOptions(features="pool", seed=1))
    assert len(asked) == 5


def test_scores_hold_every_metric_of_both_splits_beside_baselines(finished_run):
    scores = read_scores(finished_run.clustering("kmeans-k4"))
    found = {(row.method, row.split, row.metric) for row in scores.rows}
    for method in ("conv8+kmeans", "pixels+kmeans", "pca+kmeans", "hog+kmeans", "untrained+kmeans"):
        for split in ("train", "test", "all"):
            for metric in ("purity", "acc", "nmi", "ari", "homogeneity", "completeness"):
                assert (method, split, metric) in found
    assert np.sum(scores.contingency["train"]) == 120
    assert np.sum(scores.contingency["test"]) == 40
    purity = next(row for row in scores.rows if row.metric == "purity" and row.split == "test")
    assert purity.chance < purity.value <= 1
    assert purity.low < purity.value
    over_all = scores.by_method("all")["conv8+kmeans"].headline("purity")
    assert over_all.n == 160
    assert over_all.low < over_all.value <= over_all.high
    assert scores.pretraining == "none"
    own = {
        (row.split, row.metric): row.value for row in scores.rows if row.method == "conv8+kmeans"
    }
    for name in ("purity", "acc"):
        assert own["test", f"{name}_train_map"] <= own["test", name]
        assert ("train", f"{name}_train_map") not in own


def test_stripes_are_found_without_labels(finished_run):
    scores = read_scores(finished_run.clustering("kmeans-k4"))
    assert (
        next(row.value for row in scores.rows if row.metric == "purity" and row.split == "test")
        > 0.6
    )


def test_data_without_labels_cluster_and_score_as_none(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "images.npy")), small_fit(), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    assert pipeline.evaluate(run) is None
    assert not (run.path / "labels.parquet").exists()


def test_the_error_of_reconstruction_comes_from_the_stored_codes(
    finished_run, tmp_path, monkeypatch
):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    images = open_small_images(run)
    network = model_files.load(run).autoencoder
    expected = {
        split: mean_squared_error(network, images, images.indices(split))
        for split in ("train", "test")
    }
    read = []

    def counted(indices):
        read.append(indices)
        return images.read(indices)

    counting = replace(images, read=counted)
    monkeypatch.setattr(scoring, "open_small_images", lambda run: counting)
    run.forget("reconstruct")
    pipeline.evaluate(run)
    found = json.loads((run.path / "reconstructions" / "mse.json").read_text())
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(np.concatenate(read), np.arange(len(images)))


def test_the_error_is_that_of_the_codes_which_are_given(finished_run):
    images = open_small_images(finished_run)
    model = model_files.load(finished_run)
    codes = np.full((len(images), np.prod(model.code_shape)), 3, np.float32)
    errors = errors_of_codes(model.decoder, model.code_shape, [codes[:70], codes[70:]], images)
    decoded = model.decoder.predict_on_batch(codes[:1].reshape(1, *model.code_shape))
    for split in ("train", "test"):
        pixels = as_input(images.read(images.indices(split)))
        assert errors[split] == pytest.approx(np.square(decoded - pixels).mean(), rel=1e-4)
