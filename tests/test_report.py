"""The map, the figures and the page: what stands in them, from real runs."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from conftest import make_stripes, read_json, small_fit
from PIL import Image

from latentlab import evaluation, interactive, pipeline, plots, projection, reporting, tables
from latentlab.config import ClusterOptions
from latentlab.errors import DataError
from latentlab.run import Run
from latentlab.sources import DataOptions


@pytest.fixture(scope="module")
def reported(finished_run, tmp_path_factory):
    """Return a copy of the finished run with its report."""
    folder = tmp_path_factory.mktemp("reported") / "run"
    shutil.copytree(finished_run.path, folder)
    run = Run.open(folder)
    pipeline.report(run, sample=100)
    return run


def page(run):
    return (run.path / "report" / "index.html").read_text(encoding="utf-8")


def test_every_picture_is_there_and_small(reported):
    names = {path.stem for path in (reported.path / "report").glob("*.png")}
    assert names == {
        *("original-images", "reconstructions", "loss", "umap-clusters", "umap-labels"),
        *("gallery-nearest", "gallery-ambiguous", "contingency"),
    }
    for path in (reported.path / "report").glob("*.png"):
        assert path.stat().st_size < 500_000
        assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} is blank"


def test_page_needs_no_network(reported):
    text = re.sub(r"<script[^>]*>.*?</script>", "", page(reported), flags=re.DOTALL)  # Bokeh's own code
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "data:image/webp;base64," in text
    assert "cdn.bokeh.org" not in text


def test_page_tells_scores_sample_labels_rule_and_run(reported):
    text = page(reported)
    scores = evaluation.read_scores(reported, "kmeans-k4")
    purity = next(r for r in scores["rows"] if r["metric"] == "purity_train_map" and r["split"] == "test")
    acc = next(r["value"] for r in scores["rows"] if r["metric"] == "acc_train_map" and r["split"] == "test")
    assert f"the purity is {purity['value']:.3f} (95% interval {purity['low']:.3f} to {purity['high']:.3f}), ACC {acc:.3f}" in text
    assert "Recall by class" in text
    assert "100 of 160 images, drawn at random" in text
    assert "Labels were read after every assignment was written" in text
    assert "pixels+kmeans" in text
    assert "learning_rate 0.001" in text
    assert text.count("<h3>") == 4


def test_names_from_outside_are_escaped(tmp_path):
    hostile = '</script><script>window.hacked=1</script>"&'
    images, kinds = make_stripes(60)
    for i, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        folder = tmp_path / "photos" / f"<hostile>{kind}&\"'"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}-{hostile.replace('/', '_')}.png")
    run = pipeline.fit(DataOptions(data=str(tmp_path / "photos"), size=16), small_fit(), tmp_path / "run")
    pipeline.cluster(run, ClusterOptions(k=3))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert "window.hacked" in text
    assert "<script>window.hacked" not in text
    assert "<hostile>" not in text


def test_page_without_labels_says_so(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    run = pipeline.fit(DataOptions(data=str(tmp_path / "images.npy")), small_fit(), tmp_path / "run")
    pipeline.cluster(run, ClusterOptions(k=3))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert "no labels, so nothing can be scored" in text
    assert "<h2>Scores</h2>" not in text
    assert not (run.path / "report" / "contingency.png").exists()


def test_grey_images_few_images_and_many_clusters_report(tmp_path):
    images = make_stripes(24)[0][..., :1]
    np.save(tmp_path / "images.npy", images)
    run = pipeline.fit(DataOptions(data=str(tmp_path / "images.npy"), held_out=0.0), small_fit(), tmp_path / "run")
    pipeline.cluster(run, ClusterOptions(k=24))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert text.count("<h3>") == 24
    assert "16x16 grey" in text


def test_map_holds_the_sample_of_both_splits_and_repeats(reported):
    table = tables.read(reported.path / "projection" / "umap.parquet")
    assert table.num_rows == 100
    assert set(table["split"].to_pylist()) == {"train", "test"}
    facts = read_json(reported.path / "projection" / "umap.json")
    assert facts["images"] == 100
    assert facts["of"] == 160
    assert 0.5 < facts["trustworthiness"] <= 1
    again = projection.write(reported, 100, seed=0)
    np.testing.assert_array_equal(table["x"], tables.read(again[0])["x"])


def test_map_keeps_groups_apart():
    rng = np.random.default_rng(0)
    centers = rng.normal(0, 20, (3, 8))
    groups = np.repeat(np.arange(3), 60)
    xy = projection.lay_out((centers[groups] + rng.normal(0, 1, (180, 8))).astype(np.float32), seed=0)
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()


def test_map_of_constant_codes_and_of_too_few_images(finished_run, monkeypatch):
    assert np.isfinite(projection.lay_out(np.ones((40, 4), np.float32), seed=0)).all()
    with pytest.raises(DataError, match="at least 5 images"):
        projection.write(finished_run, 4, seed=0)


def test_galleries_pick_by_distance_and_margin(reported):
    found = reporting._gather(reported, "kmeans-k4", pipeline.open_run_images(reported), None)
    for kind, values in (("nearest", found.distance), ("ambiguous", found.margin)):
        for cluster, picks in enumerate(reporting.picked(found, kind, 5)):
            members = np.flatnonzero(found.clusters == cluster)
            assert set(picks) <= set(members)
            assert values[picks].max() <= np.sort(values[members])[: len(picks)].max()


def test_summary_compares_with_the_best_baseline(reported):
    import dataclasses

    found = reporting._gather(reported, "kmeans-k4", pipeline.open_run_images(reported), None)

    def told(own, baseline):
        rows = [
            {"split": "test", "method": method, "metric": "purity", "value": value, "chance": 0.1, "n": 40}
            for method, value in (("conv8+kmeans", own), ("pixels+kmeans", baseline), ("pca+kmeans", 0.05))
        ]
        return reporting.summary(dataclasses.replace(found, scores={"rows": rows}))[-1]

    assert "pixels+kmeans, reaches 0.500: so these clusters are better" in told(0.6, 0.5)
    assert "no better" in told(0.515, 0.5)
    assert "worse" in told(0.3, 0.5)


def test_atlas_holds_each_image_in_its_place():
    colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (5, 48, 24, 3))
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(interactive.atlas(images)))))
    assert sheet.shape == (64, 96, 3)
    for place, colour in enumerate(colours):
        top, left = place // 3 * 32 + 16, place % 3 * 32 + 16
        assert np.abs(sheet[top, left].astype(int) - colour).max() < 40


def test_palettes_are_distinct():
    for count in (1, 10, 40):
        assert len(set(plots.palette(count))) == count


def test_big_pictures_are_reduced(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    path = plots.save_png(plots.image_grid(noise, "noise"), tmp_path / "noise.png")
    assert path.stat().st_size < 1_000_000
    assert Image.open(path).size[0] > 500
