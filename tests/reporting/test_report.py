"""The report's page and figures, from real runs."""

import html
import re
import shutil

import numpy as np
from helpers.report_page import data_of, page
from helpers.runs import make_stripes, small_fit
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.scoring.scores import read_scores


def test_every_picture_is_there_and_small(reported):
    names = {path.stem for path in (reported.path / "report").glob("*.png")}
    assert names == {
        *("original-images", "reconstructions", "loss", "umap-clusters", "umap-labels"),
        *("gallery-nearest", "gallery-ambiguous", "contingency"),
    }, "decoded mean codes of so short a fit are black"
    for path in (reported.path / "report").glob("*.png"):
        assert path.stat().st_size < 500_000
        assert np.asarray(Image.open(path).convert("L")).std() > 5, f"{path.name} is blank"


def test_page_needs_no_network(reported):
    text = re.sub(
        r"<script[^>]*>.*?</script>", "", page(reported), flags=re.DOTALL
    )  # our own code and data
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "default-src 'none'; script-src 'sha256-" in html.unescape(text)
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert 'class="sheet">UklGR' in page(reported)  # the atlas


def test_page_tells_scores_sample_labels_rule_and_run(reported):
    text = page(reported)
    scores = read_scores(reported.clustering("kmeans-k4"))
    purity = next(r for r in scores.rows if r.metric == "purity_train_map" and r.split == "test")
    acc = next(r.value for r in scores.rows if r.metric == "acc_train_map" and r.split == "test")
    assert (
        f"the purity is {purity.value:.3f}"
        f" (95% interval {purity.low:.3f} to {purity.high:.3f}), ACC {acc:.3f}" in text
    )
    assert "Recall by class" in text
    assert "100 of 160 images, drawn at random" in text
    assert "Labels were read after every assignment was written" in text
    assert "pixels+<wbr>kmeans" in text
    assert "learning rate 0.001" in text
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


def test_what_bears_on_the_scores_stands_beside_them(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    pipeline.cluster_seeds(run, ClusterOptions(k=4, restarts=1), 2)
    name = "kmeans-k4-seeds2"
    before = pipeline.report(run, name, sample=40).read_text()
    assert "Over its 2 seeds" in before
    assert "linear probe" not in before
    pipeline.probe(run, ClusterOptions())
    pipeline.audit(run, name)
    pipeline.score_by_k(run, ClusterOptions(restarts=1), [2, 3, 4])
    after = pipeline.report(run, name, sample=40).read_text()
    assert "a k-NN classifier names" in after
    assert "near duplicate among the fitted ones" in after
    assert "Scores of k-means by the number of clusters" in after
    assert (run.path / "by-k" / "code.csv").read_text().startswith("k,split,method")
