"""Parquet with a column of pictures, in the Hugging Face layout and plainer ones."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError
from latentlab.scoring.labels import read_labels

X = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()


def write(path, images, labels=None, names=None, column="image"):
    columns = {
        "caption": [f"no {i}" for i in range(len(images))],
        column: [{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(images)],
    }
    if labels is not None:
        columns["label"] = labels
    table = pa.table(columns)
    if names:
        features = {column: {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    pq.write_table(table, path, row_group_size=2)


def test_hugging_face_layout(tmp_path):
    write(
        tmp_path / "train-00000-of-00001.parquet",
        [png(x) for x in X[:4]],
        [0, 1, 1, 0],
        ["cat", "dog"],
    )
    write(
        tmp_path / "test-00000-of-00001.parquet", [png(x) for x in X[4:]], [1, -1], ["cat", "dog"]
    )
    options = DataOptions(data=str(tmp_path))
    images = opening.open_images(options)
    order = [4, 5, 0, 1, 2, 3]  # files in order of their names
    np.testing.assert_array_equal(images.read(np.arange(6)), X[order])
    assert images.splits.tolist() == ["test"] * 2 + ["train"] * 4
    labels = read_labels(options)
    assert labels.class_names == ("cat", "dog")
    assert labels.labels.tolist() == [1, -1, 0, 1, 1, 0]
    assert labels.ids.tolist() == images.ids.tolist()
    for i in range(6):  # in another file, in another row group
        np.testing.assert_array_equal(
            np.asarray(opening.open_picture(images, i, options)), X[order[i]]
        )


def test_plain_bytes_unreadable_rows_and_limit(tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"picture": [png(X[0]), b"junk", None, png(X[3]), png(X[4])]}), path)
    images = opening.open_images(DataOptions(data=str(path), held_out=0.0))
    assert images.ids.tolist() == ["row-0000000", "row-0000003", "row-0000004"]
    small = DataOptions(data=str(path), held_out=0.0, size=8)
    np.testing.assert_array_equal(
        np.asarray(opening.open_picture(opening.open_images(small), 1, small)), X[3]
    )
    assert [bad.path for bad in images.unreadable] == ["row-0000001", "row-0000002"]
    assert len(opening.open_images(DataOptions(data=str(path), held_out=0.0, limit=1))) == 1
    assert read_labels(DataOptions(data=str(path))) is None


def test_columns_can_be_named(tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"a": [png(X[0])] * 2, "b": [png(X[1])] * 2, "kind": ["x", "y"]}), path)
    options = DataOptions(data=str(path), image_column="b", label_column="kind", held_out=0.0)
    np.testing.assert_array_equal(opening.open_images(options).read(np.arange(1))[0], X[1])
    assert read_labels(options).class_names == ("x", "y")
    with pytest.raises(ConfigError, match="it has a, b"):
        opening.open_images(DataOptions(data=str(path), image_column="kind"))
    with pytest.raises(ConfigError, match="`label_column=c`"):
        read_labels(DataOptions(data=str(path), label_column="c"))


def test_other_files_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "numbers.parquet")
    with pytest.raises(DataError, match="no column of pictures"):
        opening.open_images(DataOptions(data=str(tmp_path / "numbers.parquet")))
    (tmp_path / "half.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        opening.open_images(DataOptions(data=str(tmp_path / "half.parquet")))


def test_damage_inside_a_file_is_one_line(tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"picture": [png(x) for x in X]}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"p\.parquet"):
        opening.open_images(DataOptions(data=str(path), held_out=0.0))
