"""Lazily opened images: the pixels of the eager ones, and a fingerprint of files instead."""

import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.pictures import pictures
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.images import LazyImageSet, with_channels
from latentlab.data.opening import open_images
from latentlab.errors import ConfigError, DataError

PIXELS = pictures(12)


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of several shapes; every third one is a JPEG."""
    root = tmp_path / "photos"
    root.mkdir()
    for number, pixels in enumerate(PIXELS):
        picture = Image.fromarray(pixels).resize((60 + number, 50), Image.Resampling.BICUBIC)
        picture.save(root / f"{number:02d}.{'png' if number % 3 else 'jpg'}")
    return root


def opened(path, lazy=True, known=None, **options):
    return open_images(DataOptions(data=str(path), **({"size": 40} | options)), lazy, known)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resize": "pad"},
        {"resize": "stretch"},
        {"grey": True},
        {"grey": True, "channels": 3},
        {"limit": 2},
        {"held_out": 0.5},
        {"size": None},
    ],
    ids=str,
)
def test_a_folder_has_the_names_and_pixels_of_an_eager_opening(folder, options):
    eager, lazy = opened(folder, lazy=False, **options), opened(folder, **options)
    assert isinstance(lazy, LazyImageSet)
    assert lazy.ids.tolist() == eager.ids.tolist()
    assert lazy.splits.tolist() == eager.splits.tolist()
    assert lazy.image_shape == eager.image_shape
    positions = np.arange(len(eager))[::-1]
    np.testing.assert_array_equal(lazy.read(positions), eager.read(positions))
    assert lazy.read(positions[:0]).shape == (0, *eager.image_shape)
    assert lazy.source(1) == eager.source(1)


def test_nothing_is_decoded_by_opening(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(Image, "open", refuse)
    assert len(opened(folder)) == 12


def test_pixels_of_a_source_are_resized_when_they_are_read(tmp_path):
    np.savez(tmp_path / "x.npz", images=PIXELS)
    eager, lazy = opened(tmp_path / "x.npz", lazy=False), opened(tmp_path / "x.npz")
    assert lazy.image_shape == (40, 40, 3)
    assert lazy.files is None
    assert lazy.source is None
    chosen = np.array([-1, 0, 5])
    np.testing.assert_array_equal(lazy.read(chosen), eager.read(chosen))
    grey = opened(tmp_path / "x.npz", channels=1)
    assert grey.read(chosen).shape == (3, 40, 40, 1)
    assert opened(tmp_path / "x.npz", size=48).fingerprint != lazy.fingerprint
    assert open_images(DataOptions("digits", size=64, limit=2, channels=3), lazy=True).read(
        np.arange(4)
    ).shape == (4, 64, 64, 3)
    with pytest.raises(ConfigError, match="`size` is needed"):
        opened(tmp_path / "x.npz", size=None)


def test_parquet_is_read_in_any_order(tmp_path):
    rows = [io.BytesIO() for _ in PIXELS]
    for row, pixels in zip(rows, PIXELS, strict=True):
        Image.fromarray(pixels).save(row, "PNG")
    content = [row.getvalue() for row in rows]
    content[7] = None
    pq.write_table(pa.table({"image": content}), tmp_path / "x.parquet", row_group_size=5)
    lazy = opened(tmp_path / "x.parquet", size=32)
    positions = np.array([11, 0, 1, 6, 5, 5, 2])
    np.testing.assert_array_equal(lazy.read(positions), PIXELS[positions])
    assert lazy.try_read(np.array([7])) == ["no picture here"]
    read = [shard.pixels for shard in lazy.pictures(4)]
    np.testing.assert_array_equal(np.concatenate(read), np.delete(PIXELS, 7, axis=0))


def test_two_readings_of_one_parquet_file_do_not_move_each_other(tmp_path):
    content = [bytes([number]) for number in range(100)]
    pq.write_table(pa.table({"image": content}), tmp_path / "x.parquet", row_group_size=40)
    originals = opened(tmp_path / "x.parquet").originals
    first, second = originals.entries(np.arange(90)), originals.entries(np.arange(5, 95))
    pairs = list(zip(first, second, strict=True))
    assert pairs == [(bytes([number]), bytes([number + 5])) for number in range(90)]


def test_unreadable_pictures_have_reasons(folder):
    (folder / "02.png").write_text("no picture")
    jpeg = (folder / "03.jpg").read_bytes()
    (folder / "03.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    lazy = opened(folder)
    (folder / "04.png").unlink()  # after it was listed
    read = lazy.try_read(np.arange(6))
    reasons = [each if isinstance(each, str) else "" for each in read]
    assert reasons[0] == reasons[1] == reasons[5] == ""
    assert reasons[2] == "no picture by its content: it is one of text files"
    assert "truncated" in reasons[3]
    assert reasons[4] == "no longer there"
    assert not any(str(folder) in reason for reason in reasons)
    with pytest.raises(DataError, match=r"photos: 02\.png cannot be read: no picture by"):
        lazy.read(np.arange(6))
    unreadable = [each for shard in lazy.pictures(5) for each in shard.unreadable]
    assert [(each.path, each.reason) for each in unreadable] == [
        ("02.png", reasons[2]),
        ("03.jpg", reasons[3]),
        ("04.png", reasons[4]),
    ]


def test_a_subset_keeps_the_fingerprint(folder):
    lazy = opened(folder)
    positions = np.array([7, 2, 3])
    for images in (lazy, opened(folder, lazy=False), with_channels(lazy, 1)):
        some = images.subset(positions)
        assert some.ids.tolist() == images.ids[positions].tolist()
        assert some.fingerprint == images.fingerprint
        assert some.source(0) == images.source(7)
        expected = images.read(positions)
        np.testing.assert_array_equal(some.read(np.arange(3)), expected)
        (shard,) = some.subset(np.array([1, 2])).pictures(8)
        np.testing.assert_array_equal(shard.pixels, expected[1:])
    assert lazy.subset(positions).files.sha256 == [lazy.files.sha256[p] for p in positions]


def test_the_fingerprint_is_that_of_names_form_and_files(folder):
    lazy = opened(folder)
    assert opened(folder).fingerprint == lazy.fingerprint
    for options in ({"size": 41}, {"resize": "pad"}, {"grey": True}, {"held_out": 0.5}):
        assert opened(folder, **options).fingerprint != lazy.fingerprint
    os.utime(folder / "00.jpg", ns=(0, 0))
    assert opened(folder).fingerprint == lazy.fingerprint
    Image.fromarray(PIXELS[1]).save(folder / "00.jpg")
    assert opened(folder).fingerprint != lazy.fingerprint
    (folder / "05.png").unlink()
    (folder / "05.png").mkdir()
    assert len(opened(folder)) == 11  # a folder is no picture


def test_known_files_are_not_read_again(folder):
    before = opened(folder)
    changed = folder / "01.png"
    time = changed.stat().st_mtime_ns
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(time, time))
    # Nothing but its content has changed, which nobody looks at.
    assert opened(folder, known=before.files).fingerprint == before.fingerprint
    assert opened(folder).fingerprint != before.fingerprint
    os.utime(changed, ns=(time + 1, time + 1))
    again = opened(folder, known=before.files)
    assert again.fingerprint == opened(folder).fingerprint != before.fingerprint
    assert again.files.mtime_ns[1] == time + 1
    assert again.files.bytes[1] == len(content)
