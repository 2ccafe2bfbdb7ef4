"""Feature steps and k-means: hand-checked cases, round trips, canonical numbers, errors."""

import numpy as np
import pytest

from latentlab import plugins
from latentlab.clustering import baselines
from latentlab.clustering.assigned import canonical_order
from latentlab.clustering.clusterer import Centers, Clusterer
from latentlab.clustering.conformance import check_clusterer, prototype_shares
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.spec import PROJECTED, FeatureSpec
from latentlab.refinement.run_methods import run_method

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
        lambda: prototype_shares(matrix),
    )


def fitted(method, matrix, **options):
    plugin = Clusterer.named(method)
    options = ClusterOptions(method=method, **options)
    return plugin.fit(vectors_of(matrix), options, plugin.parse_options(options.settings))


def test_code_is_left_as_it_is():
    np.testing.assert_array_equal(
        fit_features(FeatureSpec.parse("code"), [CODES], SHAPE, 0).transform(CODES), CODES
    )


def test_pool_averages_height_and_width():
    pooled = fit_features(FeatureSpec.parse("pool"), [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(pooled, CODES.reshape(-1, 16, 3).mean(axis=1), rtol=1e-5, atol=1e-5)
    grid = fit_features(FeatureSpec.parse("pool2"), [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(
        grid[0, :3], CODES[0].reshape(4, 4, 3)[:2, :2].mean(axis=(0, 1)), rtol=1e-5, atol=1e-5
    )


def test_whiten_gives_unit_covariance_and_l2_unit_length():
    white = fit_features(FeatureSpec.parse("whiten20"), [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(np.cov(white.T), np.eye(20), atol=0.02)
    unit = fit_features(FeatureSpec.parse("whiten20+l2"), [CODES], SHAPE, 0).transform(CODES)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-5)


def test_steps_are_fitted_in_parts_as_on_the_whole():
    whole = fit_features(FeatureSpec.parse("pca5"), [CODES], SHAPE, 0).transform(CODES)
    parts = fit_features(FeatureSpec.parse("pca5"), np.array_split(CODES, 7), SHAPE, 0).transform(
        CODES
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", ["code", "pool2+whiten4+l2", "pca5+umap2"])
def test_features_survive_being_saved(spec, tmp_path):
    fitted = fit_features(FeatureSpec.parse(spec), [CODES], SHAPE, 0)
    np.savez(tmp_path / "f.npz", **fitted.to_arrays())
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        again = FittedFeatures.from_arrays(dict(file))
    np.testing.assert_array_equal(fitted.transform(CODES), again.transform(CODES))


def test_umap_places_a_new_image_among_its_neighbours():
    matrix = blobs(3, 40)
    fitted = fit_features(FeatureSpec.parse("umap2"), [matrix], (5,), 0)
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
        fit_features(FeatureSpec.parse(spec), [CODES], shape, 0)


def test_canonical_order_is_by_size_then_first_member():
    np.testing.assert_array_equal(canonical_order(np.array([2, 0, 0, 1, 3, 3, 3]), 4), [3, 0, 2, 1])


def test_assign_gives_nearest_center_distance_and_margin():
    clusterer = Centers(np.array([[0, 0], [4, 0]], np.float32))
    assigned = clusterer.assign(np.array([[1, 0], [4, 3]], np.float32))
    np.testing.assert_array_equal(assigned.cluster, [0, 1])
    np.testing.assert_allclose(assigned.distance, [1, 3], atol=1e-5)
    np.testing.assert_allclose(assigned.margin, [2, 2], atol=1e-5)


@pytest.mark.parametrize("method", plugins.names("clustering"))
def test_every_method_keeps_the_contract(method):
    check_clusterer(Clusterer.named(method))


@pytest.mark.parametrize("method", ["kmeans", "gmm", "n2d", "hdbscan"])
def test_methods_that_do_not_even_sizes_out_find_blobs(method):
    matrix = np.concatenate([blobs(), blobs(1, 50) + 20])
    k = None if method == "hdbscan" else 5
    labels = fitted(method, matrix, k=k, seed=1).assign(matrix).cluster
    assert np.bincount(labels).tolist() == [50, 30, 30, 30, 30]


def test_minibatch_above_the_stated_size_agrees_with_the_whole():
    matrix = blobs(4, 200)
    whole = fitted("kmeans", matrix, k=4)
    parts = fitted("kmeans", matrix, k=4, minibatch_above=100)
    assert (whole.facts["algorithm"], parts.facts["algorithm"]) == ("KMeans", "MiniBatchKMeans")
    assert parts.facts["inertia"] == pytest.approx(whole.facts["inertia"], rel=0.05)


def test_more_clusters_than_images_or_than_different_images_is_a_data_error():
    with pytest.raises(DataError, match="`k=5` is more than the 4"):
        fitted("kmeans", blobs(1, 4), k=5)
    with pytest.raises(DataError, match="`k=5` is more than the different images"):
        fitted("kmeans", np.ones((20, 3), np.float32), k=5)


def test_mixture_agrees_with_scikit_learn():
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    matrix = np.concatenate(
        [rng.normal(0, 1, (200, 3)) @ rng.normal(0, 1, (3, 3)) + shift for shift in (0, 3)]
    ).astype(np.float32)
    ours = fitted("gmm", matrix, k=2, restarts=1)
    theirs = GaussianMixture(2, random_state=0, reg_covar=1e-6 * matrix.var(axis=0).mean()).fit(
        matrix
    )
    expected = theirs.predict_proba(matrix)
    found = ours.assign(matrix).soft
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(expected, axis=1), atol=1e-3)


def resolve(augment="none", above=None, **options):
    options = ClusterOptions(**options)
    return run_method(options.method).resolve(options, augment, above)


def test_methods_bring_their_own_features():
    assert str(resolve(k=7).features) == "code"
    assert str(resolve(k=7, method="n2d").features) == "umap7"
    assert resolve("affine", method="dec").augment == "affine"
    assert resolve("affine", method="dec", augment="none").augment == "none"
    assert resolve("affine", method="kmeans").augment == "none"
    named = resolve(k=7, method="n2d", features="pca5+umap3")
    assert named.name == "n2d-k7-pca5+umap3"
    with pytest.raises(ConfigError, match="unknown step"):
        resolve(features="auto+l2")
    with pytest.raises(
        ConfigError,
        match=r"n2d` needs the feature step umap, as in `features=embedding\+l2\+umap7`:"
        " embedding has none",
    ):
        above = FeatureSpec.parse("embedding+l2")
        resolve(k=7, method="n2d", features="embedding", above=above)
    wanted = {
        "imc": "embedding+project+l2",
        "dec": "embedding+project+l2",
        "n2d": "embedding+project+l2+umap7",
        "selflabel": "embedding+project+l2",
        "vade": "code",
    }
    resolved = {method: resolve(k=7, method=method, above=PROJECTED) for method in wanted}
    assert {method: str(options.features) for method, options in resolved.items()} == wanted
    assert resolve(k=7, above=PROJECTED).name == "kmeans-k7-embedding+project+l2"
    # Which such an encoder lacks; that is an error later.
    assert str(resolve(k=7, method="selflabel").features) == "embedding+l2"


def test_project_goes_through_the_head_and_follows_the_embedding_alone():
    head = {
        "kernel0": np.array([[1.0, -1.0]]),
        "bias0": np.array([0.0, 1.0]),
        "kernel1": np.array([[2.0], [3.0]]),
        "bias1": np.array([1.0]),
    }
    fitted = fit_features(FeatureSpec.parse("embedding+project"), [], (1,), 0, head=lambda: head)
    np.testing.assert_allclose(
        fitted.transform(np.array([[2.0], [-3.0]])), [[5.0], [13.0]]
    )  # 2 max(x, 0) + 3 max(1 - x, 0) + 1
    again = FittedFeatures.from_arrays(fitted.to_arrays())
    np.testing.assert_allclose(again.transform(np.array([[0.5]])), [[3.5]])
    vectors = RNG.normal(size=(30, 1)).astype(np.float32)
    whole = fit_features(
        FeatureSpec.parse("embedding+project+whiten"), [vectors], (1,), 0, head=lambda: head
    ).transform(vectors)
    np.testing.assert_allclose([whole.mean(), whole.std(ddof=1)], [0, 1], atol=1e-5)
    with pytest.raises(
        ConfigError, match=r"embedding\+project\+l2'.*trained with a projection head"
    ):
        fit_features(FeatureSpec.parse("embedding+project+l2"), [], (1,), 0)
    for spec in ("project", "project+l2", "embedding+l2+project", "pool+project"):
        with pytest.raises(ConfigError, match="project can only follow embedding or averaged"):
            FeatureSpec.parse(spec)
    starts = {"averaged": "averaged", "averaged+project": "averaged", "pool": "code"}
    assert {text: FeatureSpec.parse(text).start for text in starts} == starts
    siblings = {"averaged+l2": ["averaged+l2", "embedding+l2"], "pool2": ["pool2"]}
    for text, expected in siblings.items():
        assert [str(spec) for spec in FeatureSpec.parse(text).siblings()] == expected


def test_pixels_go_through_the_steps_that_make_sense_on_them():
    for text in ("embedding+project+l2", "averaged+project+l2", "code", "pool"):
        assert baselines.steps_for_pixels(FeatureSpec.parse(text)) is None
    steps = baselines.steps_for_pixels(FeatureSpec.parse("embedding+project+l2+pca5"))
    assert str(steps) == "l2+pca5"
