"""Clustering a run with several seeds: files, scores, prediction, repetition."""

import shutil

import numpy as np
import pytest
from helpers.files import read_json
from helpers.runs import make_stripes, small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.refinement.run_methods import assign_images
from latentlab.scoring.evaluate import read_labels
from latentlab.storage import tables


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """Return a copy of the run with a consensus of three seeds."""
    folder = tmp_path_factory.mktemp("consensus") / "run"
    shutil.copytree(finished_run.path, folder)
    run = type(finished_run).open(folder)
    pipeline.cluster_seeds(run, ClusterOptions(k=4, restarts=1), 3)
    return run


def test_a_consensus_is_a_clustering_with_agreement(run):
    table = tables.read(run.path / "clusters" / "kmeans-k4-seeds3" / "assignments.parquet")
    assert table.column_names == [
        "id",
        "split",
        "cluster",
        "distance",
        "margin",
        "soft",
        "agreement",
    ]
    result = read_json(run.path / "clusters" / "kmeans-k4-seeds3" / "result.json")
    assert result["seeds"] == [0, 1, 2]
    assert np.shape(result["ari_between_seeds"]["matrix"]) == (3, 3)
    soft, cluster = tables.matrix(table["soft"]), np.asarray(table["cluster"])
    assert np.asarray(table["agreement"]) == pytest.approx(soft[np.arange(len(soft)), cluster])
    assert {"kmeans-k4", "kmeans-k4-seed1", "kmeans-k4-seed2"} <= set(run.clustering_names())


def test_scores_tell_the_spread_over_seeds(run):
    scores = pipeline.evaluate(run, "kmeans-k4-seeds3")
    assert scores.rows[0].method == "conv8+kmeans x3"
    spread = {(row.split, row.metric): row for row in scores.over_seeds}
    alone = [
        pipeline.evaluate(run, name).rows
        for name in ("kmeans-k4", "kmeans-k4-seed1", "kmeans-k4-seed2")
    ]
    values = [
        next(row.value for row in rows if row.split == "test" and row.metric == "nmi")
        for rows in alone
    ]
    assert spread["test", "nmi"].mean == pytest.approx(np.mean(values))
    assert spread["test", "nmi"].std == pytest.approx(np.std(values, ddof=1))
    for suffix in ("csv", "md", "tex"):
        assert (
            "balanced"
            in (run.path / "clusters" / "kmeans-k4-seeds3" / f"scores.{suffix}").read_text()
        )


def test_new_images_are_voted_on(run):
    images = pipeline.open_run_images(run)
    clustering = run.clustering("kmeans-k4-seeds3")
    stored = clustering.assignments.clusters
    for indices, assigned in assign_images(clustering, images, [np.arange(30)]):
        assert (assigned.cluster == stored[indices]).mean() > 0.95
    assert pipeline.verify(run, "kmeans-k4-seeds3").reproduces


def test_repeating_with_seeds_does_nothing_again(run):
    path = run.path / "clusters" / "kmeans-k4-seeds3" / "assignments.parquet"
    before = path.stat().st_mtime_ns
    pipeline.cluster_seeds(run, ClusterOptions(k=4, restarts=1), 3)
    assert path.stat().st_mtime_ns == before


def test_refit_trains_an_encoder_for_each_seed(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    united = pipeline.cluster_seeds(run, ClusterOptions(k=4, restarts=1), 2, refit=True)
    assert united.name == "kmeans-k4-refits2"
    other = type(run).open(run.path / "seeds" / "seed1")
    assert other.config.fit.seed == run.config.fit.seed + 1
    assert [member.run.path.name for member in united.members] == [run.path.name, "seed1"]
    assert sum(united.result.sizes["train"]) == 120
    assert read_labels(run, keep=False) is not None


def test_one_seed_and_a_method_that_finds_k_are_refused(run):
    with pytest.raises(ConfigError, match="at least 2"):
        pipeline.cluster_seeds(run, ClusterOptions(k=4), 1)
    with pytest.raises(ConfigError, match="hdbscan` finds one for each seed"):
        pipeline.cluster_seeds(run, ClusterOptions(k=None, method="hdbscan"), 3)


def test_assignments_cover_every_image_with_its_distance(finished_run):
    table = tables.read(finished_run.path / "clusters" / "kmeans-k4" / "assignments.parquet")
    assert table.column_names == ["id", "split", "cluster", "distance", "margin"]
    assert table.num_rows == 160
    assert min(table["margin"].to_pylist()) >= 0
    sizes = read_json(finished_run.path / "clusters" / "kmeans-k4" / "result.json")["sizes"][
        "train"
    ]
    assert sum(sizes) == 120
    assert sizes == sorted(sizes, reverse=True)


def test_repeating_a_command_skips_what_is_done(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet")}
    pipeline.cluster(run, ClusterOptions(k=4))
    pipeline.evaluate(run)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet")} == before


def test_changed_images_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    data = DataOptions(data=str(tmp_path / "images.npy"))
    run = pipeline.fit(data, small_fit(), tmp_path / "run")
    np.save(tmp_path / "images.npy", make_stripes(60, seed=1)[0])
    with pytest.raises(RunError, match="have changed"):
        pipeline.cluster(run, ClusterOptions(k=3))


def test_stages_out_of_order_say_what_to_do(finished_run, tmp_path):
    from latentlab.storage.run import Run

    empty = Run.create(tmp_path / "empty")
    options = ClusterOptions(k=2)
    for stage in (
        pipeline.embed,
        lambda run: pipeline.cluster(run, options),
        lambda run: pipeline.cluster_seeds(run, options, 2),
    ):
        with pytest.raises(RunError, match=r"fit\(run="):
            stage(empty)
    with pytest.raises(RunError, match=r"cluster\(run="):
        pipeline.evaluate(empty)
    with pytest.raises(RunError, match="it has kmeans-k4"):
        pipeline.evaluate(finished_run, "kmeans-k5")


def test_more_clusters_than_images_is_a_data_error(finished_run):
    with pytest.raises(DataError, match="k=121. is more than the 120 training images"):
        pipeline.cluster(finished_run, ClusterOptions(k=121))
