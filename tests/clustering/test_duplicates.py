"""Planted duplicates are found; different pictures are not taken for duplicates."""

import io

import numpy as np
import pytest
from helpers.pictures import pictures
from PIL import Image, ImageFilter

from latentlab.clustering import duplicates
from latentlab.data import images

COUNT = 60
COPIES = 20


def detailed(count=COUNT, side=32):
    """Return pictures that are all different, coarsely and finely."""
    coarse = pictures(count).astype(float)
    fine = np.random.default_rng(1).normal(0, 40, (count, 16, 16, 1))
    fine = fine.repeat(2, axis=1).repeat(2, axis=2)
    small = (coarse * 0.7 + 40 + fine).clip(0, 255).astype(np.uint8)
    if side == 32:
        return small
    return np.stack([resized(image, (side, side)) for image in small])


def resized(image, size):
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def same(image):
    return image


def recompressed(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg", quality=40)
    return np.asarray(Image.open(buffer))


def recoloured(image):
    return (image * np.array([0.9, 0.7, 0.6]) + [40, 10, 0]).clip(0, 255).astype(np.uint8)


def grey(image):
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def mirrored(image):
    return image[:, ::-1]


def sharpened(image):
    return np.asarray(Image.fromarray(image).filter(ImageFilter.UnsharpMask(1, 150, 0)))


def blurred(image):
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(0.7)))


def cropped(image):
    side = image.shape[0]
    box = (0.12 * side, 0.02 * side, 0.97 * side, 0.87 * side)  # 72% of the area
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, box))


def shrunk(image):
    side = image.shape[0]
    return resized(resized(image, (side * 2 // 3,) * 2), (side, side))


def as_set(pixels, splits=None):
    splits = np.array(["train"] * len(pixels)) if splits is None else splits
    return images.from_array("pictures", np.ascontiguousarray(pixels), splits)


def planted(change, originals):
    """Return pairs found among the originals and changed copies of the first of them."""
    copies = np.stack([change(image) for image in originals[:COPIES]])
    found = duplicates.find(as_set(np.concatenate([originals, copies])), None)
    return found, set(zip(found.first.tolist(), found.second.tolist(), strict=True))


ALL = {(i, COUNT + i) for i in range(COPIES)}
CHANGES = {
    same: "exact",
    recompressed: "",  # colours and sharpness may differ too
    recoloured: "recoloured",
    grey: "recoloured",
    mirrored: "mirrored",
    sharpened: "sharpness",
    blurred: "sharpness",
    cropped: "cropped",
    shrunk: "sharpness",
}


def test_different_pictures_have_no_duplicates():
    assert len(duplicates.find(as_set(pictures()), None).first) == 0
    assert len(duplicates.find(as_set(detailed()), None).first) == 0


@pytest.fixture(scope="module")
def every_kind():
    """Return the pairs among 180 originals and 20 copies of each kind, each of another original."""
    originals = detailed(len(CHANGES) * COPIES)
    parts = zip(CHANGES, np.split(originals, len(CHANGES)), strict=True)
    copies = [change(image) for change, part in parts for image in part]
    return duplicates.find(as_set(np.concatenate([originals, copies])), None)


def test_planted_duplicates_are_found_and_nothing_else(every_kind):
    assert (every_kind.second - every_kind.first == len(CHANGES) * COPIES).all()


@pytest.mark.parametrize("change", list(CHANGES), ids=lambda change: change.__name__)
def test_each_kind_is_found_and_named(every_kind, change):
    is_kind = every_kind.first // COPIES == list(CHANGES).index(change)
    assert is_kind.sum() >= 19
    assert (every_kind.exact[is_kind] == (change is same)).all()
    assert (every_kind.mirrored[is_kind] == (change is mirrored)).all()
    assert sum(CHANGES[change] in text for text in every_kind.changes[is_kind]) >= 17


def test_pictures_of_any_size_are_compared_and_where_the_copy_lies_is_said():
    found, pairs = planted(cropped, detailed(side=80))
    assert pairs == ALL
    assert np.median(found.places, axis=0) == pytest.approx([0.02, 0.12, 0.85, 0.85], abs=0.02)


def test_where_the_original_lies_in_the_mirrored_copy_is_said():
    originals = detailed()
    copies = np.stack([mirrored(cropped(image)) for image in originals[:COPIES]])
    found = duplicates.find(as_set(np.concatenate([copies, originals])), None)
    assert found.mirrored.all()
    # The copies come first here: they show less than the second images.
    expected = [-0.02 / 0.85, -0.03 / 0.85, 1 / 0.85, 1 / 0.85]
    assert np.median(found.places, axis=0) == pytest.approx(expected, abs=0.03)


def test_bars_beside_a_picture_do_not_count():
    originals = detailed(side=96)
    framed = np.full_like(originals, 255)
    framed[::2] = 0
    for number, image in enumerate(originals):
        framed[number, 12:84] = resized(image, (96, 72))
    found = duplicates.find(as_set(np.concatenate([originals, framed])), None)
    assert len(found.first) == COUNT
    assert (found.second - found.first == COUNT).all()


def test_grey_images_have_duplicates_too():
    originals = detailed()[..., :1]
    found = duplicates.find(as_set(np.concatenate([originals, originals[:5, :, ::-1]])), None)
    assert found.first.tolist() == [0, 1, 2, 3, 4]
    assert found.mirrored.all()


def test_neighbours_by_the_encoder_are_compared_though_they_look_less_alike():
    originals = detailed()
    neighbors = (np.arange(COUNT)[:, None] + [1]) % COUNT
    assert len(duplicates.find(as_set(originals), neighbors).first) == 0


def test_images_without_structure_are_no_near_duplicates():
    plain = np.arange(0, 80, 2, dtype=np.uint8)[:, None, None, None]
    found = duplicates.find(as_set(np.broadcast_to(plain, (40, 16, 16, 3))), None)
    assert len(found.first) == 0


def test_one_image_has_no_duplicate():
    assert len(duplicates.find(as_set(detailed()[:1]), None).first) == 0


def test_groups_join_pairs():
    pairs = duplicates.Pairs(np.array([0, 1, 5]), np.array([1, 2, 6]), *[np.zeros(3)] * 7)
    assert duplicates.groups(pairs, 8).tolist() == [0, 0, 0, -1, -1, 1, 1, -1]
