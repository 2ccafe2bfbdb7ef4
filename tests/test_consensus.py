"""Several seeds as one clustering: voting, agreement, files, scores, prediction."""

import shutil

import numpy as np
import pytest
from conftest import read_json

from latentlab import pipeline
from latentlab.clustering import consensus
from latentlab.clustering.assigned import Assigned
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError
from latentlab.refinement.run_methods import assign_images
from latentlab.scoring.evaluate import read_labels
from latentlab.storage import tables

TRUTH = np.repeat([0, 1, 2], [50, 30, 20])


def renumbered(order, noise=0, seed=0):
    """Return the true groups under other numbers, some images moved at random."""
    rng = np.random.default_rng(seed)
    found = np.array(order)[TRUTH]
    found[rng.choice(len(found), noise, replace=False)] = rng.integers(0, 3, noise)
    return found


def test_members_that_differ_by_numbers_alone_agree_wholly():
    found = consensus.unite(
        [renumbered([0, 1, 2]), renumbered([2, 0, 1]), renumbered([1, 2, 0])], np.ones(100, bool), 3
    )
    assert (found.cluster == TRUTH).all()  # the largest first
    assert (found.agreement == 1).all()
    assert consensus.agreement_of_seeds(found.ari).min == pytest.approx(1)


def test_the_vote_repairs_what_single_members_get_wrong():
    members = [
        renumbered(order, noise=15, seed=seed)
        for seed, order in enumerate([[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1], [2, 1, 0]])
    ]
    found = consensus.unite(members, np.ones(100, bool), 3)
    wrong = found.cluster != TRUTH
    alone = [
        np.mean(consensus.unite([member, member], np.ones(100, bool), 3).cluster != TRUTH)
        for member in members
    ]
    assert wrong.mean() < min(alone)
    assert found.agreement[wrong].mean() < found.agreement[~wrong].mean() if wrong.any() else True
    assert found.shares.sum(axis=1) == pytest.approx(np.ones(100))


def test_held_out_images_do_not_decide_on_the_matches():
    fitted = np.arange(100) % 2 == 0
    other = renumbered([1, 2, 0])
    other[~fitted] = 0  # nonsense on what was held out
    found = consensus.unite([TRUTH, other], fitted, 3)
    assert (found.cluster[fitted] == TRUTH[fitted]).all()


def test_a_tie_goes_to_the_reference():
    shares = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    members = [np.array([0, 1]), np.array([1, 0])]
    maps = np.array([[0, 1], [0, 1]])
    assert consensus.choose(members, maps, 1, shares).tolist() == [1, 0]


def test_the_distance_is_that_of_members_that_agree():
    members = [
        Assigned(np.array([0]), np.array([1.0]), np.array([1.0])),
        Assigned(np.array([1]), np.array([9.0]), np.array([1.0])),
    ]
    maps = np.array([[0, 1], [0, 1]])
    united = consensus.as_assigned(members, np.array([0]), np.array([[0.5, 0.5]], np.float32), maps)
    assert united.distance.tolist() == [1.0]
    assert united.margin.tolist() == [0.0]


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


def test_refit_trains_an_encoder_for_each_seed(run):
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
