"""Deep clustering: formulas, guards, exact resume after a kill, prediction from saved files alone."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, make_stripes, read_json, small_fit
from sklearn.datasets import make_moons

from latentlab import pipeline
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError
from latentlab.features.fitted import fit_features
from latentlab.features.spec import CODE
from latentlab.nets.augmentation import augment
from latentlab.nets.entropy import effective_number
from latentlab.refinement import guards, kernel, loop
from latentlab.refinement.conformance import check_refiner
from latentlab.refinement.methods.dec import target_distribution
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Refiner
from latentlab.refinement.start import most_even, start_from
from latentlab.storage import tables
from latentlab.storage.files import sha256

FAST = {"interval": 4, "batch_size": 30, "max_steps": 12, "tolerance": -1.0}  # never settles
METHODS = [
    name for name in Refiner.names() if name not in ("selflabel", "consistency")
]  # they need an embedding: see test_heads.py


def options_of(method, **changes):
    features = Refiner.named(method).capabilities.default_features or "pool2+pca6+l2"
    return ClusterOptions(
        **({"k": 4, "method": method, "features": features, "settings": FAST} | changes)
    )


@pytest.fixture(scope="module")
def fitted(stripes_file, tmp_path_factory):
    """Return a function that gives a copy of a fitted and embedded run."""
    from latentlab.storage.run import Run

    folder = tmp_path_factory.mktemp("refine") / "fitted"
    pipeline.embed(pipeline.fit(DataOptions(data=str(stripes_file)), small_fit(), folder))

    def copy(name):
        target = folder.with_name(name)
        shutil.copytree(folder, target)
        return Run.open(target)

    return copy


@pytest.fixture(scope="module")
def clustered(fitted):
    """Return a run that was clustered by every method; tests must not change it."""
    run = fitted("clustered")
    for method in METHODS:
        pipeline.cluster(run, options_of(method))
    return run


def test_target_distribution_is_the_papers():
    q = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]], np.float32)
    f = q.sum(axis=0)
    expected = np.array(
        [
            [row[j] ** 2 / f[j] / sum(row[i] ** 2 / f[i] for i in range(2)) for j in range(2)]
            for row in q
        ]
    )
    np.testing.assert_allclose(target_distribution(q), expected, rtol=1e-5)


def test_clustering_layer_is_students_t_and_saves_all_its_settings(tmp_path):
    import keras

    from latentlab.nets.layers import ClusteringLayer

    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    centers = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    vectors = keras.Input((3,))
    layer = ClusteringLayer(4, alpha=2.0, scale=3.0)
    model = keras.Model(vectors, layer(vectors))
    layer.set_centers(centers)
    squared = np.square(z[:, None] - centers[None]).sum(axis=2)
    kernel = (1 + squared / 6) ** -1.5
    np.testing.assert_allclose(
        model.predict(z, verbose=0), kernel / kernel.sum(axis=1, keepdims=True), rtol=1e-4
    )
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert (loaded.layers[-1].n_clusters, loaded.layers[-1].alpha, loaded.layers[-1].scale) == (
        4,
        2.0,
        3.0,
    )
    np.testing.assert_array_equal(loaded.predict(z, verbose=0), model.predict(z, verbose=0))


def q_of(z, centers, alpha, scale):
    from latentlab.nets.layers import ClusteringLayer

    layer = ClusteringLayer(len(centers), alpha, scale)
    layer.build((None, centers.shape[1]))
    layer.set_centers(centers)
    return np.asarray(layer(z))


@pytest.mark.parametrize("unit", [0.001, 1.0, 30.0])
def test_on_a_large_code_q_starts_as_unsure_as_on_the_papers_ten_numbers(unit):
    """At the published kernel, or one scaled by the spread, q is near uniform; whatever the code's unit, it is not by default."""
    rng = np.random.default_rng(0)
    centers = 0.3 * unit * rng.normal(size=(10, 1024)).astype(np.float32)
    z = centers[rng.integers(0, 10, 200)] + unit * rng.normal(size=(200, 1024)).astype(np.float32)
    squared = np.square(z[:, None] - centers).sum(axis=2)
    alpha, scale = kernel.kernel_for(squared, 900.0, 1024, is_code=True, alpha=None, scale=None)
    q = q_of(z, centers, alpha, scale)
    entropy = -(q * np.log(q)).sum(axis=1).mean() / np.log(10)
    assert entropy == pytest.approx(kernel.UNCERTAINTY, abs=0.005)
    assert 0.25 < q.max(axis=1).mean() < 0.7
    for fixed in (1.0, float(squared.min(axis=1).mean())):
        assert q_of(z, centers, 1.0, fixed).max(axis=1).mean() < 0.15


def test_q_of_images_far_from_every_center_is_finite_with_many_degrees_of_freedom():
    q = q_of(1e4 * np.ones((3, 64), np.float32), np.eye(4, 64, dtype=np.float32), 63.0, 1.0)
    np.testing.assert_allclose(q, 0.25, atol=1e-3)


def test_the_published_kernel_stands_on_small_codes_and_what_is_given_stands_everywhere():
    squared = np.random.default_rng(0).uniform(900, 1100, (50, 4))
    assert kernel.kernel_for(squared, 900.0, 10, True, None, None) == (1.0, 1.0)
    assert kernel.kernel_for(squared, 900.0, 32, True, 2.0, None) == (2.0, 1.0)
    assert kernel.kernel_for(squared, 900.0, 1024, True, None, 5.0) == (1.0, 5.0)
    assert kernel.kernel_for(squared, 900.0, 1024, False, 3.0, 5.0) == (3.0, 5.0)
    assert kernel.kernel_for(squared, 900.0, 1024, True, 50.0, None)[0] == 50.0
    assert kernel.kernel_for(squared, 900.0, 1024, False, None, None) == (1.0, 900.0)


def test_a_kernel_that_cannot_be_sure_enough_is_as_narrow_as_it_gets():
    even = np.full((20, 4), 7.0)
    assert kernel.fitted_scale(even, 1.0) == pytest.approx(7.0 * kernel.NARROWEST, rel=1e-3)
    assert np.isfinite(kernel.fitted_scale(np.zeros((20, 4)), 1.0))
    assert np.isfinite(kernel.fitted_scale(even[:, :1], 1.0))


def test_an_unknown_start_is_refused_and_keeps_what_is_there(fitted):
    run = fitted("starts")
    options = options_of("idec")
    pipeline.cluster(run, options)
    refused = r"settings\.start=random`: must be one of imc, kmeans, n2d, scan, temi"
    with pytest.raises(ConfigError, match=refused):
        pipeline.cluster(
            run, dataclasses.replace(options, settings={**options.settings, "start": "random"})
        )
    assert (run.path / "clusters" / options.name / "assignments.parquet").exists()


def test_start_from_manifold_clusters_follows_moons():
    matrix, moon = make_moons(600, noise=0.05, random_state=0)
    matrix = matrix.astype(np.float32)
    means = np.stack([matrix[moon == m].mean(axis=0) for m in (0, 1)])

    def centers_from(by):
        options = ClusterOptions(k=2, method="dec")
        features = fit_features(CODE, [], (2,), 0)
        start, _ = start_from(Vectors.of(matrix), None, features, options, LoopOptions(start=by))
        return start.centers[np.argsort(start.centers[:, 0])]

    np.testing.assert_allclose(centers_from("n2d"), means, atol=0.02)
    assert np.abs(centers_from("kmeans") - means).max() > 0.1


def test_the_most_even_start_is_taken():
    merged = np.repeat([0, 0, 1, 2], [40, 40, 40, 3])
    even = np.repeat([2, 0, 1, 1], [40, 40, 40, 3])
    assert most_even([merged, even, merged], 3) == 1
    assert most_even([even, merged], 3) == 0


def test_warming_up_trains_towards_n2ds_own_assignments(fitted):
    from latentlab.encoders import embedding, model_files
    from latentlab.refinement.methods import dec, idec

    run = fitted("warming")
    options = options_of("idec", settings=FAST | {"start": "n2d", "warm_up": 2})
    model, images = model_files.load(run), pipeline.open_run_images(run)
    codes = np.concatenate(list(embedding.Embeddings(run.path).parts("train")))
    steps = fit_features(options.features, [codes], model.code_shape, 0)
    settings = idec.IDECOptions(start="n2d", warm_up=2)
    start, first = start_from(Vectors.of(steps.transform(codes)), model, steps, options, settings)
    np.testing.assert_array_equal(
        start.soft.argmax(axis=1), first.assign(steps.transform(codes)).cluster
    )
    refinement = idec.IDEC().start(start, settings)
    z, q = loop.assign_all(refinement, images, images.indices("train"))
    for _ in range(2):
        refinement.begin_round(z, q)
        assert refinement.target is start.soft
    refinement.begin_round(z, q)
    np.testing.assert_array_equal(refinement.target, dec.target_distribution(q))


def test_settled_labels_do_not_end_the_warm_up(fitted):
    loose = FAST | {"tolerance": 1.0, "max_steps": 40}
    plain = pipeline.cluster(fitted("loose"), options_of("idec", settings=loose))
    assert plain.result.fact("rounds") == 1
    warm_up = loose | {"start": "n2d", "warm_up": 3}
    warmed = pipeline.cluster(fitted("warm"), options_of("idec", settings=warm_up))
    assert warmed.result.fact("rounds") == 4


@pytest.mark.parametrize("method", Refiner.names())
def test_every_method_keeps_the_contract(method):
    check_refiner(Refiner.named(method))


class Broken(Refiner):
    """A method whose `Refinement` has one method replaced."""

    def __init__(self, method, name, replacement):
        self.method = Refiner.named(method)
        self.Options, self.capabilities = self.method.Options, self.method.capabilities
        self.replaced, self.replacement = name, replacement

    def start(self, start, options):
        refinement = self.method.start(start, options)
        setattr(refinement, self.replaced, self.replacement)
        return refinement


@pytest.mark.parametrize(
    ("method", "name", "replacement", "message"),
    [
        ("idec", "reorder", lambda order: None, "must renumber the soft assignments"),
        ("idec", "set_centers", lambda centers: None, "what set_centers"),
        ("idec", "step", lambda batch, positions: {}, "at least one loss"),
        ("vade", "set_extras", lambda arrays: None, "must give the same losses"),
    ],
)
def test_a_broken_method_is_told_what_to_mend(method, name, replacement, message):
    with pytest.raises(AssertionError, match=message):
        check_refiner(Broken(method, name, replacement))


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
        "from latentlab import pipeline; from latentlab.storage.run import Run; from latentlab.data.opening import DataOptions\n"
        "for name in sys.argv[4:]:\n"
        "    pipeline.predict(Run.open(sys.argv[1]), name, DataOptions(data=sys.argv[2]), Path(sys.argv[3]) / f'{name}.parquet')"
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
    """DEC is IDEC without the decoder; kills are after so many rounds, that of N2D's start while it warms up."""
    whole, killed = fitted(f"whole-{method}"), fitted(f"killed-{method}")
    settings = FAST | {"max_steps": 48, "start": start} | ({"warm_up": 6} if start == "n2d" else {})
    options = options_of(method, settings=settings)
    pipeline.cluster(whole, options)
    code = (
        "import sys; from conftest import *; from latentlab.storage.run import Run; from test_refinement import options_of, FAST\n"
        "from latentlab import pipeline\n"
        f"pipeline.cluster(Run.open(sys.argv[1]), options_of(sys.argv[2], settings={settings}))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    for stop_after in kills:
        process = subprocess.Popen(
            [sys.executable, "-c", code, killed.path, method],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            rounds = [int(p.name[6:]) for p in killed.path.glob("clusters/*/checkpoints/*/round-*")]
            if rounds and max(rounds) >= stop_after:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
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
    assert {"confidence", "size-history", "moved", "centroids", "paths"} <= names
    assert (
        "Started from k-means on the code. 3 rounds, 12 steps; it ended since the steps allowed were done"
        in text
    )
    pipeline.report(run, "kmeans-k4", sample=60)
    assert not {"confidence", "moved"} & {path.stem for path in (run.path / "report").glob("*.png")}


def test_collapsed_clusters_are_reseeded_from_the_most_spread_one():
    rng = np.random.default_rng(0)
    z = np.concatenate(
        [
            rng.normal(0, 0.1, (50, 2)),
            rng.normal([5, 5], 0.1, (50, 2)),
            rng.normal([9, 5], 0.1, (50, 2)),
        ]
    ).astype(np.float32)
    labels = np.repeat([0, 1, 1], 50)
    centers = np.array([[0, 0], [7, 5], [100, 100]], np.float32)
    dead = guards.collapsed(np.bincount(labels, minlength=3))
    assert dead.tolist() == [2]
    renewed, donors = guards.reseed(centers, z, labels, dead, seed=0)
    assert donors == [1]
    assert sorted(np.round(renewed[1:, 0]).tolist()) == [5, 9]
    np.testing.assert_array_equal(renewed[0], centers[0])


def test_effective_clusters():
    assert effective_number(np.array([10, 10, 10, 10])) == pytest.approx(4)
    assert effective_number(np.array([40, 0, 0, 0])) == pytest.approx(1)


def test_collapse_while_training_is_repaired_and_recorded(fitted, monkeypatch):
    real = guards.collapsed
    calls = []

    def collapsed_once(sizes):
        calls.append(sizes)
        return np.array([3]) if len(calls) == 2 else real(sizes)

    monkeypatch.setattr(loop, "collapsed", collapsed_once)
    result = pipeline.cluster(fitted("collapse"), options_of("idec")).result
    event = result.fact("recoveries")[0]
    assert (event["round"], event["what"], event["clusters"]) == (
        1,
        "re-seeded",
        [result.fact("order").index(3)],
    )
    assert len(event["from"]) == 1


def test_divergence_goes_back_to_the_last_good_state_and_ends_sound(fitted):
    options = options_of("dec", settings=FAST | {"learning_rate": 1e30})
    run = fitted("diverged")
    result = pipeline.cluster(run, options).result
    assert any(event["what"] == "rolled back" for event in result.fact("recoveries"))
    soft = tables.matrix(
        tables.read(run.path / "clusters" / options.name / "assignments.parquet")["soft"]
    )
    assert np.isfinite(soft).all()


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


def test_every_image_is_trained_on_once_an_epoch_in_a_new_order():
    schedule = loop.Schedule(
        interval=5, batch_size=10, tolerance=0, max_steps=50, augment="none", seed=0
    )
    steps = [*schedule.batches(50, 0), *schedule.batches(50, 1)]
    assert sorted(np.concatenate(steps[:5])) == list(range(50))
    assert sorted(np.concatenate(steps[5:])) == list(range(50))
    assert not np.array_equal(np.concatenate(steps[:5]), np.concatenate(steps[5:]))


def test_augmentation_is_small_repeats_and_leaves_none_alone():
    images = make_stripes(8)[0].astype(np.float32) / 255
    assert augment(images, "none", np.random.default_rng(0)) is images
    first, second = (
        np.asarray(augment(images, "affine", np.random.default_rng(3))) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == images.shape
    assert not np.array_equal(
        first, np.asarray(augment(images, "affine", np.random.default_rng(4)))
    )
    plain = np.full((3, 12, 12, 1), 0.5, np.float32)
    np.testing.assert_allclose(
        np.asarray(augment(plain, "affine+flip", np.random.default_rng(0))), 0.5, atol=1e-5
    )


def test_flips_mirror_about_half_of_the_images(monkeypatch):
    from latentlab.nets import augmentation

    monkeypatch.setattr(augmentation, "MOST_DEGREES", 0.0)
    monkeypatch.setattr(augmentation, "MOST_SHIFT", 0.0)
    images = np.random.default_rng(0).random((40, 9, 9, 1)).astype(np.float32)
    changed = np.asarray(augment(images, "affine+flip", np.random.default_rng(1)))
    mirrored = [np.allclose(a, b[:, ::-1], atol=1e-4) for a, b in zip(changed, images, strict=True)]
    same = [np.allclose(a, b, atol=1e-4) for a, b in zip(changed, images, strict=True)]
    assert all(m or s for m, s in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


def test_augmented_fit_resumes_and_differs_from_plain(data, tmp_path):
    plain = pipeline.fit(data, small_fit(), tmp_path / "plain")
    changed = pipeline.fit(data, small_fit(augment="affine"), tmp_path / "changed")
    assert plain.metrics()[1]["loss"] != changed.metrics()[1]["loss"]
    assert read_json(changed.path / "run.json")["config"]["fit"]["augment"] == "affine"
