"""Labels by folders, tables and names, of every kind of source, and labels that say nothing."""

import json

import numpy as np
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.errors import DataError
from latentlab.scoring.labels import read_labels, why_unlabelled

KINDS = ("cat", "dog")


def pictures(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)


def classes_of(data):
    """Return the class of each image by its id, "" for none."""
    labels = read_labels(data)
    names = [*labels.class_names, ""]
    return {name: names[n] for name, n in zip(labels.ids.tolist(), labels.labels, strict=True)}


def flat(count=3):
    return [f"{kind}_{i}.png" for kind in KINDS for i in range(count)]


def test_a_table_beside_the_pictures(tmp_path):
    pictures(tmp_path / "images", flat())
    rows = [f"images/{name},{name[:3]}" for name in flat()[:-1]]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    data = DataOptions(data=str(tmp_path))
    assert classes_of(data) == {f"images/{n}": n[:3] for n in flat()[:-1]} | {
        "images/dog_2.png": ""
    }
    assert read_labels(data).origin == (
        "labels by the column label of labels.csv; 1 image has no row there, not scored"
    )


def test_metadata_of_hugging_face_as_lines_of_json(tmp_path):
    pictures(tmp_path / "train", flat())
    rows = [json.dumps({"file_name": n, "label": int(n[0] == "d") * 10 + 1}) for n in flat()]
    (tmp_path / "train" / "metadata.jsonl").write_text("\n".join(rows))
    assert read_labels(DataOptions(data=str(tmp_path))).class_names == ("1", "11")


def test_ids_of_a_contest_without_suffixes_and_its_dummy_answers(tmp_path):
    names = [f"{i:03d}.jpg" for i in range(6)]
    pictures(tmp_path / "train", names)
    pictures(tmp_path / "test", ["900.jpg", "901.jpg"])
    rows = [f"{name[:-4]},{KINDS[i % 2]}" for i, name in enumerate(names)]
    (tmp_path / "train.csv").write_text("\n".join(["id,breed", *rows]))
    (tmp_path / "sample_submission.csv").write_text("id,breed\n900,cat\n901,dog\n")
    found = classes_of(DataOptions(data=str(tmp_path)))
    assert found["train/000.jpg"] == "cat"
    assert found["test/900.jpg"] == ""


def test_names_and_depths(tmp_path):
    pictures(tmp_path, [f"p{i}/{side}/{k}_{i}.png" for i in (1, 2) for side in "lr" for k in KINDS])
    data = str(tmp_path)
    by_name = read_labels(DataOptions(data=data, labels="name:{label}_{}.png"))
    assert by_name.class_names == KINDS
    assert read_labels(DataOptions(data=data, labels="folder:1")).class_names == ("p1", "p2")
    sides = read_labels(DataOptions(data=data))
    assert sides.class_names == ("l", "r")
    assert "l, r below several folders (p1, p2): names that recur" in sides.origin


def test_every_source_takes_a_table_or_none(tmp_path):
    images = np.zeros((6, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "x.npz", x=images, y=np.repeat([0, 1], 3))
    rows = [f"train/{i:05d},{KINDS[i % 2]}" for i in range(5)]
    (tmp_path / "other.csv").write_text("\n".join(["id,label", *rows]))
    npz = str(tmp_path / "x.npz")
    assert read_labels(DataOptions(data=npz)).class_names == ("0", "1")
    assert read_labels(DataOptions(data=npz, labels="none")) is None
    data = DataOptions(data=npz, labels="table:other.csv", held_out=0.0)
    assert classes_of(data)["train/00001"] == "dog"
    data = DataOptions(data="digits", limit=5, labels=f"table:{tmp_path}/other.csv", held_out=0.0)
    assert read_labels(data).class_names == KINDS
    with pytest.raises(DataError, match="names none of the images"):
        (tmp_path / "wrong.csv").write_text("id,label\nx,1\n")
        read_labels(DataOptions(data=npz, labels=f"table:{tmp_path}/wrong.csv"))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["only/0.png", "only/1.png"], "no labels, since all images lie in the one folder only"),
        (["0.png", "1.png"], "no labels, since the images lie in no class folders"),
        (["a/0.png", "b/1.png"], "no labels, since each image lies in a folder of its own"),
        (["val/0.png", "test/1.png", "test/2.png"], "no labels, since the folders test, val are"),
    ],
)
def test_folders_that_say_nothing_are_no_labels(tmp_path, names, reason):
    pictures(tmp_path, names)
    data = DataOptions(data=str(tmp_path))
    assert read_labels(data) is None
    assert why_unlabelled(data).startswith(reason)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([7, 7, 7, 7], "all labels are the same (7)"),
        ([0, 1, 2, 3], "each image has a label of its own"),
        ([-1, -1, -1, -1], "no image has a label"),
    ],
)
def test_arrays_of_labels_that_say_nothing(tmp_path, values, reason):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 8, 8, 3), np.uint8), y=np.array(values))
    data = DataOptions(data=str(tmp_path / "x.npz"))
    assert read_labels(data) is None
    assert why_unlabelled(data) == reason


def test_rows_of_one_picture_that_differ_are_counted(tmp_path):
    pictures(tmp_path, flat())
    rows = [f"{name},{name[:3]}" for name in [*flat(), "cat_0.png"]]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "cat_1.png,dog"]))
    data = DataOptions(data=str(tmp_path))
    assert classes_of(data)["cat_1.png"] == ""
    assert classes_of(data)["cat_0.png"] == "cat"
    assert read_labels(data).origin.endswith("1 image has rows that differ, not scored")
