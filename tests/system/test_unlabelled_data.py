"""A folder without labels is clustered whole: every command works with nothing held out."""

import re

import numpy as np
import pytest
from helpers.runs import make_stripes, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import DataError
from latentlab.storage import tables

KMEANS = ClusterOptions(k=4, restarts=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlabelled") / "photos"
    folder.mkdir()
    images, _ = make_stripes(60)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos):
    run = pipeline.fit(DataOptions(data=str(photos), size=16), small_fit(), photos.parent / "run")
    pipeline.cluster(run, KMEANS)
    pipeline.cluster_seeds(run, KMEANS, 2)
    return run


def test_every_image_is_fitted(run):
    assert run.fact("images") == {"train": 60, "test": 0}
    assert run.config.data.held_out == 0.0
    sizes = run.clustering("kmeans-k4").result.sizes
    assert sum(sizes["train"]) == 60
    assert sum(sizes["test"]) == 0
    intake = run.fact("intake")
    assert intake["splits"] == "nothing is held out, since there are no labels to score"
    assert intake["labels"] == "no labels, since the images lie in no class folders"


def test_what_needs_labels_says_in_a_line_that_there_are_none(run, caplog):
    caplog.set_level("INFO")
    assert pipeline.evaluate(run, "kmeans-k4") is None
    line = "nothing is scored: no labels, since the images lie in no class folders"
    assert line in caplog.text
    assert pipeline.probe(run, KMEANS) is None
    assert pipeline.score_by_k(run, KMEANS, [2, 3]) is None


def test_what_needs_no_labels_works(run, photos, tmp_path):
    assert pipeline.choose_k(run, KMEANS, [2, 3]).images == 60
    steps = {"interval": 2, "batch_size": 20, "max_steps": 4}
    pipeline.cluster(run, ClusterOptions(k=3, method="dec", settings=steps))
    pipeline.cluster(run, ClusterOptions(k=3, method="gmm", restarts=1))
    assert pipeline.trust_of(run, "kmeans-k4")
    data = DataOptions(data=str(photos), size=16)
    table = tables.read(pipeline.predict(run, "kmeans-k4", data, tmp_path / "p.parquet"))
    assert table.num_rows == 60
    named = [(run, "kmeans-k4"), (run, "gmm-k3")]
    assert pipeline.compare(named, tmp_path / "comparison").others[0].scores is None
    assert pipeline.verify(run, "kmeans-k4").reproduces


@pytest.mark.parametrize("kind", ["csv", "parquet", "folders", "coco", "projector"])
def test_exports(run, tmp_path, kind):
    assert pipeline.export(run, kind, tmp_path / f"out.{kind}", "kmeans-k4").exists()


def test_the_audit_speaks_of_no_held_out_images(run):
    from latentlab.cli.texts.audit import audit_text

    report = pipeline.audit(run, "kmeans-k4")
    assert report.held_out is None
    assert "held-out" not in audit_text(report, run.path)


def test_the_report_speaks_of_no_held_out_images(run):
    page = pipeline.report(run, "kmeans-k4", sample=40).read_text()
    text = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert "No labels, since the images lie in no class folders, so nothing can be scored" in text
    assert "60 images of 16x16 RGB" in text
    assert not re.findall(r".{30}held-out.{30}", text)
    assert pipeline.figures(run, run.path / "figures", "kmeans-k4", ("png",), sample=40)


def test_labels_that_come_later_are_scored_and_move_no_image(run, photos):
    _, kinds = make_stripes(60)
    rows = [f"{number:03d}.png,{kind}" for number, kind in enumerate(kinds)]
    table = photos / "labels.csv"
    table.write_text("\n".join(["file_name,label", *rows]))
    try:
        scores = pipeline.evaluate(run, "kmeans-k4")
        assert scores.labels == "labels by the column label of labels.csv"
        assert {row.n for row in scores.rows} == {60}
        with pytest.raises(DataError, match="a probe needs labelled images in both splits"):
            pipeline.probe(run, KMEANS)
        assert len(np.unique(pipeline.open_run_images(run).splits)) == 1
    finally:
        table.unlink()
