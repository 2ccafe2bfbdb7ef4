"""Zip archives of pictures, read in place."""

import threading
import zipfile

import numpy as np
import pytest
from helpers.collections import (
    classes_of,
    of_classes,
    open_all,
    picture,
    pixels_of,
    reasons,
    stack,
    write_zip,
)

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.formats.containers import ContainerLimits, MemberPictures, sort_members
from latentlab.data.formats.zip_files import open_zip
from latentlab.errors import DataError


def test_folders_in_an_archive_are_classes_whatever_its_name(tmp_path):
    path = write_zip(tmp_path / "download.bin", of_classes("photos/{kind}/{number}.png"))
    images, labels = open_all(path)
    assert images.ids.tolist()[0] == "photos/cat/0.png"
    np.testing.assert_array_equal(images.read(np.arange(6))[4], pixels_of(4))
    assert classes_of(labels)["photos/dog/1.png"] == "dog"
    assert np.count_nonzero(images.splits == "test") == 1


def test_split_folders_below_a_wrapper(tmp_path):
    members = of_classes("set/train/{kind}/{number}.png") | of_classes(
        "set/val/{kind}/{number}.png"
    )
    images, labels = open_all(write_zip(tmp_path / "a.zip", members))
    assert images.splits.tolist() == ["train"] * 6 + ["test"] * 6
    assert labels.class_names == ("cat", "dog")
    assert "val (6) held out" in images.intake.text


def test_what_is_no_picture_is_counted_by_its_kind(tmp_path):
    others = {
        "__MACOSX/._a.png": b"x",
        "a/.DS_Store": b"x",
        "a/table.csv": b"a,b\n1,2\n",
        "a/clip.mov": b"\0\0\0\x14ftypqt  " + bytes(50),
        "a/0f3a": picture(9, "jpeg"),
    }
    images, _ = open_all(write_zip(tmp_path / "a.zip", of_classes("a/{kind}{number}.png") | others))
    assert len(images) == 7  # one of them has no ending
    assert reasons(images) == {"files of the system": 1, "hidden": 1, "tables": 1, "videos": 1}


def test_names_that_lead_out_are_names_only(tmp_path):
    members = {"../../evil.png": picture(0), "/root.png": picture(1), "c:\\x\\y.png": picture(2)}
    images, _ = open_all(write_zip(tmp_path / "a.zip", members))
    assert images.ids.tolist() == ["evil.png", "root.png", "c:/x/y.png"]


def test_pages_of_a_member_are_images(tmp_path):
    images, _ = open_all(write_zip(tmp_path / "a.zip", {"s.tif": stack(3), "t.png": picture(7)}))
    assert images.ids.tolist() == ["s.tif#1", "s.tif#2", "s.tif#3", "t.png"]
    np.testing.assert_array_equal(images.read(np.array([2]))[0], pixels_of(2))


def test_a_damaged_member_is_one_image_less(tmp_path):
    path = write_zip(tmp_path / "a.zip", of_classes("{kind}{number}.png"))
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)
    path.write_bytes(content)
    images, _ = open_all(path)
    assert [(bad.path, bad.reason) for bad in images.unreadable] == [
        ("cat0.png", "damaged in its archive")
    ]


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def empty(path):
    path.write_bytes(b"")


def without_pictures(path):
    write_zip(path, {"a.txt": b"text"})


def encrypted(path):
    content = path.read_bytes()
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = content.split(mark)
        parts[1:] = [part[: flags - 4] + b"\x01\x00" + part[flags - 2 :] for part in parts[1:]]
        content = mark.join(parts)
    path.write_bytes(content)


def bomb(path):
    write_zip(
        path,
        {f"{number}.png": bytes(3 << 20) for number in range(3)},
        compression=zipfile.ZIP_DEFLATED,
    )


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (cut, "cannot read the archive .*a.zip: .* fetch it again"),
        (empty, "a.zip is an empty file"),
        (without_pictures, "a.zip holds no pictures. Passed over: 1 text file"),
        (encrypted, "a.zip is encrypted: unpack it"),
        (bomb, "a.zip is refused: it unpacks to 9437184 bytes, more than .* raise `max_bytes`"),
    ],
)
def test_bad_archives_are_one_line(tmp_path, spoil, text):
    path = write_zip(tmp_path / "a.zip", of_classes("{kind}{number}.png"))
    spoil(path)
    with pytest.raises(DataError, match=text) as caught:
        opening.open_images(DataOptions(data=str(path), max_bytes=1 << 20))
    assert "\n" not in str(caught.value)


def test_threads_read_one_archive_at_once(tmp_path):
    members = {f"{number:02d}.png": picture(number) for number in range(40)}
    limits = ContainerLimits()
    listed = sort_members(open_zip(write_zip(tmp_path / "a.zip", members), limits), limits)
    pictures = MemberPictures(listed.container, listed.pictures)
    wrong = []

    def read(seed):
        for number in np.random.default_rng(seed).permutation(40).tolist():
            if pictures[number] != members[f"{number:02d}.png"]:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_folder_or_pattern_of_archives_is_one_data_set(tmp_path):
    for part in (1, 2):
        write_zip(tmp_path / f"part-{part}.zip", of_classes("{kind}/{number}.png"))
    for path in (tmp_path, tmp_path / "part-{1..2}.zip", tmp_path / "part-*.zip"):
        images, labels = open_all(path)
        assert len(images) == 12
        assert images.ids[0] == "part-1.zip/cat/0.png"
        assert labels.class_names == ("cat", "dog")
