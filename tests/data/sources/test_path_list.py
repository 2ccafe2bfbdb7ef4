"""Text files with one path a line."""

import os

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
    write_files,
)

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import DataError

PATHS = list(of_classes("imgs/{kind}/{number}.png"))


@pytest.fixture
def folder(tmp_path):
    return write_files(tmp_path, of_classes("imgs/{kind}/{number}.png"))


def write_list(folder, text, name="list.txt", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("list.txt", "\n".join(PATHS), "utf-8"),
        ("list", "# from a camera\n\n" + "\n".join(PATHS) + "\n", "utf-8-sig"),
        ("list.lst", "\r\n".join(PATHS), "utf-16"),
        ("list.txt", "\n".join(path.replace("/", "\\") for path in PATHS), "utf-8"),
        ("list.txt", "\n".join(f"./{path}" for path in PATHS), "utf-8"),
    ],
)
def test_paths_below_the_list(folder, name, text, encoding):
    images, labels = open_all(write_list(folder, text, name, encoding))
    assert images.ids.tolist() == PATHS
    np.testing.assert_array_equal(images.read(np.arange(6))[3], pixels_of(3))
    assert classes_of(labels)["imgs/dog/0.png"] == "dog"


def test_absolute_paths_below_the_list_have_the_same_ids(folder):
    images, _ = open_all(write_list(folder, "\n".join(str(folder / path) for path in PATHS)))
    assert images.ids.tolist() == PATHS


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_a_label_may_stand_after_the_path(folder, separator):
    lines = [f"{path}{separator}{number % 3}" for number, path in enumerate(PATHS)]
    _, labels = open_all(write_list(folder, "\n".join(lines)))
    assert labels.class_names == ("0", "1", "2")
    assert labels.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_every_other_line_is_counted(folder):
    write_files(folder, {"stack.tif": stack(3), "notes.md": b"text"})
    further = ["imgs/none.png", "imgs", PATHS[0], "https://example.org/1.jpg", "notes.md"]
    images, _ = open_all(write_list(folder, "\n".join([*PATHS, *further, "stack.tif"])))
    assert images.ids.tolist() == [*PATHS, "stack.tif#1", "stack.tif#2", "stack.tif#3"]
    assert reasons(images) == {
        "addresses of the network": 1,
        "files that do not exist": 1,
        "folders": 1,
        "listed twice": 1,
        "text files": 1,
    }


def test_paths_that_lead_out_need_to_be_allowed(folder, monkeypatch):
    (folder / "lists").mkdir()
    os.symlink(folder / PATHS[1], folder / "lists" / "link.png")
    lines = [str(folder / PATHS[0]), "../" + PATHS[2], "link.png"]
    path = write_list(folder / "lists", "\n".join(lines))
    with pytest.raises(DataError, match="3 paths lead out of its folder .* add `follow_links`"):
        open_all(path)
    assert len(open_all(path, follow_links=True)[0]) == 3
    monkeypatch.chdir(folder)
    assert len(open_all(path)[0]) == 3


def test_relative_paths_may_belong_to_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "lists").mkdir()
    images, _ = open_all(write_list(folder / "lists", "\n".join(PATHS)))
    assert images.ids.tolist() == PATHS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://a.org/1.jpg\nhttps://a.org/2.jpg", "addresses of the network, such as https"),
        ("a.png\nb.png", "2 of the 2 paths that it names do not exist; the first, a.png, was"),
        ("Some words.\nMore words.", "no file is found for its first line, 'Some words.'"),
        ("# nothing\n\n", "list.txt is empty"),
        ("", "list.txt is empty"),
        ("a.png\0", "is no text"),
        ("x" * 70_000, "a line of over 65536 characters|a line of more than 65536"),
    ],
)
def test_bad_lists_are_one_line(tmp_path, text, problem):
    path = write_list(tmp_path, text)
    with pytest.raises(DataError, match=problem) as caught:
        opening.open_images(DataOptions(data=str(path)))
    assert "\n" not in str(caught.value)


def test_one_picture_is_one_image(tmp_path):
    write_files(tmp_path, {"cat.jpg": picture(1, "jpeg"), "scan": stack(2)})
    assert open_all(tmp_path / "cat.jpg")[0].ids.tolist() == ["cat.jpg"]
    assert open_all(tmp_path / "scan")[0].ids.tolist() == ["scan#1", "scan#2"]
