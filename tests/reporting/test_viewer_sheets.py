"""Sheets of many pictures: their form, what may be asked for, and what the server answers."""

import dataclasses
import io
import json

import numpy as np
import pytest
from helpers.viewing import ask, serving
from PIL import Image

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError
from latentlab.reporting import viewer_sheets
from latentlab.reporting.viewer_pictures import PictureReader
from latentlab.reporting.viewer_sheets import parse_sheet_request, to_sheet


def tiles_of(sheet, count):
    """The tiles of a sheet as the page's script cuts them."""
    pitch, columns, *shapes = np.frombuffer(sheet, "<u2", 2 + 2 * count).astype(int).tolist()
    content = sheet[4 + 4 * count :]
    if pitch > 64:
        pixels = np.asarray(Image.open(io.BytesIO(content)))
    else:
        pixels = np.frombuffer(content, np.uint8).reshape(-1, columns * pitch, 4)
        assert (pixels[..., 3] == 255).all()
        pixels = pixels[..., :3]
    tiles = []
    for number in range(count):
        width, height = shapes[2 * number : 2 * number + 2]
        top, left = number // columns * pitch, number % columns * pitch
        tiles.append(pixels[top : top + height, left : left + width])
    return tiles


@pytest.fixture(scope="module")
def server(run_with_map):
    """Serve the run with a map; nothing here edits."""
    with serving(pipeline.viewer(run_with_map, sample=100)) as server:
        yield server


@pytest.fixture
def photos(tmp_path):
    """Six red photos, and how they were opened; the file of the third is damaged since."""
    for number in range(6):
        Image.new("RGB", (100, 60), (40 * number, 0, 0)).save(tmp_path / f"{number}.png")
    data = DataOptions(data=str(tmp_path), size=8)
    images = opening.open_images(data)
    (tmp_path / "2.png").write_bytes(b"damaged")
    return images, data


# What may be asked for

BAD = [
    *("", "[]", "7", "{", "null", '{"side": 96}', '{"positions": [1]}', "[" * 5000),
    *('{"side": 96, "positions": 7}', '{"side": 96, "positions": {}}'),
    *('{"side": 96, "positions": []}', '{"side": 96, "positions": ["7"]}'),
    *('{"side": 96, "positions": [-1]}', '{"side": 96, "positions": [1.5]}'),
    *('{"side": 96, "positions": [true]}', '{"side": 96, "positions": [1e400]}'),
    *('{"side": 15, "positions": [1]}', '{"side": 513, "positions": [1]}'),
    *('{"side": true, "positions": [1]}', '{"side": "96", "positions": [1]}'),
    json.dumps({"side": 96, "positions": [10**12]}),
    json.dumps({"side": 96, "positions": [0] * 513}),
    json.dumps({"side": 96, "positions": [0], "more": "x" * 8192}),
]


@pytest.mark.parametrize("body", BAD)
def test_other_requests_are_refused_in_one_line(body):
    with pytest.raises(ConfigError, match="^a sheet "):
        parse_sheet_request(body.encode())


@pytest.mark.parametrize(("side", "most"), [(96, 256), (192, 64), (512, 9)])
def test_large_pictures_are_asked_for_a_few_at_a_time(photos, side, most):
    reader = PictureReader(*photos)
    with pytest.raises(ConfigError, match=f"of {side} pixels has at most {most} of them"):
        reader.sheet([0] * (most + 1), side)
    viewer_sheets.check_pixels(most, side)


# The form


def test_small_pictures_keep_every_pixel_and_their_shapes():
    rng = np.random.default_rng(0)
    shapes = [(32, 32, 3), (20, 32, 3), (32, 1, 1), (64, 8, 3), (5, 5, 1)]
    pictures = [rng.integers(0, 255, shape, np.uint8) for shape in shapes]
    sheet = to_sheet([*pictures[:2], None, *pictures[2:]])
    tiles = tiles_of(sheet, 6)
    assert tiles.pop(2).size == 0
    for tile, picture in zip(tiles, pictures, strict=True):
        np.testing.assert_array_equal(tile, np.broadcast_to(picture, tile.shape))


def test_larger_pictures_are_a_jpeg_in_which_none_runs_into_another():
    colours = np.array([[250, 10, 10], [10, 10, 250], [10, 250, 10]], np.uint8)
    pictures = [np.tile(colour, (90, 67 + 9 * place, 1)) for place, colour in enumerate(colours)]
    sheet = to_sheet(pictures)
    assert sheet[4 + 12 : 4 + 14] == b"\xff\xd8"
    for tile, picture in zip(tiles_of(sheet, 3), pictures, strict=True):
        assert np.abs(tile.astype(int) - picture).max() < 8


def test_a_sheet_of_pictures_that_cannot_be_read_is_a_sheet():
    assert [tile.size for tile in tiles_of(to_sheet([None, None]), 2)] == [0, 0]


# The server


def test_the_page_gets_the_images_that_it_asks_for(server, run_with_map):
    positions = [7, 0, 99, 7]
    status, headers, body = ask(server, "sheet", "POST", {"side": 96, "positions": positions})
    assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
    assert headers["Cache-Control"] == "no-store"
    pixels = pipeline.open_run_images(run_with_map).read(np.array(positions))
    for tile, image in zip(tiles_of(body, 4), pixels, strict=True):
        np.testing.assert_array_equal(tile, np.broadcast_to(image, tile.shape))


def test_images_that_are_larger_are_made_smaller(server):
    body = ask(server, "sheet", "POST", {"side": 16, "positions": [3, 4]})[2]
    assert [max(tile.shape[:2]) for tile in tiles_of(body, 2)] == [16, 16]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"side": 96, "positions": [0] * 513}, 400),
        ({"side": 96, "positions": ["../run.json"]}, 400),
        ({"side": 96, "positions": [7, 10**9]}, 404),
        (None, 400),
    ],
)
def test_what_the_server_refuses(server, body, status):
    answered, _, text = ask(server, "sheet", "POST", body)
    assert answered == status
    assert json.loads(text)["error"]


def test_strangers_and_other_methods_get_nothing(server):
    body = {"side": 96, "positions": [7]}
    assert ask(server, "sheet", "POST", body, Cookie=None)[0] == 403
    assert ask(server, "sheet", "POST", body, Origin="http://evil.example")[0] == 403
    assert ask(server, "sheet", "POST", body, Content_Type="text/plain")[0] == 403
    assert ask(server, "sheet")[0] == 405
    assert ask(server, "sheet/7", "POST", body)[0] == 405


@pytest.mark.parametrize(("side", "shape"), [(96, (58, 96, 3)), (256, (60, 100, 3))])
def test_photos_are_made_of_their_files_and_a_damaged_one_is_as_the_run_has_it(photos, side, shape):
    tiles = tiles_of(PictureReader(*photos).sheet([1, 2, 5], side), 3)
    assert [tile.shape for tile in tiles] == [shape, (8, 8, 3), shape]
    for tile, red in zip(tiles, (40, 80, 200), strict=True):
        assert abs(tile.mean(axis=(0, 1)) - (red, 0, 0)).max() < 6


def test_a_picture_that_cannot_be_read_costs_no_other(photos):
    images, data = photos

    def read(positions):
        if 2 in positions:
            raise DataError("image 2 is gone.")
        return images.read(positions)

    reader = PictureReader(dataclasses.replace(images, read=read), data)
    for side in (96, 256):
        tiles = tiles_of(reader.sheet([1, 2, 5], side), 3)
        assert [tile.size > 0 for tile in tiles] == [True, False, True]
    assert reader.sheet([1, 6], 96) is None
