"""Feature steps and k-means: hand-checked cases, round trips, canonical numbers, errors."""

import inspect

import numpy as np
import pytest
from scipy.special import softmax

from latentlab import plugins
from latentlab.clustering import baselines
from latentlab.clustering.base import Centers, Vectors, canonical_order
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError
from latentlab.features import feature_steps

RNG = np.random.default_rng(0)
CODES = (RNG.normal(size=(200, 4 * 4 * 3)) @ RNG.normal(size=(48, 48))).astype(np.float32)
SHAPE = (4, 4, 3)


def blobs(k=4, each=30, d=5, spread=0.05):
    centers = RNG.normal(size=(k, d)) * 3
    return np.concatenate([c + spread * RNG.normal(size=(each, d)) for c in centers]).astype(
        np.float32
    )


def vectors_of(matrix, size=25):
    return Vectors(
        *matrix.shape,
        lambda: iter(np.array_split(matrix, max(1, len(matrix) // size))),
        lambda: shares_of(matrix),
    )


def shares_of(matrix, count=20):
    """Soft assignments to some of the vectors, in the place of an encoder's prototypes."""
    squared = np.square(matrix[:, None] - matrix[None, :: max(1, len(matrix) // count)]).sum(axis=2)
    return softmax(-squared / np.median(squared), axis=1).astype(np.float32)


def test_code_is_left_as_it_is():
    np.testing.assert_array_equal(
        feature_steps.fit("code", [CODES], SHAPE, 0).transform(CODES), CODES
    )


def test_pool_averages_height_and_width():
    pooled = feature_steps.fit("pool", [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(pooled, CODES.reshape(-1, 16, 3).mean(axis=1), rtol=1e-5, atol=1e-5)
    grid = feature_steps.fit("pool2", [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(
        grid[0, :3], CODES[0].reshape(4, 4, 3)[:2, :2].mean(axis=(0, 1)), rtol=1e-5, atol=1e-5
    )


def test_whiten_gives_unit_covariance_and_l2_unit_length():
    white = feature_steps.fit("whiten20", [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(np.cov(white.T), np.eye(20), atol=0.02)
    unit = feature_steps.fit("whiten20+l2", [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)


def test_steps_are_fitted_in_parts_as_on_the_whole():
    whole = feature_steps.fit("pca5", [CODES], SHAPE, 0).transform(CODES)
    parts = feature_steps.fit("pca5", np.array_split(CODES, 7), SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", ["code", "pool2+whiten4+l2", "pca5+umap2"])
def test_features_survive_being_saved(spec, tmp_path):
    fitted = feature_steps.fit(spec, [CODES], SHAPE, 0)
    np.savez(tmp_path / "f.npz", **fitted.to_arrays())
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        again = feature_steps.Features.from_arrays(dict(file))
    np.testing.assert_array_equal(fitted.transform(CODES), again.transform(CODES))


def test_umap_places_a_new_image_among_its_neighbours():
    matrix = blobs(3, 40)
    fitted = feature_steps.fit("umap2", [matrix], (5,), 0)
    placed = fitted.transform(matrix)
    near = fitted.transform(matrix + 0.001)
    own = np.linalg.norm(placed[:, None] - placed[None], axis=2).max()
    assert np.linalg.norm(placed - near, axis=1).max() < 0.1 * own


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        ("pol", SHAPE, "unknown step 'pol'"),
        ("l2+pool", SHAPE, "pool must be the first"),
        ("pool", (48,), "height and width"),
        ("pool3", SHAPE, "3x3 grid"),
        ("", SHAPE, "unknown step"),
    ],
)
def test_impossible_features_are_one_clear_line(spec, shape, message):
    with pytest.raises(ConfigError, match=message):
        feature_steps.fit(spec, [CODES], shape, 0)


def test_canonical_order_is_by_size_then_first_member():
    np.testing.assert_array_equal(canonical_order(np.array([2, 0, 0, 1, 3, 3, 3]), 4), [3, 0, 2, 1])


def test_assign_gives_nearest_center_distance_and_margin():
    clusterer = Centers(np.array([[0, 0], [4, 0]], np.float32))
    cluster, distance, margin, *_ = clusterer.assign(np.array([[1, 0], [4, 3]], np.float32))
    np.testing.assert_array_equal(cluster, [0, 1])
    np.testing.assert_allclose(distance, [1, 3], atol=1e-5)
    np.testing.assert_allclose(margin, [2, 2], atol=1e-5)


@pytest.mark.parametrize("method", plugins.names("clustering"))
def test_every_method_finds_blobs_in_canonical_order_and_takes_no_labels(method):
    module = plugins.load("clustering", method)
    assert "latentlab cluster" in module.__doc__
    assert list(inspect.signature(module.fit).parameters) == ["vectors", "options"]
    matrix = np.concatenate([blobs(), blobs(1, 50) + 20])
    first = module.fit(vectors_of(matrix), ClusterOptions(k=5, seed=1)).assign(matrix)[0]
    second = module.fit(vectors_of(matrix), ClusterOptions(k=5, seed=1)).assign(matrix)[0]
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.int32
    fitted = module.fit(vectors_of(matrix), ClusterOptions(k=5, seed=1))
    again = module.load(
        {name: np.array(values) for name, values in fitted.to_arrays().items()}
    ).assign(matrix)
    np.testing.assert_array_equal(again.cluster, first)
    if again.soft is not None:
        np.testing.assert_allclose(again.soft.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(again.soft.argmax(axis=1), first)
    sizes = np.bincount(first, minlength=5)
    assert list(sizes) == sorted(sizes, reverse=True)
    if method not in (
        "scan",
        "temi",
        "imc",
    ):  # whose clusters are even on purpose: the lone blob of 50 loses some, or wins some
        assert sizes[0] == 50


def test_minibatch_above_the_stated_size_agrees_with_the_whole():
    matrix = blobs(4, 200)
    whole = plugins.load("clustering", "kmeans").fit(vectors_of(matrix), ClusterOptions(k=4))
    parts = plugins.load("clustering", "kmeans").fit(
        vectors_of(matrix), ClusterOptions(k=4, minibatch_above=100)
    )
    assert (whole.facts["algorithm"], parts.facts["algorithm"]) == ("KMeans", "MiniBatchKMeans")
    assert parts.facts["inertia"] == pytest.approx(whole.facts["inertia"], rel=0.05)


def test_more_clusters_than_images_or_than_different_images_is_a_data_error():
    kmeans = plugins.load("clustering", "kmeans")
    with pytest.raises(DataError, match="--k 5 is more than the 4"):
        kmeans.fit(vectors_of(blobs(1, 4)), ClusterOptions(k=5))
    with pytest.raises(DataError, match="different images"):
        kmeans.fit(vectors_of(np.ones((20, 3), np.float32)), ClusterOptions(k=5))


def test_mixture_agrees_with_scikit_learn():
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    matrix = np.concatenate(
        [rng.normal(0, 1, (200, 3)) @ rng.normal(0, 1, (3, 3)) + shift for shift in (0, 3)]
    ).astype(np.float32)
    ours = plugins.load("clustering", "gmm").fit(
        vectors_of(matrix), ClusterOptions(k=2, method="gmm", restarts=1)
    )
    theirs = GaussianMixture(2, random_state=0, reg_covar=1e-6 * matrix.var(axis=0).mean()).fit(
        matrix
    )
    expected = theirs.predict_proba(matrix)
    found = ours.assign(matrix).soft
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(expected, axis=1), atol=1e-3)


def test_methods_bring_their_own_features():
    from latentlab.clustering.assignments import resolve

    assert resolve(ClusterOptions(k=7)).features == "code"
    assert resolve(ClusterOptions(k=7, method="n2d")).features == "umap7"
    assert resolve(ClusterOptions(method="dec"), "affine").augment == "affine"
    assert resolve(ClusterOptions(method="dec", augment="none"), "affine").augment == "none"
    assert resolve(ClusterOptions(method="kmeans"), "affine").augment == "none"
    assert (
        resolve(ClusterOptions(k=7, method="n2d", features="pca5+umap3")).name
        == "n2d-k7-pca5+umap3"
    )
    with pytest.raises(ConfigError, match="unknown step"):
        resolve(ClusterOptions(features="auto+l2"))
    with pytest.raises(
        ConfigError,
        match=r"n2d needs the feature step umap, as in --features embedding\+l2\+umap7: embedding has none",
    ):
        resolve(ClusterOptions(k=7, method="n2d", features="embedding"), above="embedding+l2")
    above = "embedding+project+l2"
    wanted = {
        "imc": above,
        "dec": above,
        "n2d": above + "+umap7",
        "selflabel": above,
        "vade": "code",
    }
    assert {
        method: resolve(ClusterOptions(k=7, method=method), above=above).features
        for method in wanted
    } == wanted
    assert (
        resolve(ClusterOptions(k=7), above="embedding+project+l2").name
        == "kmeans-k7-embedding+project+l2"
    )
    assert (
        resolve(ClusterOptions(k=7, method="selflabel")).features == "embedding+l2"
    )  # which such an encoder lacks, and is told


def test_project_goes_through_the_head_and_follows_the_embedding_alone():
    head = {
        "kernel0": np.array([[1.0, -1.0]]),
        "bias0": np.array([0.0, 1.0]),
        "kernel1": np.array([[2.0], [3.0]]),
        "bias1": np.array([1.0]),
    }
    fitted = feature_steps.fit("embedding+project", [], (1,), 0, head=lambda: head)
    np.testing.assert_allclose(
        fitted.transform(np.array([[2.0], [-3.0]])), [[5.0], [13.0]]
    )  # 2 max(x, 0) + 3 max(1 - x, 0) + 1
    again = feature_steps.Features.from_arrays(fitted.to_arrays())
    np.testing.assert_allclose(again.transform(np.array([[0.5]])), [[3.5]])
    vectors = RNG.normal(size=(30, 1)).astype(np.float32)
    whole = feature_steps.fit(
        "embedding+project+whiten", [vectors], (1,), 0, head=lambda: head
    ).transform(vectors)
    np.testing.assert_allclose([whole.mean(), whole.std(ddof=1)], [0, 1], atol=1e-5)
    with pytest.raises(
        ConfigError, match=r"embedding\+project\+l2'.*trained with a projection head"
    ):
        feature_steps.fit("embedding+project+l2", [], (1,), 0)
    for spec in ("project", "project+l2", "embedding+l2+project", "pool+project"):
        with pytest.raises(ConfigError, match="project can only follow embedding or averaged"):
            feature_steps.parse(spec)
    assert [
        feature_steps.column(spec) for spec in ("averaged", "averaged+project", "averagedx", "pool")
    ] == ["averaged", "averaged", "code", "code"]
    assert [feature_steps.siblings(spec) for spec in ("averaged+l2", "pool2")] == [
        ["averaged+l2", "embedding+l2"],
        ["pool2"],
    ]
    assert (
        baselines.steps_for_pixels("embedding+project+l2")
        == baselines.steps_for_pixels("averaged+project+l2")
        == ""
    )
    assert baselines.steps_for_pixels("embedding+project+l2+pca5") == "l2+pca5"
