"""Pictures beyond 8 bits are read with all of their bits."""

import numpy as np
import pytest
from helpers.deep_files import write_png16, write_tiff
from PIL import Image

from latentlab.data.pictures.decode import MAX_PIXELS, opened, opened_deep, pillow_limits_off
from latentlab.data.value_range import ValueRange

RNG = np.random.default_rng(0)
GREY = RNG.integers(100, 900, (9, 7)).astype(np.uint16)
COLOURS = RNG.integers(100, 900, (9, 7, 3)).astype(np.uint16)
ALPHA = np.full((9, 7, 1), 65535, np.uint16)


def numbers(path):
    with pillow_limits_off():
        return opened_deep(path, lambda loaded: loaded.numbers(), MAX_PIXELS)


@pytest.mark.parametrize(
    "picture",
    [GREY, COLOURS, np.concatenate([COLOURS, ALPHA], 2)],
    ids=["grey", "colours", "alpha"],
)
@pytest.mark.parametrize("order", ["png", "<", ">"])
def test_sixteen_bits_are_read_whole(picture, order, tmp_path):
    path = tmp_path / "picture"
    write_png16(path, picture) if order == "png" else write_tiff(path, picture, order)
    np.testing.assert_array_equal(numbers(path), picture)


def test_grey_with_alpha_is_read_whole(tmp_path):
    write_png16(tmp_path / "x.png", np.dstack([GREY, ALPHA]))
    np.testing.assert_array_equal(numbers(tmp_path / "x.png")[..., 2], GREY)


@pytest.mark.parametrize(
    "picture",
    [
        GREY.astype(np.int16) - 500,
        GREY.astype(np.int32) - 500,
        (GREY // 10).astype(np.int8) - 50,
        GREY.astype(np.uint32) * 4_000_000,
        GREY.astype(np.float32) / 7,
    ],
    ids=lambda picture: picture.dtype.name,
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_other_types_are_read_as_they_are(picture, order, tmp_path):
    write_tiff(tmp_path / "x.tif", picture, order)
    np.testing.assert_array_equal(numbers(tmp_path / "x.tif"), picture)


@pytest.mark.parametrize(
    "picture",
    [
        GREY.astype(np.float64) / 7,
        GREY.astype(np.float16),
        GREY.astype(np.uint64),
        COLOURS.astype(np.float32) / 7,
        np.dstack([COLOURS, ALPHA]).astype(np.float64),
    ],
    ids=lambda picture: f"{picture.dtype.name} {picture.shape}",
)
@pytest.mark.parametrize(("order", "planar"), [("<", False), (">", False), ("<", True)])
def test_numbers_that_pillow_does_not_know_are_read(picture, order, planar, tmp_path):
    write_tiff(tmp_path / "x.tif", picture, order, planar)
    np.testing.assert_array_equal(numbers(tmp_path / "x.tif"), picture)


def test_colours_of_sixteen_bits_in_planes_are_not_garbled(tmp_path):
    write_tiff(tmp_path / "x.tif", COLOURS, planar=True)
    np.testing.assert_array_equal(numbers(tmp_path / "x.tif"), COLOURS)


def test_tiff_that_cannot_be_read_says_why(tmp_path):
    write_tiff(tmp_path / "x.tif", np.dstack([COLOURS, COLOURS[..., :2]]))
    assert numbers(tmp_path / "x.tif") == "TIFF of 5 channels: save three of them, or one"
    path = tmp_path / "y.tif"
    write_tiff(path, GREY.astype(np.float64))
    path.write_bytes(path.read_bytes()[:150])
    assert numbers(path).startswith("cannot be decoded")
    with pillow_limits_off():
        write_tiff(path, GREY.astype(np.float64))
        assert opened(path, np.asarray, 10).startswith("too large")


def test_a_picture_with_gaps_is_refused(tmp_path):
    gap = GREY.astype(np.float32)
    gap[0, 0] = np.nan
    write_tiff(tmp_path / "x.tif", gap)
    assert opened(tmp_path / "x.tif", np.asarray, MAX_PIXELS) == "numbers that are not finite"


def test_orientation_and_alpha_survive(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(tmp_path / "turned.png", exif=exif)
    ranged = ValueRange(100, 900)
    turned = opened(tmp_path / "turned.png", lambda x: x.getexif()[0x0112], MAX_PIXELS, id, ranged)
    assert turned == 6
    write_png16(tmp_path / "x.png", np.dstack([COLOURS, ALPHA // 2]))
    pixels = opened(tmp_path / "x.png", np.asarray, MAX_PIXELS, id, ranged)
    assert (pixels[..., 3] == 127).all()
    np.testing.assert_array_equal(pixels[..., :3], ranged.to_bytes(COLOURS))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_masks_of_every_mode_are_stretched_but_their_alpha(mode, tmp_path):
    mask = Image.fromarray((GREY % 2).astype(np.uint8))
    if mode == "1":
        mask = Image.fromarray(GREY % 2 == 1)
    mask.convert(mode).save(tmp_path / "x.png")

    def grey(image):
        return np.asarray(image.convert("RGB"))[..., 0]

    pixels = opened(tmp_path / "x.png", grey, MAX_PIXELS, id, ValueRange(0, 1))
    np.testing.assert_array_equal(pixels, GREY % 2 * 255)


def test_pictures_of_eight_bits_keep_their_scale_beside_deeper_ones(tmp_path):
    picture = (GREY // 4).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "x.png")
    pixels = opened(tmp_path / "x.png", np.asarray, MAX_PIXELS, id, ValueRange(0, 4095))
    np.testing.assert_array_equal(pixels, picture)
