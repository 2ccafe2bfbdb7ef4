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
    table = {"a": [png(X[0])] * 4, "b": [png(X[1])] * 4, "kind": list("xyxy")}
    pq.write_table(pa.table(table), path)
    options = DataOptions(data=str(path), image_column="b", label_column="kind", held_out=0.0)
    np.testing.assert_array_equal(opening.open_images(options).read(np.arange(1))[0], X[1])
    assert read_labels(options).class_names == ("x", "y")
    with pytest.raises(ConfigError, match="it has a, b"):
        opening.open_images(DataOptions(data=str(path), image_column="kind"))
    with pytest.raises(ConfigError, match="`label_column=c`"):
        read_labels(DataOptions(data=str(path), image_column="b", label_column="c"))


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


def structs(values):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array(values, kind)


def test_a_clone_of_a_hugging_face_data_set(tmp_path):
    for split, count in (("train", 4), ("validation", 1), ("test", 1)):
        rows = structs([{"bytes": png(x), "path": None} for x in X[:count]])
        kinds = {"fine": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
        table = pa.table({"id": range(count), "image": rows, "fine": [1] * count})
        metadata = {"huggingface": json.dumps({"info": {"features": kinds}})}
        path = tmp_path / "data" / "default" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata(metadata), path)
    (tmp_path / "README.md").write_text("# A data set\n")
    for place in (tmp_path, tmp_path / "data" / "default"):
        images = opening.open_images(DataOptions(data=str(place)))
        assert images.splits.tolist() == ["test"] + ["train"] * 4 + ["test"]
        assert "test and validation both held out" in images.intake.text
        assert "labels by the column fine" in images.intake.text


def test_two_configurations_are_asked_about(tmp_path):
    for name in ("large", "small"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "train-0.parquet", [png(X[0])])
    with pytest.raises(DataError, match=r"several data sets \(large, small\): give the path of"):
        opening.open_images(DataOptions(data=str(tmp_path)))


def test_the_column_of_pictures_is_found_by_content(tmp_path):
    path = tmp_path / "data"  # without an ending
    table = {"embedding_blob": [b"\1\2"] * 6, "photo": list(map(png, X)), "species": list("aabbcc")}
    pq.write_table(pa.table(table), path)
    options = DataOptions(data=str(path), held_out=0.0)
    np.testing.assert_array_equal(opening.open_images(options).read(np.arange(6)), X)
    assert read_labels(options).class_names == ("a", "b", "c")


def test_of_two_columns_of_pictures_the_name_decides_or_nobody(tmp_path):
    contents = list(map(png, X))
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"thumbnail": contents[::-1], "image": contents}), path)
    images = opening.open_images(DataOptions(data=str(path), held_out=0.0))
    np.testing.assert_array_equal(images.read(np.arange(6)), X)
    pq.write_table(pa.table({"front": contents, "back": contents}), path)
    with pytest.raises(DataError, match=r"several columns of pictures \(front, back\): say which"):
        opening.open_images(DataOptions(data=str(path)))


@pytest.mark.parametrize("form", ["text", "absolute", "struct", "dictionary", "beside bytes"])
def test_a_column_of_paths(tmp_path, form):
    (tmp_path / "imgs").mkdir()
    names = [f"imgs/{number}.png" for number in range(6)]
    for name, x in zip(names, X, strict=True):
        (tmp_path / name).write_bytes(png(x))
    columns = {
        "text": {"image": names},
        "absolute": {"image": [str(tmp_path / name) for name in names]},
        "struct": {"image": structs([{"bytes": None, "path": name} for name in names])},
        "dictionary": {"image": pa.array(names).dictionary_encode()},
        "beside bytes": {"vector": [b"\1\2"] * 6, "file": names},
    }
    table = pa.table(columns[form] | {"label": list("ababab"), "width": [32] * 6})
    pq.write_table(table, tmp_path / "table.parquet")
    options = DataOptions(data=str(tmp_path / "table.parquet"), held_out=0.0)
    images = opening.open_images(options)
    assert images.ids.tolist() == names
    np.testing.assert_array_equal(images.read(np.arange(6)), X)
    assert read_labels(options).labels.tolist() == [0, 1] * 3


def test_nulls_are_counted(tmp_path):
    path = tmp_path / "p.parquet"
    rows = [None, *({"bytes": png(x), "path": None} for x in X)]
    pq.write_table(pa.table({"image": structs(rows)}), path)
    images = opening.open_images(DataOptions(data=str(path)))
    assert len(images) == 6
    assert [entry.count for entry in images.intake.unreadable] == [1]


def test_a_column_of_splits(tmp_path):
    path = tmp_path / "p.parquet"
    split = ["train"] * 4 + ["validation", "test"]
    pq.write_table(pa.table({"image": list(map(png, X)), "split": split}), path)
    images = opening.open_images(DataOptions(data=str(path)))
    assert images.splits.tolist() == ["train"] * 4 + ["test"] * 2


def test_no_rows_and_no_file_are_one_line(tmp_path):
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="none.parquet has no rows"):
        opening.open_images(DataOptions(data=str(tmp_path / "none.parquet")))
    (tmp_path / "empty.parquet").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        opening.open_images(DataOptions(data=str(tmp_path / "empty.parquet")))


def test_a_logo_beside_a_clone_is_no_folder_of_pictures(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "data").mkdir(exist_ok=True)
        write(tmp_path / "data" / f"{split}-00000-of-00001.parquet", list(map(png, X)))
    (tmp_path / "logo.png").write_bytes(png(X[0]))
    images = opening.open_images(DataOptions(data=str(tmp_path)))
    assert len(images) == 12
    assert [entry.text for entry in images.intake.passed_over] == ["1 picture beside the data"]
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(png(X[0]))
    assert len(opening.open_images(DataOptions(data=str(tmp_path)))) == 11
