"""Columns that came with the data: what is read, what is left out, and in which order."""

import json

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


def test_columns_and_their_texts_are_bounded():
    many = {f"column {number}": [number, "text" * 100] for number in range(60)}
    found = columns.telling_columns(["a", "b"], {"x" * 200: [1, 2], **many}, [])
    assert len(found.values) == columns.MOST_COLUMNS
    assert max(map(len, found.values)) <= columns.LONGEST_NAME
    assert len(found.values["column 3"][1]) <= columns.LONGEST_TEXT


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "0x1", "one"])
def test_what_is_no_plain_number_is_a_text(value):
    assert columns.as_numbers_or_texts(["1", value]) == ["1", value]
