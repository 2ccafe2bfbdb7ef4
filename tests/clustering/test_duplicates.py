"""Planted duplicates are found; different pictures are not taken for duplicates."""

import io

import numpy as np
import pytest
from helpers.pictures import pictures
from PIL import Image

from latentlab.clustering import duplicates
from latentlab.data import images


def recompressed(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg", quality=60)
    return np.asarray(Image.open(buffer))


def brighter(image):
    return (image * 0.8 + 40).clip(0, 255).astype(np.uint8)


def shifted(image):
    return np.roll(image, 1, axis=1)


def mirrored(image):
    return image[:, ::-1]


def same(image):
    return image


def as_set(pixels, splits=None):
    splits = np.array(["train"] * len(pixels)) if splits is None else splits
    return images.from_array("pictures", np.ascontiguousarray(pixels), splits)


def test_different_pictures_have_no_duplicates():
    assert len(duplicates.find(as_set(pictures()), None).first) == 0


@pytest.mark.parametrize("change", [same, recompressed, brighter, shifted, mirrored])
def test_planted_duplicates_are_found_and_nothing_else(change):
    originals = pictures()
    copies = np.stack([change(image) for image in originals[:20]])
    found = duplicates.find(as_set(np.concatenate([originals, copies])), None)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs <= {(i, 60 + i) for i in range(20)}
    assert len(pairs) >= 19
    assert found.exact.all() == (change is same)
    assert found.mirrored.all() == (change is mirrored)


def test_groups_join_pairs():
    pairs = duplicates.Pairs(np.array([0, 1, 5]), np.array([1, 2, 6]), *[np.zeros(3)] * 4)
    assert duplicates.groups(pairs, 8).tolist() == [0, 0, 0, -1, -1, 1, 1, -1]


def test_images_of_any_size_are_resized_to_averages():
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 255, (2, 20, 24, 3))
    assert duplicates.resized(pixels, 16).mean() == pytest.approx(pixels.mean())
    assert duplicates.resized(np.full((1, 7, 9, 1), 5.0), 16) == pytest.approx(
        np.full((1, 16, 16, 1), 5.0)
    )
