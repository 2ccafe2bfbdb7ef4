"""The main path on small real files: scores, firewall, resume of embedding, prediction, architecture rules."""

import dataclasses
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, make_stripes, read_json, small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.data import opening
from latentlab.errors import DataError, RunError
from latentlab.scoring.labels import arrays
from latentlab.scoring.scores import read_scores
from latentlab.storage import tables
from latentlab.storage.files import sha256


def test_scores_hold_every_metric_of_both_splits_beside_baselines(finished_run):
    scores = read_scores(finished_run.clustering("kmeans-k4"))
    found = {(row.method, row.split, row.metric) for row in scores.rows}
    for method in ("conv8+kmeans", "pixels+kmeans", "pca+kmeans", "untrained+kmeans"):
        for split in ("train", "test"):
            for metric in ("purity", "acc", "nmi", "ari", "homogeneity", "completeness"):
                assert (method, split, metric) in found
    assert np.sum(scores.contingency["train"]) == 120
    assert np.sum(scores.contingency["test"]) == 40
    purity = next(row for row in scores.rows if row.metric == "purity" and row.split == "test")
    assert purity.chance < purity.value <= 1
    assert purity.low < purity.value
    own = {
        (row.split, row.metric): row.value for row in scores.rows if row.method == "conv8+kmeans"
    }
    for name in ("purity", "acc"):
        assert own["test", f"{name}_train_map"] <= own["test", name]
        assert ("train", f"{name}_train_map") not in own


def test_stripes_are_found_without_labels(finished_run):
    scores = read_scores(finished_run.clustering("kmeans-k4"))
    assert (
        next(row.value for row in scores.rows if row.metric == "purity" and row.split == "test")
        > 0.6
    )


def test_assignments_cover_every_image_with_its_distance(finished_run):
    table = tables.read(finished_run.path / "clusters" / "kmeans-k4" / "assignments.parquet")
    assert table.column_names == ["id", "split", "cluster", "distance", "margin"]
    assert table.num_rows == 160
    assert min(table["margin"].to_pylist()) >= 0
    sizes = read_json(finished_run.path / "clusters" / "kmeans-k4" / "result.json")["sizes"][
        "train"
    ]
    assert sum(sizes) == 120
    assert sizes == sorted(sizes, reverse=True)


def test_embeddings_are_readable_parquet_of_id_split_code(finished_run):
    table = pq.read_table(finished_run.path / "embeddings" / "part-00000.parquet")
    assert table.column_names == ["id", "split", "code"]
    assert table["code"].type.list_size == 4 * 4 * 4


def test_embedding_resumes_with_the_missing_part_only(finished_run, tmp_path, monkeypatch):
    from latentlab.encoders import embedding, model_files

    monkeypatch.setattr(embedding, "SHARD", 50)
    images = pipeline.open_run_images(finished_run)
    encoder = model_files.load(finished_run)
    parts = embedding.Embeddings(tmp_path).write(encoder, images)
    assert [path.name for path in parts] == [f"part-{i:05d}.parquet" for i in range(4)]
    before = [path.read_bytes() for path in parts]
    parts[1].unlink()
    parts[2].write_bytes(before[2][:100])
    times = {i: parts[i].stat().st_mtime_ns for i in (0, 3)}
    embedding.Embeddings(tmp_path).write(encoder, images)
    assert [path.read_bytes() for path in parts] == before
    assert {i: parts[i].stat().st_mtime_ns for i in (0, 3)} == times


def test_repeating_a_command_skips_what_is_done(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet")}
    pipeline.cluster(run, ClusterOptions(k=4))
    pipeline.evaluate(run)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*.parquet")} == before


def test_labels_never_reach_fitting_or_clustering(data, tmp_path, monkeypatch):
    """Labels that cannot be read, or are shuffled, change no file but the labels and scores."""

    def whole(folder, read):
        monkeypatch.setattr(arrays, "read_labels", read)
        run = pipeline.fit(data, small_fit(), folder)
        pipeline.cluster(run, ClusterOptions(k=4))
        pipeline.cluster(run, ClusterOptions(k=4, features="pool+whiten+l2"))
        return run

    def forbidden(options):
        raise AssertionError("labels were read")

    real = arrays.read_labels

    def shuffled(options):
        labels = real(options)
        return dataclasses.replace(
            labels, labels=np.random.default_rng(0).permutation(labels.labels)
        )

    blind = whole(tmp_path / "blind", forbidden)
    with pytest.raises(AssertionError, match="labels were read"):
        pipeline.evaluate(blind)
    misled = whole(tmp_path / "misled", shuffled)
    pipeline.evaluate(misled)
    for path in blind.path.rglob("*.parquet"):
        assert sha256(path) == sha256(misled.path / path.relative_to(blind.path)), path.name
    assert "labels.parquet" not in {path.name for path in blind.path.rglob("*")}


def test_predict_gives_the_fitted_images_their_clusters(finished_run, data, tmp_path):
    table = tables.read(pipeline.predict(finished_run, "kmeans-k4", data, tmp_path / "new.parquet"))
    expected = tables.read(finished_run.path / "clusters" / "kmeans-k4" / "assignments.parquet")
    assert table["cluster"].to_pylist() == expected["cluster"].to_pylist()


def test_predict_brings_other_sizes_to_the_runs(finished_run, tmp_path):
    large = make_stripes(12)[0].repeat(2, axis=1).repeat(2, axis=2)
    np.save(tmp_path / "large.npy", large)
    table = tables.read(
        pipeline.predict(
            finished_run,
            "kmeans-k4",
            DataOptions(data=str(tmp_path / "large.npy")),
            tmp_path / "new.parquet",
        )
    )
    assert table.num_rows == 12


def test_data_without_labels_cluster_and_score_as_none(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "images.npy")), small_fit(), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    assert pipeline.evaluate(run) is None
    assert not (run.path / "labels.parquet").exists()


def test_changed_images_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    data = DataOptions(data=str(tmp_path / "images.npy"))
    run = pipeline.fit(data, small_fit(), tmp_path / "run")
    np.save(tmp_path / "images.npy", make_stripes(60, seed=1)[0])
    with pytest.raises(RunError, match="have changed"):
        pipeline.cluster(run, ClusterOptions(k=3))


def test_stages_out_of_order_say_what_to_do(finished_run, tmp_path):
    from latentlab.storage.run import Run

    empty = Run.create(tmp_path / "empty")
    options = ClusterOptions(k=2)
    for stage in (
        pipeline.embed,
        lambda run: pipeline.cluster(run, options),
        lambda run: pipeline.cluster_seeds(run, options, 2),
    ):
        with pytest.raises(RunError, match=r"fit\(run="):
            stage(empty)
    with pytest.raises(RunError, match=r"cluster\(run="):
        pipeline.evaluate(empty)
    with pytest.raises(RunError, match="it has kmeans-k4"):
        pipeline.evaluate(finished_run, "kmeans-k5")


def test_more_clusters_than_images_is_a_data_error(finished_run):
    with pytest.raises(DataError, match="k=121. is more than the 120 training images"):
        pipeline.cluster(finished_run, ClusterOptions(k=121))


def test_frameworks_are_imported_in_backend_only():
    pattern = re.compile(r"^\s*(import|from) (tensorflow|jax|torch)\b", re.MULTILINE)
    offenders = [
        p.name
        for p in (ROOT / "latentlab").rglob("*.py")
        if pattern.search(p.read_text()) and p.parent.name != "backend"
    ]
    assert offenders == []


def test_only_evaluation_reads_labels():
    pattern = re.compile(r"\bread_labels\(")
    readers = {
        p.relative_to(ROOT / "latentlab").as_posix()
        for p in (ROOT / "latentlab").rglob("*.py")
        if pattern.search(p.read_text())
    }
    allowed = {
        "scoring/evaluate.py",
        "pipeline/scoring.py",
        "pipeline/showing.py",
        "pipeline/checking.py",
    }
    assert {name for name in readers if not name.startswith("scoring/labels/")} <= allowed


def test_public_names_can_all_be_had():
    import latentlab

    for name in latentlab.__all__:
        assert getattr(latentlab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        latentlab.nonsense  # noqa: B018


def test_sources_resolve_by_name_and_path(tmp_path):
    (tmp_path / "x.npy").write_text("")
    assert opening.resolve(DataOptions(data="digits")) == "digits"
    assert opening.resolve(DataOptions(data=str(tmp_path / "x.npy"))) == "arrays"
    assert opening.resolve(DataOptions(data=str(tmp_path))) == "folder"
