"""Tables beside pictures: found by the files that they name, matched by path, name or stem."""

import json

import pytest

from latentlab.data.formats.picture_tables import (
    PictureNames,
    open_picture_table,
    tables_beside,
)
from latentlab.errors import ConfigError, DataError


def table(folder, text, ids, name="t.csv", column=None, is_sure=True):
    path = folder / name
    path.write_text(text)
    return open_picture_table(path, "", PictureNames(ids), column, is_sure)


@pytest.mark.parametrize(
    ("text", "folder", "found"),
    [
        ("a/x.png", "", [0]),
        ("./a/x.png", "", [0]),
        ("a\\x.png", "", [0]),
        ("/home/me/data/a/x.png", "", [0]),
        ("data/a/x.png", "", [0]),
        ("x.png", "a", [0]),
        ("y.png", "", [1]),
        ("y", "", [1]),
        ("elsewhere/y.png", "", [1]),
        ("x.png", "", []),
        ("x", "", []),
        ("z.png", "", []),
        ("", "", []),
        ("scan.tif", "", [3, 4]),
        ("scan.tif#2", "", [4]),
        ("scan", "", [3, 4]),
    ],
)
def test_a_row_names_images_by_path_name_or_stem(text, folder, found):
    names = PictureNames(["a/x.png", "a/y.png", "b/x.png", "scan.tif#1", "scan.tif#2"])
    assert names.positions(text, folder) == found


@pytest.mark.parametrize("column", ["file_name", "Filename", "path", "image", "file", "image_id"])
@pytest.mark.parametrize("label", ["label", "Class", "category", "target", "species", "ClassId"])
def test_usual_names_of_columns(tmp_path, column, label):
    found = table(
        tmp_path, f"width,{label},{column}\n1,cat,a.png\n1,dog,b.png\n", ["a.png", "b.png"]
    )
    assert (found.file_column, found.class_column) == (column, label)
    assert found.values(label, 2) == (["cat", "dog"], 0)


def test_any_column_that_names_files_that_are_there(tmp_path):
    found = table(tmp_path, "n,Bild,label\n1,a.png,cat\n2,b.png,dog\n", ["a.png", "b.png"])
    assert found.file_column == "Bild"


def test_a_column_of_numbers_is_no_column_of_files_by_chance(tmp_path):
    ids = ["0.png", "1.png"]
    with pytest.raises(DataError, match=r"t.csv names none of the images"):
        table(tmp_path, "weight,label\n0,1\n1,0\n", ids)
    assert table(tmp_path, "id,label\n0,1\n1,0\n", ids).rows == ([0], [1])


def test_rows_that_are_lost_missing_or_differ(tmp_path):
    text = "file,label\na.png,cat\na.png,dog\nb.png,cat\nb.png,cat\ngone.png,cat\n"
    found = table(tmp_path, text, ["a.png", "b.png", "c.png"])
    assert found.lost == 1
    assert found.covered == {0, 1}
    assert found.values("label", 3) == ([None, "cat", None], 1)


def test_other_delimiters_json_lines_and_no_names(tmp_path):
    ids = ["a.png", "b.png"]
    assert table(tmp_path, "file;label\na.png;cat\nb.png;dog\n", ids).class_column == "label"
    assert table(tmp_path, "file\tlabel\na.png\tcat\n", ids, "t.tsv").class_column == "label"
    lines = [json.dumps({"file_name": name, "label": 1}) for name in ids]
    assert table(tmp_path, "\n".join(lines), ids, "metadata.jsonl").values("label", 2)[0] == [1, 1]
    bare = table(tmp_path, "a.png,cat\nb.png,dog\n", ids, is_sure=False)
    assert bare.values(bare.class_column, 2)[0] == ["cat", "dog"]


def test_a_parquet_table_beside_pictures(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"file_name": ["a.png", "b.png"], "label": [1, 0], "box": [[1], [2]]}
    parquet.write_table(pa.table(columns), tmp_path / "metadata.parquet")
    (found,) = tables_beside(tmp_path, [""], PictureNames(["a.png", "b.png"]), None)
    assert found.values("label", 2)[0] == [1, 0]


def test_which_column_is_that_of_labels(tmp_path):
    ids = ["a.png", "b.png"]
    text = "file,sky\na.png,blue\nb.png,grey\n"
    assert table(tmp_path, text, ids).class_column == "sky"
    assert table(tmp_path, text, ids, is_sure=False).class_column == ""
    text = "file,sky,label\na.png,blue,x\nb.png,grey,y\n"
    assert table(tmp_path, text, ids, column="sky").class_column == "sky"
    with pytest.raises(ConfigError, match=r"`label_column=se[a]`.*has no such column"):
        table(tmp_path, text, ids, column="sea")


def test_tables_are_looked_for_beside_the_pictures_and_above(tmp_path):
    text = "file,label\na.png,cat\n"
    for folder in ("", "train", "train/images", "other", ".hidden"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "labels.csv").write_text(text)
    (tmp_path / "sample_submission.csv").write_text(text)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    names = PictureNames(["train/images/a.png"])
    found = tables_beside(tmp_path, ["train/images"], names, None)
    assert [table.folder for table in found] == ["", "train", "train/images"]
