"""Self-training with an averaged teacher: what it learns, the way back, resuming."""

import shutil

import numpy as np
import pytest
from helpers.processes import latentlab_command, words

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.refinement.methods import selftrain
from latentlab.storage.files import sha256
from latentlab.storage.run import Run

SETTINGS = {
    "interval": 4,
    "max_steps": 12,
    "batch_size": 30,
    "neighbors": 10,
    "momentum": 0.9,
    "learning_rate": 3e-4,
    "threshold": 0.5,
    "labelled": 8,
    "align": True,
}


def options(label, **changes):
    return ClusterOptions(k=4, method="selftrain", settings=SETTINGS | changes, label=label)


def rows_of(run, label):
    return run.metrics(f"clusters/{label}/history.jsonl")


@pytest.fixture(scope="module")
def trained(shared_strong_run, tmp_path_factory):
    """Return a run with the clusters "again"; tests must not change it."""
    folder = tmp_path_factory.mktemp("selftrain") / "run"
    run = Run.open(shutil.copytree(shared_strong_run.path, folder))
    pipeline.cluster(run, pipeline.resolve(run, options("again")))
    return run


def test_the_network_learns_the_labels_of_its_teacher(trained):
    rows = rows_of(trained, "again")
    assert len(rows) == 3
    assert rows[-1]["clustering_loss"] < rows[0]["clustering_loss"]
    for row in rows:
        assert 0.5 < row["used_share"] <= row["trusted_share"] + 0.1
    result = trained.clustering("again").result
    assert result.fact("went_back") == ""
    assert min(result.sizes["train"]) > 0


def test_a_killed_training_goes_on_to_the_same_weights_here_and_on_jax(
    strong_run, trained, tmp_path, monkeypatch
):
    """Another backend ends where this one does, but for rounding."""
    here = Run.open(shutil.copytree(strong_run.path, tmp_path / "here"))
    append = Run.append_metrics

    def fails_in_the_second_round(run, row, name="metrics.jsonl"):
        if row["stage"] == "refine" and row["epoch"] == 2:
            raise KeyboardInterrupt
        append(run, row, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Run, "append_metrics", fails_in_the_second_round)
        pipeline.cluster(here, options("again"))
    shutil.copytree(here.path, tmp_path / "jax")
    pipeline.cluster(here, options("again"))
    for name in ("assignments.parquet", "weights.npz"):
        digests = {sha256(run.path / "clusters" / "again" / name) for run in (trained, here)}
        assert len(digests) == 1, name

    given = [f"--set={name}={str(value).lower()}" for name, value in SETTINGS.items()]
    line = words("--backend jax cluster --k 4 --method selftrain --name again")
    done = latentlab_command(*line, *given, "--run", str(tmp_path / "jax"))
    assert done.returncode == 0, done.stderr
    assert "resuming after round 1" in done.stderr
    other = Run.open(tmp_path / "jax")
    losses = [[row["clustering_loss"] for row in rows_of(run, "again")] for run in (trained, other)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)


def test_less_certain_clusters_are_given_back_for_those_of_the_start(
    strong_run, monkeypatch, caplog
):
    certainties = iter([selftrain.Certainty(0.9, 0.9)] * 2 + [selftrain.Certainty(0.95, 0.8)])
    monkeypatch.setattr(selftrain.Certainty, "of", lambda q, neighbors: next(certainties))
    clustering = pipeline.cluster(strong_run, options("worse", max_steps=4, labelled=0))
    reason = "the agreement of neighbours fell from 0.900 to 0.800"
    assert clustering.result.fact("went_back") == reason
    assert f"{reason}: the clusters of the start are returned" in caplog.text
    np.testing.assert_array_equal(clustering.assignments.clusters, clustering.assignments.start)


def test_a_head_is_made_as_sure_as_asked():
    q = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    sharpness = selftrain.fitting_sharpness(q, 0.8)
    assert selftrain.sharpened(q, sharpness).max(axis=1).mean() == pytest.approx(0.8, abs=1e-6)
