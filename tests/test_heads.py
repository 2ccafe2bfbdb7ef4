"""Heads on vectors, and heads trained with the network: what they find, resume, undo and refuse."""

import dataclasses
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import latentlab_in_turn, read_json, small_fit, use_weights_in
from scipy.special import softmax
from strong import SWAV, strong_fit, to_ship, weights_of

from latentlab import pipeline
from latentlab.clustering import heads
from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.methods import imc, scan, temi
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.data.images import as_input
from latentlab.encoders import embedding, model_files, ready_made
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.features.fitted import FittedFeatures, fit_features, through
from latentlab.features.spec import NORMALIZED_EMBEDDING, PROJECTED
from latentlab.refinement.feature_layers import vectors_of
from latentlab.refinement.methods import consistency, selflabel
from latentlab.refinement.refiner import Start
from latentlab.refinement.run_methods import run_method
from latentlab.reporting import text as texts
from latentlab.reporting import umap_map
from latentlab.scoring import metrics
from latentlab.storage import checkpoints
from latentlab.storage.files import sha256
from latentlab.storage.run import Run
from latentlab.training import prototypes
from latentlab.training.objective import Objective

HEAD_METHODS = ("selflabel", "consistency")
QUICK = {"interval": 4, "max_steps": 24, "batch_size": 30, "learning_rate": 0.003}


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


def fitted(method, matrix, k, settings=None):
    """Return the head of a method on vectors."""
    plugin = Clusterer.named(method)
    options = ClusterOptions(k=k, method=method, settings=settings or {})
    return plugin.fit(Vectors.of(matrix), options, plugin.parse_options(options.settings))


def groups_of(k, each=60, dims=16, apart=8.0):
    """Return vectors of k round groups, so many standard deviations apart, and their groups."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(k), each)
    return (rng.normal(size=(len(y), dims)) + apart * rng.normal(size=(k, dims))[y]).astype(
        np.float32
    ), y


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
    """The center of the second group has no direction, and a direction is all that TEMI's heads have."""
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


def test_heads_find_the_same_clusters_on_jax(tmp_path):
    z, y = groups_of(5)
    pq.write_table(pa.table({"embedding": z.tolist()}), tmp_path / "vectors.parquet")
    asked = (
        "cluster",
        "--embeddings",
        tmp_path / "vectors.parquet",
        "--k",
        "5",
        "--set",
        "heads=3",
        "--set",
        "epochs=2",
    )
    done = latentlab_in_turn(
        *(
            ("--backend", "jax", *asked, "--method", name, "--out", tmp_path / f"{name}.parquet")
            for name in ("scan", "temi")
        )
    )
    for name, one in zip(("scan", "temi"), done, strict=True):
        assert one.returncode in (0, None), one.stderr
        assert (
            metrics.purity(
                metrics.contingency(
                    np.asarray(pq.read_table(tmp_path / f"{name}.parquet")["cluster"]), y, 5, 5
                )
            )
            == 1
        )


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
def test_training_the_head_with_the_network_lowers_its_loss_and_predicts_the_same_again(
    strong_run, data, tmp_path, method
):
    options = ClusterOptions(k=4, method=method, settings=QUICK | {"tolerance": -1.0})
    clustering = pipeline.cluster(strong_run, options)
    assert clustering.result.fact("rounds") == 6
    assert min(clustering.result.sizes["train"]) > 0
    name = clustering.name
    losses = [
        row["clustering_loss"] for row in strong_run.metrics(f"clusters/{name}/history.jsonl")
    ]
    assert losses[-1] < losses[0] - 0.05
    pipeline.predict(strong_run, name, data, tmp_path / "predicted.parquet")
    stored = strong_run.clustering(name).assignments
    again = pq.read_table(tmp_path / "predicted.parquet")
    assert again["id"].to_pylist() == stored.ids.tolist()
    np.testing.assert_array_equal(np.asarray(again["cluster"]), stored.clusters)


@pytest.mark.parametrize("method", HEAD_METHODS)
def test_an_interrupted_head_goes_on_to_the_same_clusters(
    strong_run, tmp_path, monkeypatch, method
):
    whole, cut = (
        Run.open(shutil.copytree(strong_run.path, tmp_path / name)) for name in ("whole", "cut")
    )
    options = pipeline.resolve(
        whole,
        ClusterOptions(k=4, method=method, settings=QUICK | {"tolerance": -1.0}, label="again"),
    )
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
    assert (
        len(
            {
                sha256(run.path / "clusters" / "again" / "assignments.parquet")
                for run in (whole, cut)
            }
        )
        == 1
    )


@pytest.fixture
def head(strong_run):
    """Return a `consistency` method at work on the stripes, in rounds of four steps, and a function that trains one step."""
    images = pipeline.open_run_images(strong_run)
    model, indices = model_files.load(strong_run), images.indices("train")

    def read(positions):
        return as_input(images.read(indices[positions]))

    z = np.asarray(model.embedder.predict_on_batch(read(np.arange(len(indices)))))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    start = Start(
        model,
        FittedFeatures(NORMALIZED_EMBEDDING, (z.shape[1],), ({},)),
        z[:4].copy(),
        1.0,
        np.zeros((len(z), 4)),
        0,
        read=read,
    )
    settings = consistency.ConsistencyOptions(
        interval=4, max_steps=8, learning_rate=0.01, neighbors=3, average=1.0
    )
    method = consistency.Consistency().start(start, settings)
    method.begin_round(z, np.eye(4, dtype=np.float32)[np.arange(len(z)) % 4])
    return method, lambda: method.step(read(np.arange(20)), np.arange(20))


def averages_of(method):
    return [
        np.asarray(average) for average in method.trainer.optimizer._model_variables_moving_average
    ]


def test_the_head_is_trained_along_a_cosine_and_becomes_its_average(head):
    """Two rounds: the rates halve in the middle, and at a round's end the weights are the optimizer's averages."""
    method, step = head
    rates, weights = [], []
    for _ in range(4):
        weights.append([np.asarray(variable) for variable in method.trainer.trainable_variables])
        step()
        rates.append(float(np.asarray(method.trainer.optimizer.learning_rate)))
    assert rates == pytest.approx(
        [0.01 * 0.5 * (1 + np.cos(np.pi * step / 8)) for step in range(4)], rel=1e-4
    )
    ends = [np.asarray(variable) for variable in method.trainer.trainable_variables]
    assert all(
        np.array_equal(end, average) for end, average in zip(ends, averages_of(method), strict=True)
    )
    step()
    assert float(np.asarray(method.trainer.optimizer.learning_rate)) == pytest.approx(
        0.005, rel=1e-4
    )
    assert any(
        not np.array_equal(now, average)
        for now, average in zip(
            method.trainer.trainable_variables, averages_of(method), strict=True
        )
    )


def test_after_averaging_batch_normalisation_knows_the_new_weights(head):
    """The statistics are those of strong views under the averaged weights: more passes over such views hardly change them."""
    method, step = head
    for _ in range(4):
        step()
    names = [variable.path for variable in method.trainer.non_trainable_variables]
    before = {
        name: np.asarray(value)
        for name, value in zip(names, method.trainer.non_trainable_variables, strict=True)
    }
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
    method.options = consistency.ConsistencyOptions(entropy=2.0)
    method.seed, method._steps = 0, 0
    one, other = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.5, 0.5], [0.1, 0.9]])
    wanted = -np.log([0.5, 0.74]).mean() + 2.0 * (0.55 * np.log(0.55) + 0.45 * np.log(0.45))
    assert float(
        method.clustering_loss(np.concatenate([one, other]).astype(np.float32), {})
    ) == pytest.approx(wanted, abs=1e-5)
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
        with pytest.raises(ConfigError, match="recipe=strong|no embedding above its code"):
            pipeline.cluster(finished_run, ClusterOptions(k=4, method=method))
    with pytest.raises(ConfigError, match="plain autoencoder|works on the code itself"):
        pipeline.cluster(strong_run, ClusterOptions(k=4, method="vade"))
    with pytest.raises(ConfigError, match="trains the network that made the vectors"):
        pipeline.cluster_vectors(
            tmp_path / "a.parquet", ClusterOptions(k=2, method="dec"), tmp_path / "b.parquet"
        )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "no column of vectors"),
        ({"embedding": [[1.0, 2.0], [1.0]]}, "differ in length"),
        ({"embedding": [[1.0, 2.0], [1.0, float("nan")]]}, "not finite, first in row 1"),
        ({"embedding": [[1.0, 2.0]]}, "`k=2` is more than the 1 vectors"),
    ],
)
def test_bad_vector_files_are_one_clear_line(columns, message, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=message):
        pipeline.cluster_vectors(
            tmp_path / "bad.parquet", ClusterOptions(k=2), tmp_path / "out.parquet"
        )


def test_imc_finds_the_clusters_that_tell_the_prototype():
    """Loss of heads that know the prototypes' groups, that know nothing, and that are one cluster: H(C) is log k, log k and 0."""
    groups = np.repeat(np.arange(4), 25)
    vectors, shares = (
        np.eye(4, dtype=np.float32)[groups] * 20,
        np.eye(8, dtype=np.float32)[groups * 2 + np.arange(100) % 2],
    )
    own = imc.IMCOptions(heads=3, entropy=4.0)
    objective = imc.PrototypeInformation(4, 4, own, 0)
    objective.kernel.assign(
        np.stack([np.eye(4), np.zeros((4, 4)), np.eye(4)[[0, 0, 0, 0]]]).astype(np.float32)
    )
    told = np.asarray(objective.losses(vectors, shares))
    steep = imc.PULL * (20 - imc.STEEPEST_LOGIT)
    np.testing.assert_allclose(
        told, [-4 * np.log(4) + steep, -4 * np.log(4) + np.log(4), steep], atol=2e-3
    )


def test_imc_reads_the_prototypes_of_the_fit(strong_run):
    import keras

    run = strong_run
    pipeline.embed(run)
    shares = prototypes.training_shares(run)()
    embedded = np.concatenate(list(embedding.Embeddings(run.path).parts("train", "embedding")))
    objective = Objective.named("swav")
    trainer = objective.start(
        model_files.load(run),
        pipeline.open_run_images(run),
        strong_fit(),
        objective.parse_options(SWAV),
    )
    trainer.restore(checkpoints.load(checkpoints.newest(run.path / "checkpoints", "epoch"))[0])
    projector = trainer.networks.projector
    projector.trainable = False  # batch normalisation then takes its stored statistics
    scores = np.asarray(trainer._scores(embedded, np.float32(0)))
    np.testing.assert_allclose(shares, softmax(scores / 0.1, axis=1), atol=1e-4)
    projected = np.asarray(projector(embedded, training=False))
    np.testing.assert_allclose(through(prototypes.head(run)(), embedded), projected, atol=1e-4)
    fitted = fit_features(PROJECTED, [], embedded.shape[1:], 0, head=prototypes.head(run))
    model, picked = (
        model_files.load(run),
        as_input(pipeline.open_run_images(run).read(np.arange(5))),
    )
    network = keras.Model(model.encoder.input, vectors_of(model, fitted))
    np.testing.assert_allclose(
        network.predict_on_batch(picked),
        fitted.transform(model.embedder.predict_on_batch(picked)),
        atol=1e-5,
    )
    clustering = pipeline.cluster(run, ClusterOptions(k=4, method="imc"))
    assert clustering.features == PROJECTED
    assert len(clustering.result.fact("losses")) == 20
    assert min(clustering.result.sizes["train"]) > 0
    start = pipeline.cluster(
        run, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"})
    )
    assert start.result.fact("rounds") >= 3
    assert start.features == PROJECTED
    with pytest.raises(
        ConfigError,
        match=r"selflabel` trains the network, which sees one image at a time: choose `features=embedding\+l2`",
    ):
        pipeline.cluster(
            run, ClusterOptions(k=4, method="selflabel", features="averaged+l2", settings=QUICK)
        )


def test_what_the_projection_head_makes_of_images_is_clustered_and_mapped_and_given_away(
    strong_run, data, tmp_path
):
    """New images go through the same head; the map is drawn again where an older version drew one of the embedding."""
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    pipeline.cluster(run, ClusterOptions(k=4))
    name = pipeline.resolve(run, ClusterOptions(k=4)).name
    pipeline.predict(run, name, data, tmp_path / "predicted.parquet")
    np.testing.assert_array_equal(
        np.asarray(pq.read_table(tmp_path / "predicted.parquet")["cluster"]),
        run.clustering(name).assignments.clusters,
    )
    embedded = np.concatenate(list(embedding.Embeddings(run.path).parts(column="embedding")))
    chosen = np.array([0, 7, 133])
    vectors = through(prototypes.head(run)(), embedded[chosen])
    np.testing.assert_allclose(
        umap_map.mapped_vectors(run, chosen),
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        atol=1e-5,
    )
    with run.lock(), run.stage("project", {"sample": 20, "seed": 0, "embed": run.encoder_config()}):
        pass  # as an older version left it
    pipeline.project(run, sample=20)
    assert read_json(run.path / "projection" / "umap.json")["features"] == "embedding+project+l2"


def test_embeddings_of_an_image_and_its_mirror_image_are_averaged(strong_run, tmp_path):
    """By the one network that writes them and the one that new images go through; prototypes are then compared with these."""
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    picked = pipeline.open_run_images(run).read(np.arange(5))
    model = model_files.load(run)
    as_they_are, mirrored = (
        model.embedder.predict_on_batch(as_input(images)) for images in (picked, np.flip(picked, 2))
    )
    assert np.abs(as_they_are - mirrored).max() > 1e-3
    wanted = (as_they_are + mirrored) / 2
    pipeline.embed(run, averages=True)
    written = np.concatenate(list(embedding.Embeddings(run.path).parts(column="averaged")))
    np.testing.assert_allclose(written[:5], wanted, atol=1e-5)
    np.testing.assert_allclose(embedding.encode(model.part("averaged"), picked), wanted, atol=1e-5)
    shares = [
        prototypes.training_shares(run, column)() for column in ("embedding", "averaged", "code")
    ]
    assert np.abs(shares[0] - shares[1]).max() > 1e-4
    np.testing.assert_array_equal(shares[0], shares[2])


def test_averages_are_made_where_they_are_asked_for(strong_run, tmp_path):
    """They cost as much again. What was there before stays, to the byte, so that a student of it can go on."""
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    shutil.rmtree(run.path / "averages", ignore_errors=True)
    run.forget("average")
    pipeline.cluster(run, ClusterOptions(k=4))
    assert not (run.path / "averages").exists()
    made = {
        stage: run.record(stage) for stage in ("embed", "cluster/kmeans-k4-embedding+project+l2")
    }
    with pytest.raises(RunError, match=r"averages holds no embeddings.*`embed\(.*averages=True\)`"):
        list(embedding.Embeddings(run.path).parts(column="averaged"))
    both = pipeline.resolve(run, ClusterOptions(k=4, features="averaged+project+l2"))
    pipeline.cluster(run, both)
    (part,) = run.record("average").outputs
    assert (part.path, pq.read_schema(run.path / part.path).names) == (
        "averages/part-00000.parquet",
        ["id", "split", "averaged"],
    )
    pipeline.cluster(run, ClusterOptions(k=4))
    assert {stage: run.record(stage) for stage in made} == made
    found = pipeline.look(run, both.name)
    assert found.file_for_features("probe") == run.path / "probe" / "averaged+project+l2.json"
    pipeline.probe(run, ClusterOptions())
    assert (
        found.file_for_features("probe") == run.path / "probe" / "embedding+project+l2.json"
    )  # the default's, for want of one of these clusters' own
    pipeline.evaluate(run, both.name)
    assert any(
        "what the features (embedding+project+l2) hold" in text
        for text in texts.further_sentences(pipeline.look(run, both.name))
    )
    lost = tmp_path / "run" / part.path
    before = lost.read_bytes()
    lost.unlink()
    pipeline.probe(run, both)
    assert lost.read_bytes() == before


def test_encoders_that_saw_no_mirrored_views_have_no_averages(strong_run, data, tmp_path):
    run = Run.open(shutil.copytree(strong_run.path, tmp_path / "run"))
    for objective in ("reconstruction", "no-longer-installed"):
        run.recorded_config["fit"]["objective"] = objective
        assert model_files.columns(run) == ("code", "embedding")
    with pytest.raises(
        ConfigError, match="averages need an encoder that learnt from mirrored views"
    ):
        run_method("kmeans").check(run, ClusterOptions(k=4, features="averaged+l2"))
    plain = pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain")
    with pytest.raises(ConfigError, match="averages need an encoder"):
        pipeline.embed(plain, averages=True)
    vectors = tmp_path / "vectors.parquet"
    pq.write_table(pa.table({"embedding": np.eye(8).tolist()}), vectors)
    with pytest.raises(ConfigError, match="averages need images, and a file of vectors has none"):
        pipeline.cluster_vectors(
            vectors, ClusterOptions(k=2, features="averaged+l2"), tmp_path / "clusters.parquet"
        )


def test_imc_without_prototypes_says_what_to_do(data, strong_run, tmp_path):
    plain = pipeline.fit(data, small_fit(epochs=1), tmp_path / "plain")
    elsewhere = pipeline.with_weights(
        strong_run, [2 * weight for weight in weights_of(strong_run)], tmp_path / "elsewhere"
    )
    for run, settings, cause in (
        (plain, {}, "`objective=reconstruction` has none"),
        (elsewhere, {}, "trained elsewhere"),
    ):
        with pytest.raises(
            ConfigError, match=f"prototypes of the run's own fit.*{cause}.*`method=scan`"
        ):
            pipeline.cluster(run, ClusterOptions(k=4, method="imc", settings=settings))
    with pytest.raises(ConfigError, match="prototypes of the run's own fit"):
        pipeline.cluster(
            elsewhere, ClusterOptions(k=4, method="selflabel", settings={**QUICK, "start": "imc"})
        )
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    with pytest.raises(ConfigError, match="vectors alone do not have"):
        fitted("imc", vectors, 4)
    damaged = tmp_path / "damaged"
    shutil.copytree(strong_run.path, damaged)
    np.savez(damaged / "checkpoints" / "epoch-0003" / "arrays.npz", other=vectors)
    for steps, what in (("auto", "projection head is"), ("embedding+l2", "prototypes are")):
        with pytest.raises(RunError, match=f"where the {what}, is damaged"):
            pipeline.cluster(
                Run.open(damaged), ClusterOptions(k=4, method="imc", seed=1, features=steps)
            )
    with pytest.raises(
        ConfigError,
        match=r"step project needs the projection head.*trained elsewhere.*choose `features=embedding\+l2",
    ):
        pipeline.cluster(elsewhere, ClusterOptions(k=4, features="embedding+project+l2"))
    assert pipeline.resolve(elsewhere, ClusterOptions(k=4)).features == NORMALIZED_EMBEDDING


def test_shipped_prototypes_are_those_of_the_fit(strong_run, data, tmp_path, monkeypatch):
    own, above, description = to_ship(strong_run)
    use_weights_in(monkeypatch, tmp_path / "weights")
    ready_made.shipped().save("strong", own, description, objective_weights=above)
    run = pipeline.use_ready_made(data, "strong", tmp_path / "run")
    for one in (run, strong_run):
        pipeline.embed(one)
    np.testing.assert_allclose(
        prototypes.training_shares(run)(), prototypes.training_shares(strong_run)(), atol=0.02
    )
    clustering = pipeline.cluster(run, ClusterOptions(k=4, method="imc"))
    assert min(clustering.result.sizes["train"]) > 0
    assert clustering.features == PROJECTED
    changed = pipeline.with_weights(run, [2 * weight for weight in own], tmp_path / "changed")
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(changed)
    ready_made.shipped().save("strong", own, description)
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(run)
    retrained = dataclasses.replace(description, summary={**description.summary, "best_epoch": 9})
    ready_made.shipped().save("strong", own, retrained, objective_weights=above)
    with pytest.raises(ConfigError, match="its encoder was trained elsewhere"):
        prototypes.require(run)
