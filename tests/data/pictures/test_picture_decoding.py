"""One decoding for all forms: JPEG at a part of its size, orientation, colours."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.data.pictures import thumbnails
from latentlab.data.pictures.decode import PictureForm, decode
from latentlab.data.pictures.picture_decoding import decode_picture, decode_pixels, draft_scale

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos" / "animals"
ORIENTATION = 0x0112


def gradient(width, height, mode="RGB"):
    """Return a picture that is dark and red at the left, bright and green at the right."""
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(0, 255, height)[:, None, None]
    shape = (height, width, 1)
    parts = [np.broadcast_to(each, shape) for each in (255 - across, across, down)]
    return Image.fromarray(np.concatenate(parts, axis=2).astype(np.uint8)).convert(mode)


def saved(picture, file_format="JPEG", **options):
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


@pytest.mark.parametrize("rule", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_picture_below_the_limit_of_drafts_is_decoded_exactly(rule, mode):
    form = PictureForm(size=64, rule=rule)
    jpeg = saved(gradient(380, 300, mode), quality=90)
    picture = decode_picture(jpeg, form, with_thumbnail=True)
    np.testing.assert_array_equal(picture.pixels, decode(jpeg, form))
    np.testing.assert_array_equal(picture.pixels, decode_pixels(jpeg, form))
    assert (picture.width, picture.height) == (380, 300)


def test_drafts_leave_twice_the_pixels_that_are_needed():
    crop, pad = PictureForm(size=224), PictureForm(size=224, rule="pad")
    assert draft_scale(895, 895, crop) == 1
    assert draft_scale(896, 2000, crop) == 2
    assert draft_scale(4000, 500, crop) == 1
    assert draft_scale(4000, 500, pad) == 8
    assert draft_scale(10_000, 10_000, PictureForm(size=8)) == 8
    assert draft_scale(767, 767, PictureForm(size=8)) == 1  # a thumbnail needs twice 192


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_draft_is_the_same_picture(orientation, options):
    form = PictureForm(size=100, rule="stretch")
    jpeg = saved(gradient(1200, 900), quality=95, exif=turned(orientation), **options)
    picture = decode_picture(jpeg, form, with_thumbnail=True)
    difference = np.abs(picture.pixels.astype(int) - decode(jpeg, form))
    assert difference.max() <= 3
    upright = (900, 1200) if orientation == 6 else (1200, 900)
    assert (picture.width, picture.height) == upright


@pytest.mark.parametrize("size", [(300, 200), (1800, 1200)], ids=["whole", "draft"])
def test_thumbnails_stand_upright(size):
    jpeg = saved(gradient(*size), quality=95, exif=turned(6))  # to be turned clockwise
    thumbnail = decode_picture(jpeg, PictureForm(size=32), with_thumbnail=True).thumbnail
    pixels = thumbnails.decode(thumbnail)
    assert pixels.shape == (192, 128, 3)
    assert pixels[5, 64, 0] > 200 > 50 > pixels[-5, 64, 0]  # red was at the left


def test_grey_comes_first_and_the_thumbnail_keeps_its_colours():
    png = saved(gradient(80, 80), "PNG")
    grey = decode(png, PictureForm(size=40, channels=1))
    picture = decode_picture(png, PictureForm(size=40, grey=True), with_thumbnail=True)
    np.testing.assert_array_equal(picture.pixels, np.repeat(grey, 3, axis=2))
    assert np.ptp(picture.small, axis=2).max() == 0
    assert np.ptp(thumbnails.decode(picture.thumbnail), axis=2).max() > 100
    picture = decode_picture(png, PictureForm(size=40, channels=1, grey=True), False)
    np.testing.assert_array_equal(picture.pixels, grey)
    assert picture.thumbnail is None


def test_what_is_no_picture_has_a_reason():
    form = PictureForm(size=40, max_pixels=100)
    assert decode_picture(None, form, True) == decode_pixels(None, form) == "no picture here"
    assert "raise `max_pixels`" in decode_picture(saved(gradient(20, 20)), form, True)
    assert "801 bytes, more than" in decode_picture(bytes(801), form, True)
    assert "no picture by its content" in decode_picture(b"text", form, True)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="shared/data/photos is not here")
def test_drafts_of_photos_differ_by_about_a_grey_level():
    form = PictureForm(size=96)
    differences = []
    for path in sorted(PHOTOS.glob("*/*.jpg"))[::30]:
        with Image.open(path) as picture:
            jpeg = saved(picture.convert("RGB").resize((1600, 1200), Image.Resampling.BICUBIC))
        draft, full = decode_pixels(jpeg, form), decode(jpeg, form)
        differences.append(np.abs(draft.astype(int) - full).mean())
    assert np.mean(differences) < 1.5
