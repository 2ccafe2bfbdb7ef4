"""Files that `latentlab export` writes."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.processes import latentlab_in_turn, words
from helpers.runs import make_stripes, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError, RunError
from latentlab.reporting.edits import Drop, Editor, Mark, Name, Reject, Tag
from latentlab.reporting.export import file_names
from latentlab.storage.run import Run


@pytest.fixture
def edited_run(run_with_map, tmp_path):
    """Return a copy of the run with one cluster named, one dropped, and one image marked."""
    run = Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))
    editor = Editor(run.clustering("kmeans-k4"))
    editor.add(Name(0, "a/../b: <c>"))
    editor.add(Drop([3]))
    editor.add(Mark([editor.state().ids[0]], "odd"))
    return run


def test_csv_and_parquet_hold_the_edited_clusters(edited_run, tmp_path):
    run, edited = edited_run, Editor(edited_run.clustering("kmeans-k4")).state()
    csv = pd.read_csv(pipeline.export(run, "csv", tmp_path / "x.csv"))
    assert len(csv) == (edited.clusters >= 0).sum() < len(edited.clusters)
    assert csv["cluster"].tolist() == edited.clusters[edited.clusters >= 0].tolist()
    assert set(csv.loc[csv["cluster"] == 0, "cluster_name"]) == {"a/../b: <c>"}
    assert (csv["mark"] == "odd").sum() <= 1
    assert set(csv["clustering"]) == {"kmeans-k4, with 3 edits by hand"}
    table = pq.read_table(pipeline.export(run, "parquet", tmp_path / "x.parquet"))
    assert table["id"].to_pylist() == csv["id"].tolist()
    assert (
        table["projection_x"].null_count == len(table) - np.isfinite(csv["projection_x"]).sum() > 0
    )
    assert table["label"].null_count == 0
    images = pipeline.open_run_images(run)
    row = table.slice(11, 1).to_pylist()[0]
    position = images.ids.tolist().index(row["id"])
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))),
        images.read(np.array([position]))[0],
    )
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(table.column_names)


def test_tags_and_judgements_are_columns(run_with_map, tmp_path):
    run = Run.open(shutil.copytree(run_with_map.path, tmp_path / "run"))
    editor = Editor(run.clustering("kmeans-k4"))
    image_id, *_ = editor.state().ids.tolist()
    for edit in (Tag([image_id], "odd"), Tag([image_id], "blurred"), Reject([2])):
        editor.add(edit)
    csv = pd.read_csv(pipeline.export(run, "csv", tmp_path / "x.csv"), index_col="id")
    assert csv["tags"].dropna().to_dict() == {image_id: "odd; blurred"}
    assert set(csv.loc[csv["cluster"] == 2, "cluster_status"]) == {"rejected"}
    assert csv.loc[csv["cluster"] != 2, "cluster_status"].isna().all()
    coco = pipeline.export(run, "coco", tmp_path / "coco") / "annotations.json"
    status = {one["id"]: one.get("status") for one in json.loads(coco.read_text())["categories"]}
    assert status == {1: None, 2: None, 3: "rejected", 4: None}


def test_what_was_computed_is_exported_where_it_is_asked_for(edited_run, tmp_path):
    computed = edited_run.clustering("kmeans-k4").assignments
    path = pipeline.export(edited_run, "csv", tmp_path / "x.csv", as_computed=True)
    csv = pd.read_csv(path)
    assert csv["cluster"].tolist() == computed.clusters.tolist()
    assert set(csv["cluster_name"]) == {f"cluster {number}" for number in range(4)}
    assert set(csv["clustering"]) == {"kmeans-k4, as computed, without 3 edits by hand"}
    assert "mark" not in csv


def test_folders_coco_and_projector(edited_run, tmp_path):
    run, edited = edited_run, Editor(edited_run.clustering("kmeans-k4")).state()
    kept = edited.clusters[edited.clusters >= 0]
    folder = pipeline.export(run, "folders", tmp_path / "folders")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".latentlab-output",
        "000 a_.._b_ _c_",
        "001",
        "002",
    ]
    assert len(list((folder / "001").glob("*.png"))) == (kept == 1).sum()
    coco = json.loads(
        (pipeline.export(run, "coco", tmp_path / "coco") / "annotations.json").read_text()
    )
    assert [one["category_id"] - 1 for one in coco["annotations"]] == kept.tolist()
    assert {one["id"] for one in coco["categories"]} == {1, 2, 3}
    assert "with 3 edits by hand" in coco["info"]["description"]
    assert all(
        (tmp_path / "coco" / "images" / one["file_name"]).is_file() for one in coco["images"]
    )
    projector = pipeline.export(run, "projector", tmp_path / "projector")
    rows = (projector / "metadata.tsv").read_text().splitlines()
    config = (projector / "projector_config.pbtxt").read_text()
    assert len(rows) - 1 == len(kept)
    width = int(config.split("tensor_shape: ")[2].split()[0])
    assert np.fromfile(projector / "tensors.bytes", "<f4").size == len(kept) * width
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "folders").rglob("*")}
    pipeline.export(run, "folders", tmp_path / "folders")  # it is done already
    assert {path: path.stat().st_mtime_ns for path in times} == times
    with pytest.raises(RunError, match="not empty"):
        pipeline.export(run, "coco", tmp_path / "folders")
    next((tmp_path / "coco" / "images").iterdir()).unlink()
    with pytest.raises(RunError, match="not empty"):
        pipeline.export(run, "coco", tmp_path / "coco")


def test_tensorboard_reads_the_projector_config(run_with_map, tmp_path):
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    folder = pipeline.export(run_with_map, "projector", tmp_path / "p")
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert config.embeddings[0].metadata_path == "metadata.tsv"
    assert config.embeddings[0].sprite.single_image_dim == [16, 16] or config.embeddings[
        0
    ].sprite.single_image_dim == [32, 32]


def test_class_folders_of_a_photo_folder_link_or_copy(tmp_path):
    images, kinds = make_stripes(40)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(
            tmp_path / "photos" / ("sub" if i % 2 else ".") / f"{i // 2}.png"
        )
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "photos"), size=16), small_fit(epochs=1), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=2))
    linked = pipeline.export(run, "folders", tmp_path / "linked", link=True)
    copied = pipeline.export(run, "folders", tmp_path / "copied")
    files = sorted(path.relative_to(linked) for path in linked.rglob("*.png"))
    assert len(files) == 40
    assert all(
        (linked / file).is_symlink()
        and (linked / file).read_bytes() == (copied / file).read_bytes()
        for file in files
    )
    assert not any((copied / file).is_symlink() for file in files)


def test_file_names_differ_and_are_safe():
    names = file_names(
        ["a/b.jpg", "a_b.jpg", "A_B.JPG", "../../etc/passwd", "..", "x" * 300 + ".png"], ""
    )
    assert len({name.lower() for name in names}) == len(names)
    assert all(
        "/" not in name and name not in ("", ".", "..") and len(name) < 200 for name in names
    )


def test_mistakes_end_in_one_line(run_with_map, tmp_path):
    run = run_with_map
    unknown, nothing, nowhere = latentlab_in_turn(
        words("export --run {} --format xml --out {}", run.path, tmp_path / "x"),
        words("export --run {} --format folders --link --out {}", run.path, tmp_path / "y"),
        words("view {}", tmp_path / "none"),
    )
    assert (unknown.returncode, nothing.returncode, nowhere.returncode) == (2, 2, 4)
    assert "--link needs images that are files" in nothing.stderr
    assert not (tmp_path / "y").exists()
    for done in (unknown, nothing, nowhere):
        assert done.stderr.count("error: ") == 1
        assert "Traceback" not in done.stderr
    with pytest.raises(ConfigError, match="unknown format"):
        pipeline.export(run, "xml", tmp_path / "z")
