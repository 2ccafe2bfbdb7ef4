"""Tar archives of pictures, and the shards of WebDataset."""

import json

import numpy as np
import pytest
from helpers.collections import (
    classes_of,
    of_classes,
    open_all,
    picture,
    pixels_of,
    reasons,
    write_tar,
)

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError


def shard(first, count, side):
    """Return the members of a WebDataset shard; side(number) gives what lies beside a picture."""
    members = {}
    for number in range(first, first + count):
        members[f"{number:06d}.jpg"] = picture(number, "jpeg")
        members |= {f"{number:06d}.{end}": content for end, content in side(number).items()}
    return members


def cls(number):
    return {"cls": str(number % 2).encode(), "txt": b"a caption"}


def as_json(number):
    return {"json": json.dumps({"label": ["cat", "dog"][number % 2], "id": number}).encode()}


@pytest.mark.parametrize(("end", "mode"), [("tar", "w"), ("tgz", "w:gz"), ("txz", "w:xz")])
def test_folders_in_an_archive_are_classes(tmp_path, end, mode):
    path = write_tar(tmp_path / f"photos.{end}", of_classes("./{kind}/{number}.png"), mode)
    images, labels = open_all(path)
    np.testing.assert_array_equal(images.read(np.array([5, 0, 3]))[1], pixels_of(0))
    assert classes_of(labels)["dog/2.png"] == "dog"


def test_reading_backwards_in_a_packed_archive(tmp_path):
    write_tar(tmp_path / "no-ending", of_classes("{kind}/{number}.png"), "w:gz")
    lazy = opening.open_images(DataOptions(data=str(tmp_path / "no-ending"), size=32), lazy=True)
    for position in (5, 0, 4, 1):
        np.testing.assert_array_equal(lazy.read(np.array([position]))[0], pixels_of(position))


@pytest.mark.parametrize(("side", "names"), [(cls, ("0", "1")), (as_json, ("cat", "dog"))])
def test_labels_beside_the_pictures_of_webdataset(tmp_path, side, names):
    images, labels = open_all(write_tar(tmp_path / "shard-000000.tar", shard(0, 6, side)))
    assert labels.class_names == names
    assert labels.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert images.intake.missed == 0
    assert not images.intake.is_loud


def test_shards_by_pattern_and_by_folder(tmp_path):
    for number in range(3):
        write_tar(tmp_path / f"shard-{number:06d}.tar", shard(4 * number, 4, cls))
    by_pattern, labels = open_all(tmp_path / "shard-{000000..000002}.tar")
    by_folder, _ = open_all(tmp_path)
    assert by_pattern.ids.tolist() == by_folder.ids.tolist()
    assert labels.ids.tolist() == by_pattern.ids.tolist()
    with pytest.raises(DataError, match=r"shard-000003\.tar does not exist, one of the files of"):
        open_all(tmp_path / "shard-{000000..000005}.tar")


def test_names_of_shards_are_splits(tmp_path):
    write_tar(tmp_path / "train-0.tar", shard(0, 4, cls))
    write_tar(tmp_path / "val-0.tar", shard(4, 2, cls))
    images, _ = open_all(tmp_path)
    assert images.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert "train (4), val (2); val held out" in images.intake.text


def test_a_key_of_json_can_be_named(tmp_path):
    path = write_tar(tmp_path / "a.tar", shard(0, 4, as_json))
    _, labels = open_all(path, label_column="id")
    assert labels is None  # one for each image
    with pytest.raises(ConfigError, match="`label_column=no`: .* they have label, id"):
        open_all(path, label_column="no")


def test_links_and_older_members_are_counted(tmp_path):
    import tarfile

    path = write_tar(tmp_path / "a.tar", {"a.png": picture(0), "b.png": picture(1)})
    write_tar(path, {"a.png": picture(2)}, "a")
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    images, _ = open_all(path)
    np.testing.assert_array_equal(images.read(np.arange(2))[1], pixels_of(2))
    assert reasons(images) == {"links and devices": 1, "older members of the same name": 1}


@pytest.mark.parametrize(
    ("name", "spoil", "text"),
    [
        ("a.tar", lambda content: content[:5000], "cannot read the archive"),
        ("a.tar", lambda content: content[: len(content) // 2], "cannot read the archive"),
        ("a.tar", lambda content: b"words " * 1000, "cannot read the archive"),
        ("a.tar", lambda content: b"", "is an empty file"),
        ("a.tar", lambda content: b"\x28\xb5\x2f\xfd" + content, "compressed by Zstandard"),
    ],
)
def test_bad_archives_are_one_line(tmp_path, name, spoil, text):
    path = write_tar(tmp_path / name, of_classes("{kind}{number}.png"))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=text) as caught:
        opening.open_images(DataOptions(data=str(path)))
    assert "\n" not in str(caught.value)


def test_a_packed_bomb_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tgz", {"a.png": bytes(4 << 20), "b.png": b"x"}, "w:gz")
    with pytest.raises(DataError, match="refused: it unpacks to more than .* raise `max_bytes`"):
        opening.open_images(DataOptions(data=str(path), max_bytes=1 << 20))


def test_json_without_labels_beside_pictures_is_none(tmp_path):
    path = write_tar(tmp_path / "a.tar", shard(0, 4, lambda _: {"json": b'{"url": "x"}'}))
    images, labels = open_all(path)
    assert labels is None
    assert set(images.splits.tolist()) == {"train"}
