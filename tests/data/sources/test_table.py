"""Tables with a column of paths."""

import json

import numpy as np
import pytest
from helpers.collections import classes_of, of_classes, open_all, pixels_of, reasons, write_files

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError

PATHS = list(of_classes("images/{kind}{number}.png"))
KINDS = [path[7:10] for path in PATHS]
ROWS = list(zip(PATHS, KINDS, strict=True))


@pytest.fixture
def folder(tmp_path):
    return write_files(tmp_path, of_classes("images/{kind}{number}.png"))


def records():
    return [{"file_name": path, "label": kind, "box": [1, 2]} for path, kind in ROWS]


def delimited(names, mark=",", last=""):
    lines = [mark.join(row) for row in ROWS]
    return "\n".join([mark.join(names), *lines]) + last if names else "\n".join(lines) + last


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", delimited(["file_name", "label"])),
        ("labels.csv", delimited(["Bild", "Species"], ";", "\n\n")),
        ("labels.csv", "\ufeff" + delimited(["path", "class"])),
        ("labels.csv", delimited([])),  # without names
        ("labels.tsv", delimited(["image", "target"], "\t")),
        ("labels", delimited(["image", "target"], "\t")),
        ("labels.jsonl", "\n".join(map(json.dumps, records()))),
        ("labels.json", json.dumps(records())),
        ("labels.json", json.dumps({"images": records()})),
        ("labels.csv", delimited(["file_name", "label"]).replace("images/", "")),
    ],
)
def test_paths_and_labels(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    images, labels = open_all(folder / name)
    np.testing.assert_array_equal(images.read(np.arange(6))[4], pixels_of(4))
    assert list(classes_of(labels).values()) == KINDS
    assert labels.ids.tolist() == images.ids.tolist()


def test_a_column_of_splits(folder):
    lines = [f"{path},{kind},{'train' if kind == 'cat' else 'Val'}" for path, kind in ROWS]
    (folder / "a.csv").write_text("\n".join(["path,label,split", *lines]))
    images, _ = open_all(folder / "a.csv")
    assert images.splits.tolist() == ["train"] * 3 + ["test"] * 3
    assert "split by the column split" in images.intake.text


def test_rows_without_a_picture_are_counted(folder):
    lines = [*(",".join(row) for row in ROWS), ",cat", "images/none.png,cat", "images/cat0.png,dog"]
    (folder / "a.csv").write_text("\n".join(["path,label", *lines]))
    images, labels = open_all(folder / "a.csv")
    assert len(images) == len(labels.ids) == 6
    assert reasons(images) == {
        "files that do not exist": 1,
        "listed twice": 1,
        "rows without a path": 1,
    }


def test_columns_can_be_named_and_are_asked_about(folder):
    text = "left,right\n" + "\n".join(f"{path},{path}" for path in PATHS)
    (folder / "a.csv").write_text(text)
    with pytest.raises(DataError, match="several columns of paths .left, right.: say which with"):
        open_all(folder / "a.csv")
    images, _ = open_all(folder / "a.csv", image_column="right")
    assert len(images) == 6
    with pytest.raises(ConfigError, match="`image_column=no`: .* it has left, right"):
        open_all(folder / "a.csv", image_column="no")
    with pytest.raises(ConfigError, match="`label_column=no`: .* it has left"):
        open_all(folder / "a.csv", image_column="right", label_column="no")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"", "a.csv is an empty file"),
        ("a.csv", b"path,label\n", "has no rows"),
        ("a.csv", b"a,b\n1,2\n", "no column of paths of pictures; its columns are a, b"),
        ("a.csv", b'path\n"' + b"x" * 200_000, "line 2: field larger than field limit"),
        ("a.csv", b"url,y\nhttp://a.org/1.jpg,1\n", "addresses of the network"),
        ("a.csv", b"path\na\0b.png\n", r"1 of the 1 paths|no file can have"),
        ("a.csv", b"path\na\nb.png\n\xff\xfe.png\n", "3 of the 3 paths"),
        ("a.json", b"[1, 2]", "no list of records"),
        ("a.json", b"{", "it is no JSON"),
        ("a.jsonl", b'{"path": "a.png"}\n{"pa', "line 2: it is no JSON"),
        ("a.jsonl", b'{"path": "a.png"}\n[1]\n', "line 2: it is no record"),
        ("a.json", b"[" * 100_000, "no JSON|no list"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        opening.open_images(DataOptions(data=str(tmp_path / name)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_a_million_columns_are_refused(tmp_path):
    names = ",".join(f"c{number}" for number in range(1_000_000))
    (tmp_path / "wide.csv").write_text(f"{names}\n1,2\n")
    with pytest.raises(DataError, match="has 1,000,000 columns, more than the 10,000"):
        opening.open_images(DataOptions(data=str(tmp_path / "wide.csv")))
