"""Deep clustering of a run: files, repetition, resuming after a kill, prediction, errors."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.files import ROOT, read_json
from helpers.processes import words
from helpers.refinement import FAST, METHODS, options_of
from helpers.warm_process import run_killed

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError
from latentlab.refinement.refiner import Refiner
from latentlab.storage import tables
from latentlab.storage.files import sha256


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_repeats(fitted, clustered, method):
    assert "latentlab cluster" in sys.modules[type(Refiner.named(method)).__module__].__doc__
    again = fitted(f"{method}-again")
    options = options_of(method)
    result = pipeline.cluster(again, options).result
    files = [
        run.path / "clusters" / options.name / "assignments.parquet" for run in (clustered, again)
    ]
    assert sha256(files[0]) == sha256(files[1])
    table = tables.read(files[0])
    assert table.column_names == ["id", "split", "cluster", "distance", "margin", "soft", "start"]
    soft = tables.matrix(table["soft"])
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(soft.argmax(axis=1), table["cluster"])
    assert result.sizes["train"] == sorted(result.sizes["train"], reverse=True)
    assert result.fact("rounds") == 3


def test_every_method_predicts_the_same_in_a_fresh_process(clustered, data, tmp_path):
    names = [options_of(method).name for method in METHODS]
    code = (
        "import sys; from pathlib import Path\n"
        "from latentlab import pipeline\n"
        "from latentlab.config import DataOptions\n"
        "from latentlab.storage.run import Run\n"
        "for name in sys.argv[4:]:\n"
        "    data, target = DataOptions(data=sys.argv[2]), Path(sys.argv[3]) / f'{name}.parquet'\n"
        "    pipeline.predict(Run.open(sys.argv[1]), name, data, target)"
    )
    command = [sys.executable, "-c", code, clustered.path, data.data, tmp_path, *names]
    subprocess.run(
        command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    for name in names:
        expected, again = (
            tables.read(clustered.path / "clusters" / name / "assignments.parquet"),
            tables.read(tmp_path / f"{name}.parquet"),
        )
        assert again["cluster"].to_pylist() == expected["cluster"].to_pylist()
        np.testing.assert_allclose(
            tables.matrix(again["soft"]), tables.matrix(expected["soft"]), atol=1e-5
        )


def test_other_settings_are_another_clustering(fitted):
    run = fitted("settings")
    for gamma in (0.1, 1.0):
        pipeline.cluster(
            run, options_of("idec", features="pool2", settings=FAST | {"gamma": gamma})
        )
        pipeline.evaluate(run)
    names = sorted(path.name for path in (run.path / "clusters").iterdir())
    assert names == [
        f"idec-k4-pool2-batch_size=30-gamma={gamma}-interval=4-max_steps=12-tolerance=-1.0"
        for gamma in (0.1, 1.0)
    ]
    rows = read_json(run.path / "clusters" / names[1] / "scores.json")["rows"]
    assert "conv8+pool2+idec(batch_size=30,gamma=1.0,interval=4,max_steps=12,tolerance=-1.0)" in {
        row["method"] for row in rows
    }


def test_clusters_can_be_named(fitted):
    run = fitted("named")
    clustering = pipeline.cluster(run, options_of("idec", label="mine"))
    assert clustering.result.fact("rounds") == 3
    pipeline.evaluate(run, "mine")
    assert "conv8+pool2+pca6+l2+mine" in {
        row["method"] for row in read_json(run.path / "clusters" / "mine" / "scores.json")["rows"]
    }
    for wrong in ("../x", ".hidden", "a/b", "a b"):
        with pytest.raises(ConfigError, match="use letters, digits"):
            options_of("idec", label=wrong)


def test_different_seeds_differ(fitted):
    run = fitted("seeds")
    options = [options_of("idec", seed=seed, augment="affine") for seed in (0, 1)]
    results = [pipeline.cluster(run, one).result for one in options]
    soft = [
        tables.matrix(tables.read(run.path / "clusters" / one.name / "assignments.parquet")["soft"])
        for one in options
    ]
    assert not np.array_equal(*soft)
    assert results[0].fact("seed") == 0


def test_history_and_decoded_pictures_are_kept(clustered):
    folder = clustered.path / "clusters" / options_of("idec").name
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {
        "reconstruction_loss",
        "clustering_loss",
        "label_change",
        "effective_clusters",
        "confidence",
        "sizes",
    } <= set(rows[0])
    assert sum(rows[0]["sizes"]) == 120
    with np.load(folder / "decoded.npz") as decoded:
        assert decoded["centroids"].shape == (4, 16, 16, 3)
        assert decoded["paths"].shape == (4, 8, 16, 16, 3)
        np.testing.assert_array_equal(decoded["paths"][:, 0], decoded["centroids"])
    assert not (folder / "checkpoints").exists() or not any((folder / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("method", "start", "kills"),
    [("idec", "n2d", (4,)), ("dcn", "kmeans", (1, 6)), ("vade", "kmeans", (4,))],
)
def test_killed_refinement_resumes_to_the_same_assignments(fitted, method, start, kills):
    """Each process is killed after a number of rounds, the one from N2D's start while it warms up.

    DEC is not among the methods: it is IDEC without the decoder.
    """
    whole, killed = fitted(f"whole-{method}"), fitted(f"killed-{method}")
    settings = FAST | {"max_steps": 48, "start": start} | ({"warm_up": 6} if start == "n2d" else {})
    options = options_of(method, settings=settings)
    pipeline.cluster(whole, options)
    given = [f"--set={name}={value}" for name, value in settings.items()]
    places = words("--run {} --features {}", killed.path, options.features)
    for stop_after in kills:

        def has_trained(rounds=stop_after):
            folders = killed.path.glob("clusters/*/checkpoints/*/round-*")
            return any(int(folder.name[6:]) >= rounds for folder in folders)

        line = words("cluster --k 4 --method {}", method)
        run_killed([*line, *places, *given], has_trained)
        assert not (killed.path / "clusters" / options.name / "assignments.parquet").exists()
    pipeline.cluster(type(killed).open(killed.path), options)
    assert sha256(killed.path / "clusters" / options.name / "assignments.parquet") == sha256(
        whole.path / "clusters" / options.name / "assignments.parquet"
    )
    assert len(killed.metrics(f"clusters/{options.name}/history.jsonl")) == 12


def test_report_shows_what_refinement_did(clustered, tmp_path):
    run, options = (
        type(clustered).open(shutil.copytree(clustered.path, tmp_path / "run")),
        options_of("idec"),
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    text = pipeline.report(run, options.name, sample=60).read_text(encoding="utf-8")
    names = {path.stem for path in (run.path / "report").glob("*.png")}
    assert {"confidence", "size-history", "moved"} <= names
    assert (
        "Started from k-means on the code. 3 rounds, 12 steps;"
        " it ended since the steps allowed were done" in text
    )
    pipeline.report(run, "kmeans-k4", sample=60)
    assert not {"confidence", "moved"} & {path.stem for path in (run.path / "report").glob("*.png")}


def test_wrong_settings_and_features_are_config_errors(fitted):
    run = fitted("wrong")
    with pytest.raises(ConfigError, match="has no option gama: it has alpha"):
        pipeline.cluster(run, options_of("dec", settings={"gama": 1}))
    for name, (value, message) in {
        "gamma": ("much", "`method=dec`: `settings.gamma=much` must be of type float"),
        "interval": (2.5, "`settings.interval=2.5` must be of type int"),
        "reconstruction": (True, "`settings.reconstruction=True` must be of type float"),
        "optimizer": ("../../x", "`settings.optimizer=../../x`: must be one of sgd, adam"),
        "alpha": (0, "`settings.alpha=0`: must be above 0"),
        "warm_up": (-1, "`settings.warm_up=-1`: must be at least 0"),
    }.items():
        with pytest.raises(ConfigError, match=re.escape(message)):
            pipeline.cluster(run, options_of("dec", settings={name: value}))
    with pytest.raises(ConfigError, match="`method=dcn` has no option warm_up"):
        pipeline.cluster(run, options_of("dcn", settings={"warm_up": 3}))
    with pytest.raises(ConfigError, match="`settings.penalty=-1`: must be above 0"):
        pipeline.cluster(run, options_of("dcn", settings={"penalty": -1}))
    with pytest.raises(ConfigError, match="`method=kmeans` has no option gamma"):
        pipeline.cluster(run, ClusterOptions(k=4, settings={"gamma": 1.0}))
    assert not (run.path / "clusters").exists()
    with pytest.raises(ConfigError, match="no gradient passes through UMAP"):
        pipeline.cluster(run, options_of("dec", features="pca3+umap2"))
    with pytest.raises(ConfigError, match="works on the code itself"):
        pipeline.cluster(run, options_of("vade", features="l2"))
    with pytest.raises(ConfigError, match="`augment=blur`: must be one of"):
        options_of("dec", augment="blur")
