"""Splits and classes of pictures with paths: what folders, tables and options say."""

import numpy as np
import pytest

from latentlab.config import DataOptions
from latentlab.data.layouts.arrangement import arrange, draw_text
from latentlab.errors import ConfigError, DataError

KINDS = ("cat", "dog")


def flat(count=5):
    return [f"{kind}_{i}.png" for kind in KINDS for i in range(count)]


def labels_csv(ids, label="label", split=None):
    header = f"file_name,{label}" + (",split" if split else "")
    rows = [
        f"{name},{name.partition('_')[0]}" + (f",{split(i)}" if split else "")
        for i, name in enumerate(ids)
    ]
    return "\n".join([header, *rows]) + "\n"


def test_without_labels_nothing_is_held_out_unless_asked_for():
    found = arrange(flat(), DataOptions(), None)
    assert found.class_kind == "none"
    assert set(found.splits) == {"train"}
    assert found.splits_text == "nothing is held out, since there are no labels to score"
    assert found.classes_text == "no labels, since the images lie in no class folders"
    asked = arrange(flat(), DataOptions(held_out=0.3), None)
    assert (asked.splits == "test").sum() == 3
    assert asked.splits_text == "3 of 10 held out at random"
    assert arrange(flat(), DataOptions(held_out=0.0), None).splits_text == "nothing is held out"


def test_folders_that_are_classes_are_held_out_in_part():
    ids = [f"{kind}/{i}.png" for kind in KINDS for i in range(5)]
    found = arrange(ids, DataOptions(), None)
    assert (found.class_kind, (found.splits == "test").sum()) == ("folder", 2)
    unlabelled = arrange(ids, DataOptions(labels="none"), None)
    assert (unlabelled.class_kind, (unlabelled.splits == "test").sum()) == ("none", 0)
    assert unlabelled.classes_text == "no labels, as asked"


def test_a_table_beside_the_pictures_is_found_and_counted(tmp_path):
    ids = flat()
    (tmp_path / "labels.csv").write_text(labels_csv([*ids[:-1], "gone_1.png"]))
    found = arrange(ids, DataOptions(), tmp_path)
    assert found.class_kind == "table"
    assert (found.splits == "test").sum() == 2
    assert found.classes_text == (
        "labels by the column label of labels.csv; 1 image has no row there, not scored;"
        " 1 row names no image, or several"
    )


def test_tables_of_both_splits_go_together(tmp_path):
    ids = [f"{s}/{kind}_{i}.png" for s in ("train", "test") for kind in KINDS for i in range(3)]
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        names = [name.partition("/")[2] for name in ids if name.startswith(split)]
        (tmp_path / split / "metadata.csv").write_text(labels_csv(names))
    found = arrange(ids, DataOptions(), tmp_path)
    assert len(found.class_tables) == 2
    assert (found.splits == "test").sum() == 6
    assert found.classes_text == "labels by the column label of metadata.csv, metadata.csv"


def test_a_table_wins_over_folders_if_it_names_most_pictures(tmp_path):
    ids = [f"part{i % 2}/{name}" for i, name in enumerate(flat())]
    (tmp_path / "meta.csv").write_text(labels_csv([name[6:] for name in ids]))
    found = arrange(ids, DataOptions(), tmp_path)
    assert found.class_kind == "table"
    assert found.classes_text.endswith("the folders are not taken as labels")
    assert arrange(ids, DataOptions(labels="folder"), tmp_path).class_kind == "folder"
    (tmp_path / "meta.csv").write_text(labels_csv([name[6:] for name in ids[:4]]))
    assert arrange(ids, DataOptions(), tmp_path).class_kind == "folder"


def test_a_table_without_a_column_of_labels_is_named(tmp_path):
    (tmp_path / "m.csv").write_text(
        "file_name,width,height\n" + "".join(f"{n},1,2\n" for n in flat())
    )
    text = arrange(flat(), DataOptions(), tmp_path).classes_text
    assert (
        "m.csv names pictures, and none of its columns (width, height) is named as labels" in text
    )


def test_a_column_of_splits_decides_unless_told_otherwise(tmp_path):
    ids = flat()
    words = ["train", "valid", "test", "Train", "TRAINING"]
    (tmp_path / "m.csv").write_text(labels_csv(ids, split=lambda i: words[i % 5]))
    found = arrange(ids, DataOptions(), tmp_path)
    assert found.splits.tolist() == ["train", "test", "test", "train", "train"] * 2
    assert found.splits_text == "split by the column split of m.csv: 6 fitted, 4 held out"
    drawn = arrange(ids, DataOptions(split="none"), tmp_path)
    assert drawn.splits_text == "2 of 10 held out at random"
    named = arrange(ids, DataOptions(split=f"table:{tmp_path / 'm.csv'}"), None)
    assert named.splits.tolist() == found.splits.tolist()


def test_a_table_named_by_the_user_lies_anywhere(tmp_path, monkeypatch):
    ids = flat()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inside.csv").write_text(labels_csv(ids, label="kind"))
    (tmp_path / "outside.csv").write_text(labels_csv(ids))
    monkeypatch.chdir(tmp_path)
    for file in ("inside.csv", "data/inside.csv", "outside.csv", str(tmp_path / "outside.csv")):
        found = arrange(ids, DataOptions(labels=f"table:{file}"), tmp_path / "data")
        assert found.class_kind == "table"
        assert (found.splits == "test").sum() == 2


def test_what_a_named_table_lacks_is_said_in_one_line(tmp_path):
    (tmp_path / "t.csv").write_text("file,a,b\ncat_0.png,1,2\n")
    (tmp_path / "other.csv").write_text("file,label\nnowhere.png,1\n")
    (tmp_path / "s.csv").write_text("file,split\ncat_0.png,a\n")
    (tmp_path / "bad.jsonl").write_text("{")
    wrong = {
        "labels=table:gone.csv": r"^`labels=table:gone.csv` does not exist",
        "labels=table:t.csv": r"several columns \(a, b\): say which holds the labels with",
        "labels=table:other.csv": r"other.csv names none of the images",
        "labels=table:bad.jsonl": r"bad.jsonl",
        "split=table:t.csv": r"no column named split; it has a, b",
        "split=table:s.csv": r"the column split has to say train of some images",
        "labels=folder:2": r"^`labels=folder:2`: no image lies 2 folders deep",
        "labels=name:{label}-{}.png": r"it fits no name of an image, as cat_0.png",
        "split=folder": r"the folders are not named as splits",
    }
    for setting, message in wrong.items():
        field, _, value = setting.partition("=")
        with pytest.raises((ConfigError, DataError), match=message) as error:
            found = arrange(flat(), DataOptions(**{field: value}), tmp_path)
            assert found.splits_text
            assert found.classes_text
        assert "\n" not in str(error.value)


def test_names_and_depths_of_folders(tmp_path):
    named = arrange(flat(), DataOptions(labels="name:{label}_{}.png"), None)
    assert named.class_kind == "name"
    assert named.classes_text == "labels by names: {label}_{}.png fits 10 of 10"
    deep = arrange(["a/b/0.png", "a/c/1.png"] * 3, DataOptions(labels="folder:1"), None)
    assert deep.classes_text == "labels by folders: those at depth 1, as asked"


def test_folders_named_as_splits_can_be_left_alone():
    ids = [f"{s}/{kind}/{i}.png" for s in ("train", "val") for kind in KINDS for i in range(5)]
    found = arrange(ids, DataOptions(split="none"), None)
    assert (found.splits == "test").sum() == 4
    assert found.splits_text.endswith("the folders named as splits are not used, as asked")
    assert set(found.layout.class_folders()) == set(KINDS)


def test_draw_text():
    assert draw_text(np.array(["train"])) == "nothing is held out"
