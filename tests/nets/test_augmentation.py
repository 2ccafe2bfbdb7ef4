"""Augmentation: small, repeatable, and none where none is wanted."""

import numpy as np
from helpers.runs import make_stripes

from latentlab.nets.augmentation import augment


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
