"""Trees over the clusters of runs, and cuts of them as clusterings of their own."""

import shutil

import numpy as np
import pytest
from helpers.refinement import FAST

from latentlab import pipeline
from latentlab.clustering.tree_files import StoredTree
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, RunError
from latentlab.refinement.run_methods import assign_images
from latentlab.reporting.cluster_tree import tree_of
from latentlab.reporting.edits import Editor, Merge
from latentlab.storage.run import Run

EVERY = np.arange(160)


@pytest.fixture(scope="module")
def clustered(finished_run, tmp_path_factory):
    """Return a run with clusterings of every kind."""
    folder = tmp_path_factory.mktemp("hierarchy") / "run"
    shutil.copytree(finished_run.path, folder)
    run = Run.open(folder)
    pipeline.cluster(run, ClusterOptions(k=None, method="hdbscan", features="pca3", label="dense"))
    pipeline.cluster(run, ClusterOptions(k=5, method="gmm", features="pca3", label="mixture"))
    pipeline.cluster(run, ClusterOptions(k=4, method="dec", settings=FAST, label="deep"))
    pipeline.cluster_seeds(run, ClusterOptions(k=4, label="united"), 2)
    return run


NAMES = ("kmeans-k4", "dense", "mixture", "deep", "united-seeds2")


@pytest.fixture
def run(clustered, tmp_path):
    shutil.copytree(clustered.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_clustering_has_a_tree(clustered, name):
    tree = pipeline.tree(clustered, name)
    clustering = clustered.clustering(name)
    assert sorted(tree.leaves) == list(range(clustering.k))
    assert tree.method == ("density" if name == "dense" else "ward")
    assert tree.merges[-1][3] == 160
    heights = [height for _, _, height, _ in tree.merges]
    assert heights == sorted(heights)


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_joins_clusters_and_assigns_images_alike(clustered, name):
    before = clustered.clustering(name)
    cut = pipeline.cut(clustered, 2, name)
    assert (cut.name, cut.k) == (f"{name}-cut2", 2)
    assert cut.options.method == before.options.method
    after = cut.assignments
    pairs = set(zip(before.assignments.clusters, after.clusters, strict=True))
    assert len(pairs) == before.k  # each cluster lies in one
    assert np.all(np.diff(cut.result.sizes["train"]) <= 0)

    images = pipeline.open_run_images(clustered)
    ((_, again),) = assign_images(cut, images, [EVERY])
    assert again.cluster.tolist() == after.clusters.tolist()
    np.testing.assert_allclose(again.margin, after.margin, atol=1e-5)


def test_a_cut_of_a_cut_is_one_of_the_first_clusters(clustered):
    pipeline.cut(clustered, 2, "mixture")
    again = pipeline.cut(clustered, 3, "mixture-cut2")
    assert (again.name, again.k) == ("mixture-cut3", 3)


def test_the_tree_of_a_cut_is_the_rest_of_the_tree(clustered):
    whole = pipeline.tree(clustered, "mixture")
    pipeline.cut(clustered, 3, "mixture")
    rest = pipeline.tree(clustered, "mixture-cut3")
    assert [merge[2:] for merge in rest.merges] == [merge[2:] for merge in whole.merges[-2:]]


def test_a_cut_can_be_scored_and_reported_as_any_clustering(run):
    cut = pipeline.cut(run, 2, "kmeans-k4")
    scores = pipeline.evaluate(run, cut.name)
    assert scores is not None
    report = pipeline.report(run, cut.name, sample=100)
    assert "kmeans-k4-cut2" in report.read_text(encoding="utf-8")


def test_more_clusters_than_there_are_are_refused(clustered):
    with pytest.raises(ConfigError, match="must be 1 to 4"):
        pipeline.cut(clustered, 5, "kmeans-k4")


def test_a_cut_says_so_where_its_clusters_were_made_again(run):
    cut = pipeline.cut(run, 2, "mixture")
    run.forget("cluster/mixture")
    pipeline.cluster(run, ClusterOptions(k=3, method="gmm", features="pca3", label="mixture"))
    with pytest.raises(RunError, match="Repeat: `cut"):
        next(assign_images(cut, pipeline.open_run_images(run), [EVERY]))
    assert pipeline.cut(run, 2, "mixture").k == 2


def test_a_tree_is_made_once_and_its_files_are_recorded(run, monkeypatch):
    tree = pipeline.tree(run, "kmeans-k4")
    record = run.record("tree/kmeans-k4")
    assert {output.path.rpartition("/")[2] for output in record.outputs} == {
        "tree.json",
        "tree-centers.npz",
    }
    monkeypatch.setattr(StoredTree, "write", None)
    assert pipeline.tree(run, "kmeans-k4") == tree


def test_the_tree_of_a_page_has_the_edits(run):
    pipeline.tree(run, "kmeans-k4")
    clustering = run.clustering("kmeans-k4")
    Editor(clustering).add(Merge((0, 1)))
    edited = tree_of(pipeline.look(run, "kmeans-k4"))
    assert len(edited.leaves) == 3
    assert len(edited.merges) == 2
    assert len(tree_of(pipeline.look(run, "kmeans-k4", as_computed=True)).leaves) == 4


def test_without_a_tree_a_page_has_none(finished_run):
    assert tree_of(pipeline.look(finished_run)) is None
