"""Thumbnails: small WebP files of the whole picture, and their place on a square."""

import io

import numpy as np
import pytest
from helpers.pictures import pictures
from PIL import Image

from latentlab.data.pictures import thumbnails
from latentlab.errors import DataError

PIXELS = pictures(1)[0]


def test_the_longer_side_has_192_pixels_at_most():
    picture = Image.fromarray(PIXELS)
    for size, shape in {
        (400, 300): (144, 192, 3),
        (100, 3000): (192, 6, 3),
        (5000, 2): (1, 192, 3),
        (192, 30): (30, 192, 3),
        (20, 10): (10, 20, 3),
    }.items():
        assert thumbnails.decode(thumbnails.encode(picture.resize(size))).shape == shape


def test_a_thumbnail_looks_like_its_picture():
    picture = Image.fromarray(PIXELS).resize((400, 400), Image.Resampling.BICUBIC)
    thumbnail = thumbnails.encode(picture)
    with Image.open(io.BytesIO(thumbnail)) as opened:
        assert opened.format == "WEBP"
    expected = np.asarray(picture.resize((192, 192), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(thumbnails.decode(thumbnail) - expected).mean() < 4
    assert len(thumbnail) < 12_000


def test_tiny_pictures_lose_nothing():
    for picture in (Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])):
        expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(thumbnails.decode(thumbnails.encode(picture)), expected)


def test_a_square_holds_the_whole_thumbnail():
    thumbnail = thumbnails.encode(Image.fromarray(PIXELS[:16]))
    square = thumbnails.on_square(thumbnail, 32)
    assert (square[:8] == 255).all()
    assert (square[24:] == 255).all()
    np.testing.assert_array_equal(square[8:24], PIXELS[:16])
    dark = thumbnails.on_square(thumbnail, 64, fill=0)
    assert dark.shape == (64, 64, 3)
    assert dark[:16].max() == 0


@pytest.mark.parametrize("content", [b"", b"text", thumbnails.encode(Image.fromarray(PIXELS))[:90]])
def test_damage_is_one_line(content):
    with pytest.raises(DataError, match=f"a thumbnail of {len(content)} bytes is damaged"):
        thumbnails.decode(content)
