"""JPEG files that hold further pictures, and animations whose name does not say so."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data.opening import open_images
from latentlab.data.pictures.jpeg_views import count_views, lists_views

RNG = np.random.default_rng(0)


def pictures(count):
    return [Image.fromarray(RNG.integers(0, 250, (20, 30, 3), np.uint8)) for _ in range(count)]


def saved(file_format, count=1, **settings):
    first, *others = pictures(count)
    buffer = io.BytesIO()
    if others:
        settings |= {"save_all": True, "append_images": others}
    first.save(buffer, file_format, **settings)
    return buffer.getvalue()


def long_exif():
    exif = Image.Exif()
    exif[0x010E] = "x" * 30_000  # a description: the list of pictures comes after it
    return exif


def test_further_views_are_counted_without_decoding():
    content = saved("MPO", 3)
    assert lists_views(io.BytesIO(content))
    assert count_views(io.BytesIO(content)) == 3


@pytest.mark.parametrize("settings", [{}, {"exif": long_exif()}, {"comment": "MPF\0"}])
def test_a_plain_jpeg_lists_no_views(settings):
    assert not lists_views(io.BytesIO(saved("JPEG", **settings)))


@pytest.mark.parametrize("length", [0, 2, 3, 7, 20])
def test_a_jpeg_that_is_cut_short_lists_no_views(length):
    assert not lists_views(io.BytesIO(saved("JPEG")[:length]))


def left_out(path):
    return {
        entry.reason: entry.count
        for entry in open_images(DataOptions(data=str(path))).intake.passed_over
    }


@pytest.mark.parametrize("settings", [{}, {"exif": long_exif()}])
def test_views_in_a_folder_are_in_the_account(tmp_path, settings):
    (tmp_path / "stereo.jpg").write_bytes(saved("MPO", 2, **settings))
    (tmp_path / "plain.jpg").write_bytes(saved("JPEG", **settings))
    images = open_images(DataOptions(data=str(tmp_path)))
    assert list(images.ids) == ["plain.jpg", "stereo.jpg"]
    assert left_out(tmp_path) == {"further views in JPEG files": 1}


def as_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def as_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(("name", "write"), [("a.zip", as_zip), ("a.tar.gz", as_tar)])
def test_frames_and_views_in_archives_are_read_or_counted(tmp_path, name, write):
    files = {
        "moving.png": saved("PNG", 3),
        "still.png": saved("PNG"),
        "stereo.jpg": saved("MPO", 2),
        "plain.jpg": saved("JPEG"),
        "damaged.jpg": b"no picture at all",
    }
    write(tmp_path / name, files)
    images = open_images(DataOptions(data=str(tmp_path / name)))
    frames = ["moving.png#1", "moving.png#2", "moving.png#3"]
    assert sorted(images.ids) == [*frames, "plain.jpg", "stereo.jpg", "still.png"]
    assert [picture.path for picture in images.unreadable] == ["damaged.jpg"]
    assert left_out(tmp_path / name) == {"further views in JPEG files": 1}
