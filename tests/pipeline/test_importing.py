"""Vectors of another program are a run: what is matched, counted and left out, and what works."""

import shutil
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers.vectors import make_vectors, write_pictures, write_vectors

from latentlab import pipeline
from latentlab.cli.texts.importing import import_text
from latentlab.config import ClusterOptions, DataOptions, ImportOptions
from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.scoring.evaluate import read_labels
from latentlab.storage.run import Run

L2 = ClusterOptions(k=4, features="embedding+l2", restarts=1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return a clustered run of vectors without images; tests must not change it."""
    folder = tmp_path_factory.mktemp("alone")
    vectors, groups = make_vectors(120)
    vectors[3, 0], vectors[5, 1] = np.nan, 1e20
    vectors[11] = vectors[12]
    ids = [f"row {number}" for number in range(120)]
    file = write_vectors(folder / "vectors.parquet", vectors, id=ids, label=groups)
    run = pipeline.import_vectors(file, folder / "run", options=ImportOptions(pretraining="faces"))
    pipeline.cluster(run, ClusterOptions(k=3, features="embedding+l2", restarts=1))
    pipeline.cluster(run, L2)
    return run


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """Return a clustered run of vectors with images; tests must not change it."""
    folder = tmp_path_factory.mktemp("pictured")
    vectors, groups = make_vectors(120)
    paths = write_pictures(folder / "photos", groups)
    (folder / "photos" / paths[7]).write_bytes(b"no picture")
    vectors[9] = np.inf
    ids = [f"/home/somebody/{path}" for path in paths[4:]] + ["x/1.png", "x/2.png", "x/3.png"]
    file = write_vectors(folder / "v.parquet", np.concatenate([vectors[4:], vectors[:3]]), path=ids)
    data = DataOptions(data=str(folder / "photos"))
    run = pipeline.import_vectors(file, folder / "run", data)
    pipeline.cluster(run, ClusterOptions(k=3, features="embedding+l2", restarts=1))
    pipeline.cluster(run, L2)
    return run


def copied(run, folder):
    shutil.copytree(run.path, folder / "copy")
    return Run.open(folder / "copy")


def statuses(run):
    table = pq.read_table(run.path / "images.parquet")
    return {row["id"]: row["status"] for row in table.to_pylist() if row["status"] != "ok"}


def test_vectors_that_are_not_finite_are_counted_and_marked(alone):
    report = pipeline.import_report(alone)
    assert (report.rows, report.vectors, report.not_finite) == (120, 118, 2)
    assert statuses(alone) == {"row 3": "not finite", "row 5": "not finite"}
    assert report.examples["not_finite"] == ("row 3", "row 5")
    assert alone.fact("images") == {"train": 95, "test": 23}
    assert alone.config.vectors.pretraining == "faces"
    index = Embeddings(alone.path).index()
    assert len(index.ids) == 118
    assert "row 3" not in index.ids


def test_what_matches_nothing_is_counted_both_ways(pictured):
    report = pipeline.import_report(pictured)
    assert report.matched_by == "end of the path"
    assert report.id_column == "path"
    assert "; ids are those of column path" in import_text("r", report)
    assert (report.rows, report.vectors) == (119, 114)
    assert (report.rows_without_image, report.images_without_vector) == (3, 4)
    assert (report.not_finite, report.unreadable) == (1, 1)
    assert report.examples["rows_without_image"] == ("x/1.png", "x/2.png", "x/3.png")
    assert statuses(pictured) == {
        **dict.fromkeys(("a/0000.png", "b/0001.png", "c/0002.png", "d/0003.png"), "no vector"),
        "b/0009.png": "not finite",
        "d/0007.png": "unreadable",
    }


def test_vectors_stay_with_their_images(pictured):
    vectors, _ = make_vectors(120)
    index = Embeddings(pictured.path).index()
    stored = np.concatenate(list(Embeddings(pictured.path).parts(column="embedding")))
    numbers = [int(name[2:6]) for name in index.ids.tolist()]
    assert np.array_equal(stored, vectors[numbers])
    shown = StoredPictures(pictured.path).shown("photos")
    assert shown.ids.tolist() == index.ids.tolist()
    assert pipeline.open_run_images(pictured).ids.tolist() == index.ids.tolist()
    brightness = shown.read(np.arange(8))[:, 96, 96].mean(axis=1)
    assert np.argsort(brightness).tolist() == sorted(range(8), key=lambda i: brightness[i])
    assert pipeline.open_small_images(pictured).image_shape == (32, 32, 3)


def test_splits_come_from_the_file_then_from_the_images_then_from_a_draw(tmp_path):
    vectors, groups = make_vectors(40)
    splits = ["train"] * 30 + ["test"] * 10
    file = write_vectors(tmp_path / "with.parquet", vectors, split=splits)
    run = pipeline.import_vectors(file, tmp_path / "with")
    assert run.fact("images") == {"train": 30, "test": 10}
    file = write_vectors(tmp_path / "without.parquet", vectors)  # and without ids
    options = ImportOptions(held_out=0.5, limit=15)
    run = pipeline.import_vectors(file, tmp_path / "without", options=options)
    assert run.fact("images") == {"train": 15, "test": 15}
    report = pipeline.import_report(run)
    assert report.id_column == ""
    assert import_text("r", report).endswith("; ids are numbers of rows, from 0")
    paths = write_pictures(tmp_path / "photos", groups)
    data = DataOptions(data=str(tmp_path / "photos"))
    file = write_vectors(tmp_path / "both.parquet", vectors, split=splits, id=paths)
    run = pipeline.import_vectors(file, tmp_path / "both", data)
    assert pipeline.import_report(run).splits_from == "file"
    images = pipeline.open_run_images(run)
    split_of = dict(zip(paths, splits, strict=True))
    assert images.splits.tolist() == [split_of[name] for name in images.ids.tolist()]


def test_arrays_are_matched_in_order(tmp_path):
    vectors, _ = make_vectors(40)
    np.save(tmp_path / "vectors.npy", vectors)
    data = DataOptions(data="digits", limit=20)
    run = pipeline.import_vectors(tmp_path / "vectors.npy", tmp_path / "run", data)
    assert pipeline.import_report(run).matched_by == "order"
    assert read_labels(run).class_names == tuple("0123456789")


def test_a_repeated_import_does_nothing_and_another_file_is_refused(alone, tmp_path):
    run = copied(alone, tmp_path)
    file = run.config.vectors.path
    before = run.record("embed").finished, run.clustering_names()
    options = ImportOptions(pretraining="faces")
    again = pipeline.import_vectors(file, run.path, options=options)
    assert (again.record("embed").finished, again.clustering_names()) == before
    other = write_vectors(tmp_path / "other.parquet", make_vectors(30)[0])
    with pytest.raises(RunError, match="the vectors are others"):
        pipeline.import_vectors(other, run.path)


def test_an_interrupted_import_is_finished_by_repeating_it(alone, tmp_path):
    run = copied(alone, tmp_path)
    run.forget("embed", *(f"cluster/{name}" for name in run.clustering_names()))
    shutil.rmtree(run.path / "embeddings")
    with pytest.raises(RunError, match="not imported to the end"):
        pipeline.cluster(run, L2)
    file = run.config.vectors.path
    run = pipeline.import_vectors(file, run.path, options=ImportOptions(pretraining="faces"))
    assert sorted(pipeline.cluster(run, L2).assignments.clusters) == sorted(
        alone.clustering(L2.name).assignments.clusters
    )


def test_nothing_finite_is_refused(tmp_path):
    file = write_vectors(tmp_path / "v.parquet", np.full((4, 2), np.nan))
    with pytest.raises(DataError, match="not one of its 4 vectors is finite"):
        pipeline.import_vectors(file, tmp_path / "run")


def test_labels_beside_vectors_are_read_by_scoring_only(alone, tmp_path):
    assert "label" not in pq.read_schema(alone.path / "embeddings" / "part-00000.parquet").names
    run = copied(alone, tmp_path)
    scores = pipeline.evaluate(run, L2.name)
    assert scores.class_names == tuple("abcd")
    assert scores.rows[0].value > 0.9
    assert {row.method for row in scores.rows} == {"vectors+embedding+l2+kmeans"}  # no baselines


def test_default_features_are_those_of_pretrained_encoders(alone):
    assert str(pipeline.resolve(alone, ClusterOptions(k=4)).features) == "embedding+l2+umap10"


@pytest.mark.parametrize("kind", ["alone", "pictured"])
def test_every_command_works(kind, request, tmp_path):
    run = copied(request.getfixturevalue(kind), tmp_path)
    pipeline.cluster_seeds(run, L2, 2)
    choice = pipeline.choose_k(run, ClusterOptions(features=L2.features, restarts=1), [3, 4])
    assert choice.k in (3, 4)
    audit = pipeline.audit(run, L2.name)
    assert audit.duplicates.exact == (1 if kind == "alone" else 0)
    if kind == "alone":  # a probe of pixels takes longer
        assert pipeline.probe(run, ClusterOptions(features=L2.features)).rows
    page = pipeline.report(run, L2.name, sample=60).read_text()
    assert ('class="sheet"' in page) == (kind == "pictured")
    server = pipeline.viewer(run, L2.name, sample=60)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert "clusters" in server.viewer.html()
    server.shutdown()
    server.server_close()
    named = [(run, name) for name in run.clustering_names()[:2]]
    assert pipeline.compare(named, tmp_path / "comparison").images == len(
        run.clustering(L2.name).assignments.ids
    )
    assert pipeline.verify(run, L2.name).reproduces
    for file_format in ("csv", "parquet"):
        assert pipeline.export(run, file_format, tmp_path / f"out.{file_format}", L2.name).exists()
    if kind == "alone":
        with pytest.raises(ConfigError, match="needs images"):
            pipeline.export(run, "folders", tmp_path / "folders", L2.name)
    else:
        folders = pipeline.export(run, "folders", tmp_path / "folders", L2.name)
        assert len(list(folders.glob("[!.]*"))) == 4


def test_new_vectors_get_the_clusters_of_the_old_ones(alone, tmp_path):
    vectors, _ = make_vectors(120)
    vectors[1] = np.nan
    file = write_vectors(tmp_path / "new.parquet", vectors, name=[f"row {i}" for i in range(120)])
    target = pipeline.predict_vectors(alone, L2.name, file, tmp_path / "out.parquet")
    table = pq.read_table(target)
    assert table.column_names[:5] == ["id", "cluster", "cluster_name", "distance", "margin"]
    cluster_of = dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
    assert len(cluster_of) == 119
    stored = alone.clustering(L2.name).assignments
    same = [
        cluster_of[name] == cluster
        for name, cluster in zip(stored.ids.tolist(), stored.clusters.tolist(), strict=True)
        if name in cluster_of
    ]
    assert np.mean(same) > 0.98  # one vector of the run was replaced by its neighbour
    with pytest.raises(DataError, match="has vectors of 3 numbers, and .* of 8"):
        file = write_vectors(tmp_path / "short.parquet", vectors[:, :3])
        pipeline.predict_vectors(alone, L2.name, file, tmp_path / "out.parquet")


def test_what_such_a_run_lacks_is_said_in_one_line(alone):
    for options in (
        ClusterOptions(k=4, method="dec"),
        ClusterOptions(k=4, features="averaged+l2"),
        ClusterOptions(k=4, features="embedding+project+l2"),
    ):
        with pytest.raises(ConfigError) as error:
            pipeline.cluster(alone, options)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="give `embeddings`, not images"):
        pipeline.predict(alone, L2.name, DataOptions("digits"), "out.parquet")
