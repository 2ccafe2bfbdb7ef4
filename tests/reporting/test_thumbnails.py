"""The atlas of thumbnails: places, colours, budget."""

import base64
import io

import numpy as np
from PIL import Image

from latentlab.reporting import thumbnails


def test_atlas_holds_each_image_in_its_place():
    colours = np.array(
        [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]], np.uint8
    )
    images = np.broadcast_to(colours[:, None, None], (5, 48, 24, 3))
    made = thumbnails.build_atlas(5, lambda rows: images[rows])
    assert (made.side, made.columns, made.place.tolist()) == (32, 3, [0, 1, 2, 3, 4])
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.sheets[0]))))
    assert sheet.shape == (64, 96, 3)
    for place, colour in enumerate(colours):
        top, left = place // 3 * 32 + 16, place % 3 * 32 + 8
        assert np.abs(sheet[top, left].astype(int) - colour).max() < 40


def test_atlas_keeps_the_budget_by_smaller_thumbnails_then_by_a_sample():
    noise = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    sides = {
        budget: thumbnails.build_atlas(300, lambda rows: noise[rows], budget=budget)
        for budget in (10**9, 60_000, 20_000)
    }
    assert [one.side for one in sides.values()] == [32, 20, 16]
    assert [(one.place >= 0).sum() == 300 for one in sides.values()] == [True, True, False]
    for budget, one in sides.items():
        assert sum(len(base64.b64decode(sheet)) for sheet in one.sheets) < 1.15 * budget
    assert "drawn at random" in sides[20_000].note


def test_large_images_have_large_tiles_that_keep_their_budget():
    noise = np.random.default_rng(0).integers(0, 256, (4, 100, 80, 3), dtype=np.uint8)
    assert thumbnails.tile_side(10, noise) == 96
    assert thumbnails.tile_side(1_000, noise) < 96
    assert thumbnails.tile_side(100_000, noise) == 32
    assert thumbnails.tile_side(10, noise[:, :32, :32]) == thumbnails.THUMBNAIL_SIDE
    assert thumbnails.build_atlas(4, lambda rows: noise[rows]).side == 96


def test_progress_counts_images_and_no_more_than_there_are(monkeypatch):
    monkeypatch.setattr(thumbnails, "PER_SHEET", 4)
    pictures = np.zeros((10, 8, 8, 3), np.uint8)
    counts = []
    thumbnails.build_atlas(10, lambda rows: pictures[rows], tick=counts.append)
    assert counts == [4, 8, 10]
