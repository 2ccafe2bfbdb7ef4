"""Heads on vectors: the clusters they find, their starts, and their repair."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.heads import fitted, groups_of
from helpers.processes import python
from scipy.special import softmax

from latentlab import pipeline
from latentlab.clustering import heads
from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.methods import imc, scan, temi
from latentlab.config import ClusterOptions
from latentlab.scoring import metrics

pytestmark = pytest.mark.run  # each test trains heads


@pytest.mark.parametrize("method", ["scan", "temi"])
def test_heads_find_groups_that_are_not_round(method, tmp_path):
    rng = np.random.default_rng(0)
    stretch = np.diag([3.0, 0.3, 0.3, 0.3])
    groups = [rng.normal(size=(150, 4)) @ stretch + 4 * np.eye(4)[axis] for axis in (1, 2, 3)]
    matrix, y = np.concatenate(groups).astype(np.float32), np.repeat(np.arange(3), 150)
    pq.write_table(
        pa.table({"id": [f"a{i}" for i in range(450)], "embedding": matrix.tolist()}),
        tmp_path / "vectors.parquet",
    )
    result = pipeline.cluster_vectors(
        tmp_path / "vectors.parquet", ClusterOptions(k=3, method=method), tmp_path / "out.parquet"
    )
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["id"].to_pylist()[:2] == ["a0", "a1"]
    np.testing.assert_allclose(np.stack(table["soft"].to_pylist()).sum(axis=1), 1, atol=1e-5)
    assert metrics.purity(metrics.contingency(np.asarray(table["cluster"]), y, 3, 3)) > 0.95
    assert result["losses"][result["head"]] == min(result["losses"])


def test_half_of_the_heads_start_from_kmeans():
    z, y = groups_of(5)
    kernels, biases = heads.heads_from_kmeans(z, 5, 2, 0)
    assert (kernels.shape, biases.shape) == ((2, 16, 5), (2, 1, 5))
    for objective in (
        scan.NeighborConsistency(16, 5, scan.SCANOptions(heads=3), 0),
        temi.MutualInformation(16, 5, temi.TEMIOptions(heads=3), 0),
    ):
        last = np.asarray(objective.kernel)[2].copy()
        objective.start(kernels, biases)
        np.testing.assert_array_equal(np.asarray(objective.kernel), np.stack([*kernels, last]))
        np.testing.assert_array_equal(np.asarray(objective.bias)[2], 0)
        started = [
            (z @ kernel + bias).argmax(axis=1)
            for kernel, bias in zip(*objective.linear(), strict=True)
        ]
        assert max(metrics.purity(metrics.contingency(one, y, 5, 5)) for one in started[:2]) == 1
        assert metrics.purity(metrics.contingency(started[2], y, 5, 5)) < 1
    np.testing.assert_array_equal(
        np.asarray(objective.teacher_kernel), np.asarray(objective.kernel)
    )
    np.testing.assert_array_equal(np.asarray(objective.bias), 0)
    assert not imc.PrototypeInformation.starts_from_kmeans


def test_kmeans_starts_are_unsure_between_groups_and_bear_images_that_are_the_same():
    z, _ = groups_of(2, dims=1)
    kernels, biases = heads.heads_from_kmeans(z, 2, 1, 0)
    between = np.linspace(z.min(), z.max(), 101)[:, None]
    p = softmax(between @ kernels[0] + biases[0], axis=1).max(axis=1)
    assert p.min() < 0.55 < 0.75 < p.max()
    same = heads.heads_from_kmeans(np.zeros((10, 3), np.float32), 4, 1, 0)
    assert all(np.isfinite(one).all() for one in same)


@pytest.mark.parametrize(
    ("method", "objective"), [("scan", heads.HeadObjective), ("temi", temi.MutualInformation)]
)
def test_heads_from_kmeans_end_at_a_lower_loss_than_random_ones(method, objective, monkeypatch):
    z, y = groups_of(16, apart=2.0)
    settings = {"heads": 4, "batch_size": 240, "epochs": 20}
    half = fitted(method, z, 16, settings)
    monkeypatch.setattr(objective, "start", lambda *arguments: None)
    random = fitted(method, z, 16, settings)
    assert half.facts["head"] < 2
    losses = half.facts["losses"]
    assert min(losses[:2]) < min(losses[2:])
    if method == "scan":  # TEMI's depend on the heads beside them
        assert min(losses) < min(random.facts["losses"])
    pure, before = (
        metrics.purity(metrics.contingency(head.assign(z).cluster, y, 16, 16))
        for head in (half, random)
    )
    assert pure > 0.99
    if method == "temi":  # whose random heads join groups here
        assert before < 0.95


@pytest.mark.parametrize("method", ["scan", "temi"])
def test_heads_bear_images_that_are_the_same_and_centers_in_the_middle(method, monkeypatch):
    """The center of the second group has no direction, which is all that TEMI's heads have."""
    rows = [np.ones((24, 2)), np.repeat([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], 8, axis=0)]
    for matrix in np.array(rows, np.float32):
        for count in (1, 3):
            head = fitted(method, matrix, 3, {"epochs": 1, "heads": count})
            assert np.isfinite(head.facts["losses"]).all()
            assert all(np.isfinite(array).all() for array in head.to_arrays().values())
            assert np.isfinite(head.assign(matrix).soft).all()
    monkeypatch.setattr(heads, "SAMPLE", 10)
    kernels, _ = heads.heads_from_kmeans(groups_of(2)[0], 12, 2, 0)
    assert kernels.shape == (2, 16, 12)


ON_JAX = """
import sys
from latentlab import backend

backend.start("jax")
from latentlab import pipeline
from latentlab.config import ClusterOptions

for method in ("scan", "temi"):
    options = ClusterOptions(k=5, method=method, settings={"heads": 3, "epochs": 2})
    pipeline.cluster_vectors(sys.argv[1], options, f"{sys.argv[2]}/{method}.parquet")
"""


def test_heads_find_the_same_clusters_on_jax(tmp_path):
    z, y = groups_of(5)
    pq.write_table(pa.table({"embedding": z.tolist()}), tmp_path / "vectors.parquet")
    done = python("-c", ON_JAX, str(tmp_path / "vectors.parquet"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    for method in ("scan", "temi"):
        clusters = np.asarray(pq.read_table(tmp_path / f"{method}.parquet")["cluster"])
        assert metrics.purity(metrics.contingency(clusters, y, 5, 5)) == 1


def test_heads_that_lose_clusters_are_trained_again_with_more_entropy():
    matrix = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    settings = {"entropy": 0.3, "heads": 2, "batch_size": 300, "epochs": 1}
    head = fitted("scan", matrix, 6, settings)
    assert [event["entropy"] for event in head.facts["recoveries"]] == [0.3, 0.6][
        : len(head.facts["recoveries"])
    ]
    assert head.facts["recoveries"]
    loaded = Clusterer.named("scan").load(head.to_arrays())
    np.testing.assert_array_equal(loaded.assign(matrix).cluster, head.assign(matrix).cluster)
