"""Single small pictures."""

import numpy as np

from latentlab.reporting import thumbnails


def test_large_images_have_large_tiles_that_keep_their_budget():
    noise = np.random.default_rng(0).integers(0, 256, (4, 100, 80, 3), dtype=np.uint8)
    assert thumbnails.tile_side(10, noise) == 96
    assert thumbnails.tile_side(1_000, noise) < 96
    assert thumbnails.tile_side(100_000, noise) == 32
    assert thumbnails.tile_side(10, noise[:, :32, :32]) == thumbnails.THUMBNAIL_SIDE
