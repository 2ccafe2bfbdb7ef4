"""Runs with an encoder from elsewhere: what is refused, what a damaged or changed file does."""

import shutil

import numpy as np
import pytest
from helpers.onnx_models import nchw_model
from helpers.pictures import pictures
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders.embedding import Embeddings
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.storage import tables

SIZE = 16


@pytest.fixture
def encoder(tmp_path):
    return str(nchw_model(tmp_path / "small.onnx", size=SIZE))


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of 24 x 40 pixels, and three files that are none."""
    root = tmp_path / "pictures"
    root.mkdir()
    for number, pixels in enumerate(pictures(12)):
        Image.fromarray(pixels).resize((40, 24)).save(root / f"{number:02d}.png")
    whole = (root / "00.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "empty.jpg").write_bytes(b"")
    (root / "text.png").write_text("no picture")
    return root


def embedded(folder, encoder, path):
    return pipeline.embed(pipeline.use_encoder(DataOptions(data=str(folder)), encoder, path))


def statuses(run):
    table = tables.read(run.path / "images.parquet")
    return dict(zip(table["id"].to_pylist(), table["status"].to_pylist(), strict=True))


def test_unreadable_pictures_are_counted_and_left_out(folder, encoder, tmp_path):
    run = embedded(folder, encoder, tmp_path / "run")
    assert len(Embeddings(run.path).index().ids) == 12
    unreadable = {name for name, status in statuses(run).items() if status == "unreadable"}
    assert unreadable == {"cut.png", "empty.jpg", "text.png"}
    assert run.fact("unreadable") == 3
    assert len(pipeline.open_run_images(run)) == 12
    options = ClusterOptions(k=2, features="l2")
    assert len(pipeline.cluster(run, options).assignments.clusters) == 12
    target = pipeline.predict(run, None, DataOptions(data=str(folder)), tmp_path / "new.parquet")
    assert len(tables.read(target)) == 12


def test_a_folder_without_a_readable_picture_is_refused(folder, encoder, tmp_path):
    for path in folder.glob("[0-9]*.png"):
        path.unlink()
    with pytest.raises(DataError, match="none of the 3 images can be read"):
        embedded(folder, encoder, tmp_path / "run")


def test_a_pass_goes_on_where_it_was_stopped(folder, encoder, tmp_path, monkeypatch):
    from latentlab.encoders import picture_pass

    monkeypatch.setattr(picture_pass, "MOST_IN_PART", 5)
    monkeypatch.setattr(picture_pass, "FEWEST_IN_PART", 5)
    whole = embedded(folder, encoder, tmp_path / "whole")
    run = pipeline.use_encoder(DataOptions(data=str(folder)), encoder, tmp_path / "run")
    write = StoredPictures.write_part

    def stop_in_second_part(stored, number, table):
        if number == 1:
            raise KeyboardInterrupt
        return write(stored, number, table)

    monkeypatch.setattr(StoredPictures, "write_part", stop_in_second_part)
    with pytest.raises(KeyboardInterrupt):
        pipeline.embed(run)
    monkeypatch.setattr(StoredPictures, "write_part", write)
    first_part = run.path / "embeddings" / "part-00000.parquet"
    written = first_part.stat().st_mtime_ns
    pipeline.embed(run)
    assert first_part.stat().st_mtime_ns == written
    vectors, expected = (
        np.concatenate(list(Embeddings(each.path).parts(column="embedding")))
        for each in (run, whole)
    )
    assert np.array_equal(vectors, expected)


def test_a_changed_or_missing_encoder_is_said_in_one_line(folder, encoder, tmp_path):
    run = embedded(folder, encoder, tmp_path / "run")
    clustering = pipeline.cluster(run, ClusterOptions(k=2, features="l2"))
    new = DataOptions(data=str(folder))
    shutil.move(encoder, tmp_path / "moved.onnx")
    with pytest.raises(RunError, match=r"cannot be opened.*no such file.*copy it into"):
        pipeline.predict(run, clustering.name, new, tmp_path / "p.parquet")
    shutil.copy(tmp_path / "moved.onnx", run.path / "encoder" / "small.onnx")
    pipeline.predict(run, clustering.name, new, tmp_path / "p.parquet")
    (run.path / "encoder" / "small.onnx").unlink()
    nchw_model(tmp_path / "small.onnx", size=SIZE, name="embedding")
    with pytest.raises(RunError, match=r"its content differs|cannot be opened"):
        pipeline.predict(run, clustering.name, new, tmp_path / "p.parquet")


def test_another_encoder_or_changed_pictures_are_refused(folder, encoder, tmp_path):
    run = embedded(folder, encoder, tmp_path / "run")
    other = str(nchw_model(tmp_path / "other.onnx", size=SIZE, name="embedding"))
    with pytest.raises(RunError, match="the encoder was small and is other"):
        pipeline.use_encoder(DataOptions(data=str(folder)), other, run.path)
    Image.new("RGB", (40, 24), "red").save(folder / "03.png")
    with pytest.raises(RunError, match="have changed since .*: 0 added, 0 removed, 1 changed"):
        pipeline.open_run_images(run)


def test_a_run_needs_its_originals_no_more_to_be_shown(folder, encoder, tmp_path):
    run = embedded(folder, encoder, tmp_path / "run")
    shutil.rmtree(folder)
    shown = pipeline.open_shown_images(run)
    assert shown.read(np.array([0, 11])).shape == (2, 192, 192, 3)
    assert pipeline.open_small_images(run).read(np.array([5])).shape == (1, 32, 32, 3)


def test_names_that_are_no_encoder_are_refused(folder, tmp_path):
    data = DataOptions(data=str(folder))
    with pytest.raises(
        ConfigError, match="unknown encoder.* Give cifar10-.*efficientnet-lite0, an .onnx"
    ):
        pipeline.use_encoder(data, "no-such", tmp_path / "run")
    with pytest.raises(ConfigError, match="there is no such file"):
        pipeline.use_encoder(data, "no-such.onnx", tmp_path / "run")
    with pytest.raises(ConfigError, match="has no default encoder"):
        pipeline.default_encoder(DataOptions(data="digits"))
