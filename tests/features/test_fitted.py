"""Feature steps: hand-checked cases, round trips, errors."""

import numpy as np
import pytest
from helpers.clusterers import blobs

from latentlab.errors import ConfigError
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.sampling import sampled
from latentlab.features.spec import FeatureSpec

SHAPE = (4, 4, 3)


def correlated_codes():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 4 * 4 * 3)) @ rng.normal(size=(48, 48))).astype(np.float32)


CODES = correlated_codes()
CODES.flags.writeable = False


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


@pytest.mark.parametrize(
    "spec",
    ["code", "pool2+whiten4+l2", pytest.param("pca5+umap2", marks=pytest.mark.run)],
)
def test_features_survive_being_saved(spec, tmp_path):
    fitted = fit_features(FeatureSpec.parse(spec), [CODES], SHAPE, 0)
    np.savez(tmp_path / "f.npz", **fitted.to_arrays())
    with np.load(tmp_path / "f.npz", allow_pickle=False) as file:
        again = FittedFeatures.from_arrays(dict(file))
    np.testing.assert_array_equal(fitted.transform(CODES), again.transform(CODES))


@pytest.mark.run  # UMAP compiles for seconds
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


def small_head():
    """Return a head that makes 2 max(x, 0) + 3 max(1 - x, 0) + 1 of x."""
    return {
        "kernel0": np.array([[1.0, -1.0]]),
        "bias0": np.array([0.0, 1.0]),
        "kernel1": np.array([[2.0], [3.0]]),
        "bias1": np.array([1.0]),
    }


def test_project_goes_through_the_head():
    fitted = fit_features(FeatureSpec.parse("embedding+project"), [], (1,), 0, head=small_head)
    np.testing.assert_allclose(fitted.transform(np.array([[2.0], [-3.0]])), [[5.0], [13.0]])
    again = FittedFeatures.from_arrays(fitted.to_arrays())
    np.testing.assert_allclose(again.transform(np.array([[0.5]])), [[3.5]])


def test_steps_after_project_are_fitted_on_what_the_head_makes():
    vectors = np.random.default_rng(0).normal(size=(30, 1)).astype(np.float32)
    spec = FeatureSpec.parse("embedding+project+whiten")
    whole = fit_features(spec, [vectors], (1,), 0, head=small_head).transform(vectors)
    np.testing.assert_allclose([whole.mean(), whole.std(ddof=1)], [0, 1], atol=1e-5)


def test_project_without_a_head_is_refused():
    message = r"embedding\+project\+l2'.*trained with a projection head"
    with pytest.raises(ConfigError, match=message):
        fit_features(FeatureSpec.parse("embedding+project+l2"), [], (1,), 0)


@pytest.mark.parametrize("count", [2, 4, 6, 12])
def test_umap_of_very_few_vectors(count):
    vectors = np.random.default_rng(0).normal(size=(count, 30)).astype(np.float32)
    features = fit_features(FeatureSpec.parse("umap10"), [vectors], (30,), seed=0)
    placed = features.transform(vectors)
    assert len(placed) == count
    assert np.isfinite(placed).all()
    assert len(np.unique(placed, axis=0)) == count


def test_steps_are_learnt_from_all_classes_of_sorted_data():
    rng = np.random.default_rng(1)
    # Each class varies along an axis of its own; the first 200 images are all of the first class.
    first = rng.normal(size=(300, 1)) * np.eye(4)[0]
    second = rng.normal(size=(900, 1)) * np.eye(4)[3]
    codes = np.concatenate([first, second]).astype(np.float32)
    ids = np.array([f"image-{number}" for number in range(len(codes))])

    def axis_of_most_variance(rows):
        some = sampled(np.array_split(codes[rows], 5), ids[rows], seed=0, limit=200)
        return np.abs(
            fit_features(FeatureSpec.parse("pca1"), some, (4,), 0).arrays[0]["directions"]
        )

    of_sorted = axis_of_most_variance(np.arange(len(codes)))
    assert of_sorted.argmax() == 3
    of_shuffled = axis_of_most_variance(rng.permutation(len(codes)))
    np.testing.assert_allclose(of_shuffled, of_sorted, rtol=1e-4, atol=1e-5)
