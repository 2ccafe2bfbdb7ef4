"""Clustering vectors: bad files, and methods that need a network."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from helpers.heads import HEAD_METHODS

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError


def test_methods_without_their_network_are_refused_in_one_line(finished_run, strong_run, tmp_path):
    with pytest.raises(ConfigError, match="no embedding above its code"):
        pipeline.cluster(finished_run, ClusterOptions(k=4, features="embedding"))
    for method in HEAD_METHODS:
        with pytest.raises(ConfigError, match="recipe=strong|no embedding above its code"):
            pipeline.cluster(finished_run, ClusterOptions(k=4, method=method))
    with pytest.raises(ConfigError, match="plain autoencoder|works on the code itself"):
        pipeline.cluster(strong_run, ClusterOptions(k=4, method="vade"))
    with pytest.raises(ConfigError, match="trains the network that made the vectors"):
        pipeline.cluster_vectors(
            tmp_path / "a.parquet", ClusterOptions(k=2, method="dec"), tmp_path / "b.parquet"
        )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "has no vectors: it has id"),
        ({"embedding": [[1.0, 2.0], [1.0]]}, "differ in length"),
        ({"embedding": [[float("nan")] * 2, [1e18, 0.0]]}, "not one of its 2 vectors is finite"),
        ({"embedding": [[1.0], [2.0]], "id": ["a", "a"]}, "rows 0 and 1 have the same id, 'a'"),
        ({"embedding": [[1.0, 2.0]]}, "`k=2` is more than the 1 vectors"),
    ],
)
def test_bad_vector_files_are_one_clear_line(columns, message, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=message):
        pipeline.cluster_vectors(
            tmp_path / "bad.parquet", ClusterOptions(k=2), tmp_path / "out.parquet"
        )


VECTORS = np.repeat(np.array([[0.0, 0.0], [9.0, 9.0]], np.float32), 6, axis=0)
VECTORS += np.random.default_rng(0).normal(0, 0.1, VECTORS.shape).astype(np.float32)
IDS = np.arange(100, 112)


def wide(**more):
    return pa.table({"f0": VECTORS[:, 0], "f1": VECTORS[:, 1], **more})


def clustered(path, tmp_path):
    result = pipeline.cluster_vectors(path, ClusterOptions(k=2), tmp_path / "out.parquet")
    return result, pq.read_table(tmp_path / "out.parquet")


def write_npy(path):
    np.save(path, VECTORS)


def write_npz(path):
    np.savez(path, embeddings=VECTORS, ids=IDS, camera=["a", "b"] * 6, grid=np.zeros((3, 3, 3)))


def write_csv(path):
    pa_csv.write_csv(wide(image_id=IDS, note=["x"] * 12), path)


def write_wide(path):
    pq.write_table(wide(id=IDS, caption=["x"] * 12), path)


def write_lists(path):
    vectors = pa.array(VECTORS.astype(np.float64).tolist())
    columns = {"file": [f"{i}.jpg" for i in IDS], "clip": vectors, "cluster": ["mine"] * 12}
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("name", "write", "id_column", "kept"),
    [
        ("v.npy", write_npy, "", []),
        ("v.npz", write_npz, "ids", ["camera"]),
        ("v.csv", write_csv, "image_id", ["note"]),
        ("v.parquet", write_wide, "id", ["caption"]),
        ("w.parquet", write_lists, "file", ["given_cluster"]),
    ],
)
def test_every_form_is_clustered_and_other_columns_are_kept(name, write, id_column, kept, tmp_path):
    write(tmp_path / name)
    result, table = clustered(tmp_path / name, tmp_path)
    assert (result["id_column"], result["sizes"]) == (id_column, [6, 6])
    assert table.column_names == ["id", "cluster", "distance", "margin", *kept]
    first = {"": 0, "file": "100.jpg"}.get(id_column, 100)
    assert table["id"][0].as_py() == first


@pytest.mark.parametrize("fault", [None, [np.nan, 0.0], [np.inf, 0.0], [1e18, 0.0]])
def test_rows_without_a_finite_vector_are_left_out(fault, tmp_path, caplog):
    vectors = VECTORS.astype(np.float64).tolist()
    vectors[3] = fault
    pq.write_table(pa.table({"id": IDS, "embedding": vectors}), tmp_path / "v.parquet")
    result, table = clustered(tmp_path / "v.parquet", tmp_path)
    assert result["left_out"] == 1
    assert table["id"].to_pylist() == [each for each in IDS.tolist() if each != 103]


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float64, np.uint16])
def test_numbers_of_every_type_are_vectors(kind, tmp_path):
    vectors = pa.array(list(np.abs(VECTORS * 10).astype(kind)))
    pq.write_table(pa.table({"embedding": vectors}), tmp_path / "v.parquet")
    assert clustered(tmp_path / "v.parquet", tmp_path)[0]["sizes"] == [6, 6]


def test_equal_vectors_are_one_clear_line(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((12, 2), np.float32))
    with pytest.raises(DataError, match="`k=2` is more than the different"):
        clustered(tmp_path / "v.npy", tmp_path)
