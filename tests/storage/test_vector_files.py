"""Files of vectors: their columns are found or named, and wrong files get one clear line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latentlab.errors import ConfigError, DataError
from latentlab.storage import tables
from latentlab.storage.vector_files import VectorColumns, read_column, read_vector_file

ROWS = np.arange(12, dtype=np.float64).reshape(4, 3)
IDS = ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
LABELS = [1, 0, 1, 0]
SPLITS = ["train", "train", "test", "validation"]


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def text(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(
    params=["lists", "fixed lists", "columns", "float16 array", "csv", "csv with semicolons"]
)
def file(request, tmp_path):
    """Return the same vectors with ids, splits and labels in one of several forms."""
    facts = {"id": IDS, "label": LABELS, "split": SPLITS}
    single = {f"f{place}": ROWS[:, place] for place in range(3)}
    if request.param == "lists":
        return parquet(tmp_path / "v.parquet", **facts, other=ROWS.tolist())
    if request.param == "fixed lists":
        return parquet(tmp_path / "v.parquet", embedding=tables.vectors(ROWS), **facts)
    if request.param == "columns":
        return parquet(tmp_path / "v.parquet", **facts, **single)
    if request.param == "float16 array":
        np.savez(tmp_path / "v.npz", features=ROWS.astype(np.float16), **facts)
        return tmp_path / "v.npz"
    mark = ";" if "semicolons" in request.param else ","
    lines = [[*facts, *single]]
    for row in range(4):
        lines.append([IDS[row], LABELS[row], SPLITS[row], *ROWS[row]])
    return text(tmp_path / "v.csv", *(mark.join(map(str, line)) for line in lines))


def test_every_form_gives_the_same_vectors(file):
    table = read_vector_file(file)
    assert table.vectors.dtype == np.float32
    assert table.vectors.tolist() == ROWS.tolist()
    assert table.ids == IDS
    assert table.splits.tolist() == ["train", "train", "test", "test"]
    assert (table.columns.ids, table.columns.labels) == ("id", "label")
    assert read_column(file, "label") == LABELS


def test_a_bare_matrix_has_no_ids(tmp_path):
    np.save(tmp_path / "v.npy", ROWS)
    np.savez(tmp_path / "v.npz", ROWS)
    lines = [",".join(map(str, row)) for row in ROWS]
    text(tmp_path / "v.csv", *lines)
    text(tmp_path / "counted.csv", "0,1,2", *lines)
    for name in ("v.npy", "v.npz", "v.csv", "counted.csv"):
        table = read_vector_file(tmp_path / name)
        assert table.ids is None
        assert table.vectors.tolist() == ROWS.tolist(), name


def test_csv_without_a_header_may_begin_with_ids(tmp_path):
    table = read_vector_file(text(tmp_path / "v.csv", "a.png,0.5,2", "b.png,,inf"))
    assert table.ids == ["a.png", "b.png"]
    assert table.vectors[0].tolist() == [0.5, 2]
    assert np.isnan(table.vectors[1, 0])
    assert np.isinf(table.vectors[1, 1])


def test_numbers_as_ids_keep_their_zeros(tmp_path):
    table = read_vector_file(text(tmp_path / "v.csv", "id,f", "007,1", "008,2"))
    assert table.ids == ["007", "008"]


def test_columns_can_be_named(tmp_path):
    path = parquet(
        tmp_path / "v.parquet",
        id=[1, 2],
        embedding=[[1.0], [2.0]],
        place=["x", "y"],
        f0=[3.0, 4.0],
        f1=[5.0, 6.0],
        g=[0.0, 0.0],
    )
    assert read_vector_file(path).vectors.tolist() == [[1], [2]]
    table = read_vector_file(path, VectorColumns(ids="place", vectors="f*"))
    assert table.ids == ["x", "y"]
    assert table.vectors.tolist() == [[3, 5], [4, 6]]
    for wanted, field in (
        (VectorColumns(ids="no"), "id_column"),
        (VectorColumns(vectors="no"), "column"),
        (VectorColumns(labels="no"), "label_column"),
    ):
        with pytest.raises(ConfigError, match="no such column; it has id, embedding") as error:
            read_vector_file(path, wanted)
        assert error.value.field == field


def test_missing_and_too_large_numbers_are_not_finite(tmp_path):
    path = parquet(tmp_path / "v.parquet", v=pa.array([[1.0, 2.0], None, [None, 1.0], [1e300, 1]]))
    is_finite = np.isfinite(read_vector_file(path).vectors).all(axis=1)
    assert is_finite.tolist() == [True, False, False, False]


def test_wrong_files_get_one_line(tmp_path):
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    np.savez(tmp_path / "objects.npz", v=ROWS, ids=np.array(IDS, object))
    np.savez(tmp_path / "few.npz", v=ROWS, ids=np.array(IDS[:3]))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and more")
    (tmp_path / "broken.npz").write_bytes(b"PK and more")
    (tmp_path / "latin.csv").write_bytes(b"id,f\n\xff,1\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()
    text(tmp_path / "words.csv", "id,f", "a,1", "b,one")
    text(tmp_path / "ragged.csv", "id,f", "a,1", "b,1,2")
    text(tmp_path / "long.csv", "id,f", "x" * 200_000 + ",1")  # more than csv takes
    text(tmp_path / "twice.csv", "f,f", "1,2")
    parquet(tmp_path / "ragged.parquet", v=[[1.0], [1.0, 2.0]])
    parquet(tmp_path / "nothing.parquet", word=["a"])
    parquet(tmp_path / "same.parquet", id=["a", "a"], v=[[1.0], [2.0]])
    parquet(tmp_path / "none.parquet", id=["a", None], v=[[1.0], [2.0]])
    parquet(tmp_path / "split.parquet", split=["left"], v=[[1.0]])
    parquet(tmp_path / "no-rows.parquet", v=pa.array([], pa.list_(pa.float32(), 2)))
    for name, reason in {
        "cube.npy": "array of shape .n, d. of numbers, and it holds float64 .2, 2, 2.",
        "text.npy": "of numbers, and it holds",
        "objects.npz": "Python objects, which are not read",
        "few.npz": "4 vectors and 3 entries of ids",
        "broken.parquet": "cannot be read as vectors",
        "broken.npz": "cannot be read as vectors",
        "latin.csv": "cannot be read as vectors",
        "empty.csv": "is empty",
        "folder.csv": "no regular file",
        "absent.csv": "does not exist",
        "vectors.txt": ".parquet, .npy, .npz or .csv files",
        "words.csv": "cannot be read as vectors .*one",
        "ragged.csv": "cannot be read as vectors",
        "long.csv": "larger than field limit",
        "twice.csv": "the same name",
        "ragged.parquet": "differ in length",
        "nothing.parquet": "has no vectors: it has word",
        "same.parquet": "rows 0 and 1 have the same id, 'a'",
        "none.parquet": "row 1 has no id",
        "split.parquet": "row 0 has the split 'left'",
        "no-rows.parquet": "are empty or differ",
    }.items():
        with pytest.raises(DataError, match=reason) as error:
            read_vector_file(tmp_path / name)
        assert "\n" not in str(error.value)


def test_sizes_are_limited_before_memory_is_taken(tmp_path):
    np.save(tmp_path / "v.npy", ROWS)
    np.savez_compressed(tmp_path / "v.npz", np.zeros((1000, 3)))
    parquet(tmp_path / "v.parquet", v=np.zeros((1000, 3)).tolist())
    text(tmp_path / "v.csv", *["0,0,0"] * 100)
    for name in ("v.npy", "v.npz", "v.parquet", "v.csv"):
        with pytest.raises(DataError, match="raise `max_bytes`"):
            read_vector_file(tmp_path / name, limit=40)
    announced = (tmp_path / "v.npy").read_bytes().replace(b"(4, 3)", b"(9, 9)")
    (tmp_path / "v.npy").write_bytes(announced)
    with pytest.raises(DataError, match="header announces|greater than file size"):
        read_vector_file(tmp_path / "v.npy")
