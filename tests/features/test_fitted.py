"""Feature steps: hand-checked cases, round trips, errors."""

import numpy as np
import pytest
from helpers.clusterers import blobs

from latentlab.errors import ConfigError
from latentlab.features.fitted import FittedFeatures, fit_features
from latentlab.features.spec import FeatureSpec

RNG = np.random.default_rng(0)


CODES = (RNG.normal(size=(200, 4 * 4 * 3)) @ RNG.normal(size=(48, 48))).astype(np.float32)


SHAPE = (4, 4, 3)


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
