"""Columns that came with the data: what is read, what is left out, and in which order."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import columns
from latentlab.data.opening import source_of

ROWS = {
    "file": ["a.png", "gone.png", "b.png", "c.png"],
    "label": ["x", "x", "y", "y"],
    "split": ["train", "train", "test", "train"],
    "year": ["1999", "2000", "", "2001"],
    "place": ["Oslo", "Rome", "Bergen, west", "Oslo"],
    "coarse_label": ["1", "2", "1", "2"],
    "species": ["1", "2", "1", "2"],
    "camera": ["same"] * 4,
    "empty": [""] * 4,
}


def read(path, **options):
    data = DataOptions(data=str(path), **options)
    source = source_of(data)
    return source.columns(data, source.parse_options(data.source_options))


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    return tmp_path


def written(folder, suffix):
    """Write the rows in one of the formats and return the path."""
    path = folder / f"table{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table(ROWS), path)
    elif suffix == ".json":
        path.write_text(json.dumps([dict(zip(ROWS, row, strict=True)) for row in rows()]))
    else:
        lines = [";".join(ROWS), *(";".join(row) for row in rows())]
        path.write_text("\n".join(lines))
    return path


def rows():
    return zip(*ROWS.values(), strict=True)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_columns_are_those_of_the_pictures_that_are_there_and_none_is_of_labels(folder, suffix):
    found = read(written(folder, suffix))
    assert dict(found.values) == {
        "year": [1999.0, None, 2001.0],
        "place": ["Oslo", "Bergen, west", "Oslo"],
        "coarse_label": [1.0, 1.0, 2.0],
    }
    assert [name.rpartition("/")[2] for name in found.ids] == ["a.png", "b.png", "c.png"]


def test_a_column_that_the_user_names_for_labels_is_none_of_these(folder):
    found = read(written(folder, ".csv"), label_column="coarse_label")
    assert sorted(found.values) == ["place", "year"]


def test_pictures_in_parquet_have_the_columns_of_their_rows(folder):
    content = (folder / "a.png").read_bytes()
    features = {"kind": {"names": ["p", "q"], "_type": "ClassLabel"}}
    table = pa.table({"image": [content] * 3, "kind": [0, 1, 0], "stars": [1, 2, None]})
    named = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(named), folder / "rows.parquet")
    found = read(folder / "rows.parquet")
    assert dict(found.values) == {"stars": [1.0, 2.0, None]}


def test_sources_without_a_table_have_no_columns(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8), np.uint8))
    assert read(tmp_path / "images.npy") is None


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_in_a_folder_of_pictures_gives_columns_but_those_that_may_be_labels(folder, suffix):
    (folder / "more").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "more" / "d.png")
    table = {
        "file_name": ["c.png", "a.png", "gone.png", "more/d.png"],
        "year": [2001, 1999, 1, 2004],
        "place": ["Oslo", "Rome", "x", "Bergen"],
        **{"breed": [0, 1, 1, 0], "kind": [0, 1, 1, 0], "split": ["train"] * 4},
    }
    path = folder / f"metadata{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table(table), path)
    elif suffix == ".jsonl":
        records = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
        path.write_text("\n".join([",".join(table), *lines]))
    columns_of_images = read(folder, label_column="kind")
    assert list(columns_of_images.ids) == ["a.png", "b.png", "c.png", "more/d.png"]
    assert dict(columns_of_images.values) == {
        "year": [1999.0, None, 2001.0, 2004.0],
        "place": ["Rome", None, "Oslo", "Bergen"],
    }
    assert read(folder, labels=f"table:{path.name}", label_column="kind") is not None
    assert not read(folder, labels=f"table:{path.name}", label_column="kind").values


def test_a_folder_without_a_table_is_not_listed(folder, monkeypatch):
    monkeypatch.setattr("latentlab.data.sources.folder.list_pictures", lambda *_: 1 / 0)
    assert read(folder) is None


def test_arrays_with_a_value_for_each_image_are_columns(tmp_path):
    x = np.zeros((4, 8, 8, 3), np.uint8)
    arrays = {"age": np.arange(4) * 1.5, "place": np.array(["a", "b", "b", "a"]), "y": [0, 1, 1, 0]}
    further = {"coarse_labels": [0, 0, 1, 1], "mean": [1.0, 2.0], "code": np.eye(4)}
    np.savez(tmp_path / "one.npz", x=x, **arrays, **further)
    assert dict(read(tmp_path / "one.npz").values) == {
        "age": [0.0, 1.5, 3.0, 4.5],
        "place": ["a", "b", "b", "a"],
    }


def test_arrays_of_both_splits_are_one_column(tmp_path):
    x = np.zeros((5, 8, 8, 3), np.uint8)
    parts = {"age_train": [1, 2, 3], "test_age": [4, 5], "year_train": [1, 2, 3], "by_test": [1, 2]}
    np.savez(tmp_path / "two.npz", x_test=x[:2], x_train=x[:3], **parts)
    columns_of_images = read(tmp_path / "two.npz")
    assert dict(columns_of_images.values) == {"age": [1.0, 2.0, 3.0, 4.0, 5.0]}
    assert columns_of_images.ids[0] == "train/00000"


def test_json_beside_the_pictures_of_an_archive_gives_columns(tmp_path, folder):
    content = (folder / "a.png").read_bytes()
    records = [{"label": 1, "stars": 3, "box": [1, 2]}, None, {"label": 0, "stars": 5, "by": "me"}]
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for number, record in enumerate(records):
            add(archive, f"{number:04}.png", content)
            add(archive, f"{number:04}.cls", b"1")
            if record is not None:
                add(archive, f"{number:04}.json", json.dumps(record).encode())
    columns_of_images = read(tmp_path / "shard.tar")
    assert dict(columns_of_images.values) == {
        "stars": [3.0, None, 5.0],
        "by": [None, None, "me"],
    }


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def test_columns_and_their_texts_are_bounded():
    many = {f"column {number}": [number, "text" * 100] for number in range(60)}
    found = columns.telling_columns(["a", "b"], {"x" * 200: [1, 2], **many}, [])
    assert len(found.values) == columns.MOST_COLUMNS
    assert max(map(len, found.values)) <= columns.LONGEST_NAME
    assert len(found.values["column 3"][1]) <= columns.LONGEST_TEXT


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "0x1", "one"])
def test_what_is_no_plain_number_is_a_text(value):
    assert columns.as_numbers_or_texts(["1", value]) == ["1", value]
