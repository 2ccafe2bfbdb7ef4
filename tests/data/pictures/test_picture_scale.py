"""The scale that is found for folders of pictures."""

import io

import numpy as np
import pytest
from helpers.deep_files import save, write_png16, write_set, write_tiff
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.pictures import picture_scale
from latentlab.errors import ConfigError


def opened(folder, **more):
    return opening.open_images(DataOptions(data=str(folder), held_out=0, **more))


def contrast(images):
    """Return how far the grey levels of a set reach, of 255, but for the last percent."""
    levels = images.read(np.arange(len(images)))
    low, high = np.percentile(levels, (1, 99))
    return high - low


CASES = {
    "dim": (lambda x: (130 + x / 255 * 120).astype(np.uint16), save, ".tif", "16-bit"),
    "twelve bits": (lambda x: x.astype(np.uint16) * 16, save, ".tif", "16-bit"),
    "ten bits in PNG": (lambda x: x.astype(np.uint16) * 4, write_png16, ".png", "16-bit"),
    "colours": (
        lambda x: np.dstack([x, x // 2, x]).astype(np.uint16) * 3 + 100,
        write_png16,
        ".png",
        "16-bit",
    ),
    "big-endian": (
        lambda x: x.astype(np.uint16) * 2 + 100,
        lambda path, numbers: write_tiff(path, numbers, ">"),
        ".tif",
        "16-bit",
    ),
    "signed": (lambda x: x.astype(np.int16) - 900, write_tiff, ".tif", "signed"),
    "float": (lambda x: x.astype(np.float32) / 7 - 20, write_tiff, ".tif", "floating-point"),
    "dim float": (lambda x: x.astype(np.float32) / 65535, write_tiff, ".tif", "floating-point"),
    "masks": (lambda x: (x < 200).astype(np.uint8), save, ".png", "8-bit"),
    "masks of classes": (lambda x: x // 64, save, ".bmp", "8-bit"),
    "masks in colour": (lambda x: np.dstack([x // 128] * 3), save, ".png", "8-bit"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_set_has_the_range_of_its_own_numbers(name, tmp_path):
    numbers_of, write, suffix, kind = CASES[name]
    write_set(tmp_path / "set", 3, numbers_of, write, suffix)
    images = opened(tmp_path / "set")
    assert f"of {kind} pictures became 0 to 255" in images.intake.scale
    assert "12 images" in images.intake.scale
    assert contrast(images) > 200
    lazy = opening.open_images(DataOptions(data=str(tmp_path / "set"), held_out=0), lazy=True)
    assert lazy.value_range == images.value_range
    np.testing.assert_array_equal(lazy.read(np.arange(12)), images.read(np.arange(12)))


def test_ordinary_pictures_have_no_range(tmp_path):
    write_set(tmp_path / "set", 2, lambda x: x, save, ".png")
    images = opened(tmp_path / "set")
    assert (images.value_range, images.intake.scale) == (None, "")


def test_no_jpeg_is_decoded_for_a_range(tmp_path, monkeypatch):
    decoded = []
    real = picture_scale.opened_deep
    monkeypatch.setattr(
        picture_scale, "opened_deep", lambda *args: decoded.append(args) or real(*args)
    )
    write_set(tmp_path / "jpeg", 3, lambda x: x // 16, save, ".jpg")
    assert opened(tmp_path / "jpeg").value_range is None
    assert not decoded
    write_set(tmp_path / "png", 30, lambda x: x, save, ".png")
    opened(tmp_path / "png")
    assert len(decoded) == 1  # the first is brighter than a mask


def test_equal_numbers_are_equal_pixels_whatever_the_file(tmp_path):
    """The same numbers as 16 bits of either byte order, as PNG and, alone, as 8 bits."""
    grey = np.arange(130, 194, dtype=np.uint16).reshape(8, 8)
    write_png16(tmp_path / "a.png", grey)
    write_tiff(tmp_path / "b.tif", grey)
    write_tiff(tmp_path / "c.tif", grey, ">")
    save(tmp_path / "d.png", grey.astype(np.uint8))
    images = opened(tmp_path, size=8, grey=True)
    pixels = images.read(np.arange(4))
    for other in pixels[1:]:
        np.testing.assert_array_equal(other, pixels[0])


def test_an_eight_bit_picture_among_deep_ones_does_not_become_black(tmp_path):
    write_set(tmp_path / "set", 3, lambda x: x.astype(np.uint16) * 100, save, ".tif")
    photo = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    save(tmp_path / "set" / "photo.jpg", photo)
    images = opened(tmp_path / "set")
    place = images.ids.tolist().index("photo.jpg")
    assert images.read(np.array([place])).mean() > 100


def test_the_range_that_is_given_wins_and_wrong_text_is_refused(tmp_path):
    write_set(tmp_path / "set", 2, lambda x: x.astype(np.uint16) * 16, save, ".tif")
    images = opened(tmp_path / "set", value_range="0,4095")
    assert images.value_range == "0,4095"
    assert "0 to 4095 become 0 to 255" in images.intake.scale
    dark = opened(tmp_path / "set", value_range="full")
    assert dark.read(np.arange(8)).max() < 17
    with pytest.raises(ConfigError, match="a range is two numbers"):
        opened(tmp_path / "set", value_range="all")


def test_pictures_in_a_table_have_one_scale_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for level in range(40):
        stream = io.BytesIO()
        Image.fromarray(np.full((8, 8), 100 + level, np.uint16)).save(stream, "PNG")
        rows.append({"bytes": stream.getvalue(), "path": None})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), tmp_path / "x.parquet")
    images = opened(tmp_path / "x.parquet")
    assert images.value_range == "100,139"
    assert images.read(np.array([0, 39])).ravel()[[0, -1]].tolist() == [0, 255]
