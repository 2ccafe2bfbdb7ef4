"""The picture pass: shards in order, decoded ahead, resumed, and stopped without a trace."""

import threading
import warnings

import numpy as np
import pytest
from helpers.pictures import pictures
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.images import from_array
from latentlab.data.opening import open_images
from latentlab.data.pictures import thumbnails
from latentlab.errors import DataError

PIXELS = pictures(25)


@pytest.fixture
def images(tmp_path):
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).resize((50 + number, 60)).save(tmp_path / f"{number:02d}.png")
    return open_images(DataOptions(str(tmp_path), size=40), lazy=True)


def test_shards_hold_all_that_a_run_needs(images):
    shards = list(images.pictures(10))
    assert [shard.number for shard in shards] == [0, 1, 2]
    positions = np.concatenate([shard.positions for shard in shards])
    assert positions.tolist() == list(range(25))
    for shard in shards:
        np.testing.assert_array_equal(shard.readable, shard.positions)
        np.testing.assert_array_equal(shard.pixels, images.read(shard.positions))
        assert shard.small.shape == (len(shard.positions), 32, 32, 3)
        assert shard.sizes.tolist() == [[50 + number, 60] for number in shard.positions]
        assert thumbnails.decode(shard.thumbnails[0]).shape == (60, shard.sizes[0, 0], 3)
        assert shard.unreadable == []


def test_the_small_version_is_that_of_a_small_opening(images, tmp_path):
    small = open_images(DataOptions(str(tmp_path), size=32)).read(np.arange(25))
    (shard,) = images.pictures(25)
    np.testing.assert_array_equal(shard.small, small)
    (shard,) = open_images(DataOptions(str(tmp_path), size=128), lazy=True).pictures(25)
    difference = np.abs(shard.small.astype(int) - small)
    assert difference.mean() < 1  # made of the larger square


def test_thumbnails_are_made_where_they_are_wanted(images):
    wanted = np.arange(25) % 2 == 0
    made = [each is not None for shard in images.pictures(10, wanted) for each in shard.thumbnails]
    assert made == wanted.tolist()
    assert all(each is None for shard in images.pictures(10, False) for each in shard.thumbnails)


def test_shards_that_are_there_are_skipped(images, tmp_path):
    (tmp_path / "03.png").unlink()
    (shard,) = images.pictures(10, skip={0, 2})
    assert shard.number == 1
    assert shard.positions.tolist() == list(range(10, 20))
    assert list(images.pictures(10, skip={0, 1, 2})) == []


def test_the_next_shard_alone_is_decoded_ahead(images, monkeypatch):
    asked = []
    entries = images.originals.entries

    def watched(positions):
        asked.append(int(positions[0]))
        return entries(positions)

    monkeypatch.setattr(images.originals, "entries", watched)
    shards = images.pictures(5)
    next(shards)
    threading.Event().wait(0.3)
    assert asked == [0, 5]
    shards.close()


@pytest.mark.parametrize("is_raised", [False, True], ids=["closed", "raised"])
def test_an_early_end_leaves_nothing_behind(images, is_raised):
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    before = set(threading.enumerate())
    shards = images.pictures(4)
    next(shards)
    assert Image.MAX_IMAGE_PIXELS is None
    images.read(np.arange(3))  # a second decoding begins and ends in between
    assert Image.MAX_IMAGE_PIXELS is None
    if is_raised:
        with pytest.raises(ZeroDivisionError):
            shards.throw(ZeroDivisionError)
    else:
        shards.close()
    assert set(threading.enumerate()) == before
    assert limit == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


def test_a_fault_of_the_source_reaches_the_caller(images, monkeypatch):
    def damaged(positions):
        if positions[0] >= 10:
            raise DataError("the file is damaged")
        return type(images.originals).entries(images.originals, positions)

    monkeypatch.setattr(images.originals, "entries", damaged)
    shards = images.pictures(10)
    assert next(shards).number == 0
    with pytest.raises(DataError, match="the file is damaged"):
        next(shards)


def test_a_shard_without_a_readable_picture_is_empty(images, tmp_path):
    for path in tmp_path.glob("0*.png"):
        path.write_bytes(b"")
    first, *_ = images.pictures(10)
    assert len(first.unreadable) == 10
    assert first.readable.shape == (0,)
    assert first.pixels.shape == (0, 40, 40, 3)
    assert first.small.shape == (0, 32, 32, 3)
    assert first.sizes.shape == (0, 2)


def test_arrays_have_thumbnails_at_their_own_size(tmp_path):
    splits = np.array(["train"] * 25)
    (shard,) = from_array("arrays", PIXELS, splits).pictures(30)
    np.testing.assert_array_equal(shard.pixels, PIXELS)
    np.testing.assert_array_equal(shard.small, PIXELS)
    np.testing.assert_array_equal(thumbnails.decode(shard.thumbnails[4]), PIXELS[4])
    np.savez(tmp_path / "x.npz", images=PIXELS[..., 0])
    images = open_images(DataOptions(str(tmp_path / "x.npz"), size=64, channels=3), lazy=True)
    (shard,) = images.pictures(30)
    assert shard.pixels.shape == (25, 64, 64, 3)
    assert shard.sizes.tolist() == [[32, 32]] * 25
    grey = np.repeat(PIXELS[0, ..., :1], 3, axis=2)
    np.testing.assert_array_equal(thumbnails.decode(shard.thumbnails[0]), grey)
    with pytest.raises(DataError, match="not square"):
        from_array("wide", PIXELS[:, :16], splits).pictures(5)
