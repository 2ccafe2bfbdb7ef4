"""The map, the figures and the page: what stands in them, from real runs."""

import base64
import dataclasses
import html
import io
import json
import re
import shutil

import numpy as np
import pytest
from conftest import make_stripes, read_json, small_fit
from PIL import Image

from latentlab import RunView, pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.errors import ConfigError, DataError
from latentlab.reporting import clustering_summary, palettes, plots, thumbnails, umap_map
from latentlab.reporting import html as pages
from latentlab.reporting import text as texts
from latentlab.scoring.scores import ScoreRow, Scores, read_scores
from latentlab.storage import tables
from latentlab.storage.run import Run


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


def data_of(text):
    """Return the data of a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1))


def test_every_picture_is_there_and_small(reported):
    names = {path.stem for path in (reported.path / "report").glob("*.png")}
    assert names == {
        *("original-images", "reconstructions", "loss", "umap-clusters", "umap-labels"),
        *("gallery-nearest", "gallery-ambiguous", "contingency", "centroids", "paths"),
    }
    for path in (reported.path / "report").glob("*.png"):
        assert path.stat().st_size < 500_000
        assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} is blank"


def test_page_needs_no_network(reported):
    text = re.sub(
        r"<script[^>]*>.*?</script>", "", page(reported), flags=re.DOTALL
    )  # Bokeh's own code
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "default-src 'none'; script-src 'sha256-" in html.unescape(text)
    assert "cdn.bokeh.org" not in text
    assert 'class="sheet">UklGR' in page(reported)  # the atlas


def test_page_tells_scores_sample_labels_rule_and_run(reported):
    text = page(reported)
    scores = read_scores(reported.clustering("kmeans-k4"))
    purity = next(r for r in scores.rows if r.metric == "purity_train_map" and r.split == "test")
    acc = next(r.value for r in scores.rows if r.metric == "acc_train_map" and r.split == "test")
    assert (
        f"the purity is {purity.value:.3f} (95% interval {purity.low:.3f} to {purity.high:.3f}), ACC {acc:.3f}"
        in text
    )
    assert "Recall by class" in text
    assert "100 of 160 images, drawn at random" in text
    assert "Labels were read after every assignment was written" in text
    assert "pixels+kmeans" in text
    assert "learning_rate 0.001" in text
    assert len(data_of(text)["clusters"]) == 4


def test_names_from_outside_are_escaped(tmp_path):
    hostile = '</script><script>window.hacked=1</script>"&'
    images, kinds = make_stripes(60)
    for i, (image, kind) in enumerate(zip(images, kinds, strict=True)):
        folder = tmp_path / "photos" / f"<hostile>{kind}&\"'"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}-{hostile.replace('/', '_')}.png")
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "photos"), size=16), small_fit(), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert "window.hacked" in text
    assert "<script>window.hacked" not in text
    assert "<hostile>" not in text


def test_page_without_labels_says_so(tmp_path):
    np.save(tmp_path / "images.npy", make_stripes(60)[0])
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "images.npy")), small_fit(), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert "no labels, so nothing can be scored" in text
    assert "<h2>Scores</h2>" not in text
    assert not (run.path / "report" / "contingency.png").exists()


def test_grey_images_few_images_and_many_clusters_report(tmp_path):
    images = make_stripes(24)[0][..., :1]
    np.save(tmp_path / "images.npy", images)
    run = pipeline.fit(
        DataOptions(data=str(tmp_path / "images.npy"), held_out=0.0), small_fit(), tmp_path / "run"
    )
    pipeline.cluster(run, ClusterOptions(k=24))
    text = pipeline.report(run).read_text(encoding="utf-8")
    assert len(data_of(text)["clusters"]) == 24
    assert "16x16 grey" in text


def test_map_holds_the_sample_of_both_splits_and_repeats(reported):
    table = tables.read(reported.path / "projection" / "umap.parquet")
    assert table.num_rows == 100
    assert set(table["split"].to_pylist()) == {"train", "test"}
    facts = read_json(reported.path / "projection" / "umap.json")
    assert facts["images"] == 100
    assert facts["of"] == 160
    assert 0.5 < facts["trustworthiness"] <= 1
    again = umap_map.write_map(reported, 100, seed=0)
    np.testing.assert_array_equal(table["x"], tables.read(again[0])["x"])


def test_map_keeps_groups_apart():
    rng = np.random.default_rng(0)
    centers = rng.normal(0, 20, (3, 8))
    groups = np.repeat(np.arange(3), 60)
    xy = umap_map.lay_out((centers[groups] + rng.normal(0, 1, (180, 8))).astype(np.float32), seed=0)
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()


def test_map_of_constant_codes_and_of_too_few_images(finished_run, monkeypatch):
    assert np.isfinite(umap_map.lay_out(np.ones((40, 4), np.float32), seed=0)).all()
    with pytest.raises(DataError, match="at least 5 images"):
        umap_map.write_map(finished_run, 4, seed=0)


def test_galleries_pick_by_distance_and_margin(reported):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )
    for kind, values in (("nearest", summary.distance), ("ambiguous", summary.margin)):
        for cluster, picks in enumerate(summary.gallery(kind, 5)):
            members = np.flatnonzero(summary.clusters == cluster)
            assert set(picks) <= set(members)
            assert values[picks].max() <= np.sort(values[members])[: len(picks)].max()


def test_summary_compares_with_the_best_baseline(reported):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )

    def last_sentence(purity, baseline):
        purities = {"conv8+kmeans": purity, "pixels+kmeans": baseline, "pca+kmeans": 0.05}
        rows = []
        for method, value in purities.items():
            row = ScoreRow(
                split="test", method=method, metric="purity", value=value, chance=0.1, n=40
            )
            rows.append(row)
        scores = Scores(k=4, rows=tuple(rows))
        return texts.summary_sentences(dataclasses.replace(summary, scores=scores))[-1]

    assert "pixels+kmeans, reaches 0.500: so these clusters are better" in last_sentence(0.6, 0.5)
    assert "no better" in last_sentence(0.515, 0.5)
    assert "worse" in last_sentence(0.3, 0.5)


def test_atlas_holds_each_image_in_its_place():
    colours = np.array(
        [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 0], [0, 250, 250]], np.uint8
    )
    images = np.broadcast_to(colours[:, None, None], (5, 48, 24, 3))
    made = thumbnails.build_atlas(5, lambda rows: images[rows])
    assert (made.side, made.columns, made.place.tolist()) == (32, 3, [0, 1, 2, 3, 4])
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.sheets[0]))))
    assert sheet.shape == (64, 96, 3)
    for place, colour in enumerate(colours):
        top, left = place // 3 * 32 + 16, place % 3 * 32 + 16
        assert np.abs(sheet[top, left].astype(int) - colour).max() < 40


def test_palettes_are_distinct():
    for count in (1, 10, 40, 300):
        assert len(set(palettes.categories(count))) == count


def test_big_pictures_are_reduced(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    path = plots.save_png(plots.image_grid(noise, "noise"), tmp_path / "noise.png")
    assert path.stat().st_size < 1_000_000
    assert Image.open(path).size[0] > 500


def test_a_notebook_shows_a_run(reported):
    view = RunView(reported.path)
    text = view._repr_html_()
    assert "<script" not in text
    assert text.count("<tr>") == 4
    assert "the purity is" in text
    assert text.count("data:image/webp;base64,") == sum(
        min(8, size) for size in np.bincount(view.summary.clusters)
    )
    assert repr(view).endswith("160 images in 4 clusters")
    assert view.plot_map("label").axes[0].get_title() == "By label"
    with pytest.raises(ValueError, match="known are cluster"):
        view.plot_map("colour")


def test_paper_figures_come_in_every_format_with_text_as_text(reported, tmp_path):
    written = pipeline.figures(reported, tmp_path / "figures", sample=100)
    names = {path.name for path in written}
    assert {
        f"{name}.{kind}"
        for name in ("datamap", "map-clusters", "map-labels", "nearest", "labels", "loss")
        for kind in ("png", "svg", "pdf")
    } == names
    datamap = (tmp_path / "figures" / "datamap.svg").read_text()
    sizes = np.bincount(reporting_sizes(reported))
    assert all(f"{cluster}  ({size:,})" in datamap for cluster, size in enumerate(sizes))
    assert Image.open(tmp_path / "figures" / "map-clusters.png").size[0] == pytest.approx(
        3.35 * 400, abs=2
    )
    with pytest.raises(ConfigError, match="unknown format"):
        pipeline.figures(reported, tmp_path, formats=("gif",), sample=100)


def reporting_sizes(run):
    return np.asarray(
        tables.read(run.path / "clusters" / "kmeans-k4" / "assignments.parquet")["cluster"]
    )


def test_comparison_page_matches_clusters_and_needs_no_script(reported, tmp_path):
    pipeline.cluster(reported, ClusterOptions(k=5))
    pipeline.compare([(reported, "kmeans-k4"), (reported, "kmeans-k5")], tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert text.count("without a partner</th>") == 1
    assert text.count("<figcaption>") == 2
    assert "paired" in text


def test_atlas_keeps_the_budget_by_smaller_thumbnails_then_by_a_sample():
    noise = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    sides = {
        budget: thumbnails.build_atlas(300, lambda rows: noise[rows], budget=budget)
        for budget in (10**9, 60_000, 20_000)
    }
    assert [one.side for one in sides.values()] == [32, 20, 16]
    assert [(one.place >= 0).sum() == 300 for one in sides.values()] == [True, True, False]
    for budget, one in sides.items():
        assert sum(len(base64.b64decode(sheet)) for sheet in one.sheets) < 1.15 * budget
    assert "drawn at random" in sides[20_000].note


def test_long_ids_cost_thumbnails_and_not_the_size_of_the_page(reported, monkeypatch):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )
    whole = pages.render_report(summary, {})
    monkeypatch.setattr(pages, "LARGEST_PAGE", len(whole.encode()) - 5_000)
    smaller = pages.render_report(summary, {})
    assert len(smaller.encode()) < len(whole.encode()) - 4_000
    assert "thumbnail of 32 pixels" in whole
    assert "thumbnail of 32 pixels" not in smaller
    monkeypatch.setattr(pages, "LARGEST_PAGE", 0)
    assert "0 of " in pages.render_report(summary, {})  # and a page nevertheless


def test_palettes_are_told_apart_by_colour_blind_readers():
    import seaborn

    assert palettes.smallest_distance(["#ff0000", "#00ff00"]) < 0.5 * palettes.smallest_distance(
        ["#0000ff", "#ffff00"]
    )
    for count in (6, 12, 20, 40):
        usual = list(seaborn.color_palette("husl", count).as_hex())
        assert palettes.smallest_distance(
            palettes.categories(count)
        ) > 1.5 * palettes.smallest_distance(usual)
    assert palettes.ink("#ffffff") == "#000000"
    assert palettes.ink("#000000") == "#ffffff"
