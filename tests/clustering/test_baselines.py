"""Feature steps that baselines on pixels share."""

import numpy as np
import pytest

from latentlab.clustering import baselines
from latentlab.config import ClusterOptions
from latentlab.data.images import from_array
from latentlab.features.spec import FeatureSpec


def test_pixels_go_through_the_steps_that_make_sense_on_them():
    for text in ("embedding+project+l2", "averaged+project+l2", "code", "pool"):
        assert baselines.steps_for_pixels(FeatureSpec.parse(text)) is None
    steps = baselines.steps_for_pixels(FeatureSpec.parse("embedding+project+l2+pca5"))
    assert str(steps) == "l2+pca5"


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return make(images, seed) -> (clusters of pixels, how often they were computed so far)."""
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "cache"))
    computed = []
    cluster_images = baselines.cluster_images
    monkeypatch.setattr(
        baselines,
        "cluster_images",
        lambda *arguments: computed.append(1) or cluster_images(*arguments),
    )
    pixels = baselines._baselines(None, FeatureSpec.parse("code"))[0]

    def make(images, seed=0):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pictures = baselines._Pictures(images)
        baselines._make(pixels, pictures, ClusterOptions(k=3, seed=seed), path)
        return baselines.Assignments.read(path).clusters, len(computed)

    return make


def test_a_second_run_on_the_same_images_shares_the_baselines_of_the_first(make):
    pixels = np.random.default_rng(0).integers(0, 255, (30, 4, 4, 1), np.uint8)
    splits = np.full(30, "train")
    first, _ = make(from_array("a", pixels, splits))
    second, computed = make(from_array("b", pixels.copy(), splits))
    np.testing.assert_array_equal(first, second)
    assert computed == 1

    changed = pixels.copy()
    changed[0, 0, 0, 0] ^= 1
    assert make(from_array("a", changed, splits))[1] == 2
    held_out = np.where(np.arange(30) < 5, "test", "train")
    assert make(from_array("a", pixels, held_out))[1] == 3
    assert make(from_array("a", pixels, splits), seed=1)[1] == 4
