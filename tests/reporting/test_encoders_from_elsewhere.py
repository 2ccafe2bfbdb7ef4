"""Pages, exports and checks of a run whose encoder was trained elsewhere, also without pictures."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from helpers.onnx_models import nchw_model
from helpers.report_page import data_of, page
from PIL import Image

from latentlab import pipeline
from latentlab.cli.texts.compare import comparison_text
from latentlab.cli.texts.scores import scores_text
from latentlab.config import ClusterOptions, DataOptions, ImportOptions
from latentlab.errors import ConfigError
from latentlab.reporting import viewer
from latentlab.storage.run import Run

PHOTOS = 60
SIZE = (120, 90)
COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200), "green": (40, 180, 60)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with photos, an encoder, and a run of both that was reported."""
    folder = tmp_path_factory.mktemp("elsewhere")
    rng = np.random.default_rng(0)
    for number in range(PHOTOS):
        name, colour = list(COLOURS.items())[number % 3]
        noise = rng.integers(-30, 30, (SIZE[1], SIZE[0], 3))
        picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        (folder / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / "photos" / name / f"{number:02d}.jpg")
    (folder / "photos" / "red" / "broken.jpg").write_bytes(b"no picture")
    nchw_model(folder / "tiny.onnx", metadata={})
    data = DataOptions(data=str(folder / "photos"))
    run = pipeline.use_encoder(data, str(folder / "tiny.onnx"), folder / "run")
    for k in (2, 3):
        pipeline.cluster(run, ClusterOptions(k=k, features="embedding+l2"))
    pipeline.report(run)
    return folder


@pytest.fixture
def run(made):
    """Return the run; tests must not change it."""
    return Run.open(made / "run")


@pytest.fixture
def alone(made, tmp_path):
    """Return a folder with a copy of the run, whose photos and encoder are gone."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    shutil.copytree(made / "run", tmp_path / "run")
    for name in ("photos", "tiny.onnx"):
        (made / name).rename(hidden / name)
    yield Run.open(tmp_path / "run")
    for name in ("photos", "tiny.onnx"):
        (hidden / name).rename(made / name)


def test_the_report_leaves_out_the_training_of_others_and_names_the_encoder(run):
    text = page(run)
    for absent in ("Loss by epoch", "the decoder makes", "What the code keeps", 'src=""'):
        assert absent not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not (run.path / "report" / "loss.png").exists()
    assert "labels used in pretraining: unknown" in text
    digest = run.config.pretrained.sha256[:12]
    assert re.search(rf"tiny \(onnx\), SHA-256 {digest}, input 16x16 RGB, 6 features", text)
    assert "How far to trust these clusters" in text
    assert "No label was read for this." in text
    assert "60 of 60 pictures are not square: the centre was cropped to 16x16 pixels" in text
    assert "Over all 60 images, matched on all of them, the purity is" in text
    assert "Images that were left out: 1<" in text
    assert "broken.jpg" in text


def test_pictures_of_the_page_are_larger_than_the_input_of_the_encoder(run):
    data = data_of(page(run))
    assert data["atlas"]["choice"] == "all"
    shapes = np.frombuffer(base64.b64decode(data["atlas"]["ratio"]["base64"]), np.uint8)
    assert shapes.reshape(-1, 2).max(axis=1).tolist() == [data["atlas"]["side"]] * PHOTOS
    assert data["atlas"]["side"] >= 96


def test_scores_tell_the_purity_over_all_images_and_the_labels_of_the_pretraining(run):
    scores = pipeline.evaluate(run)
    assert scores.pretraining == "unknown"
    assert scores.by_method("all")[scores.rows[0].method].headline("purity").n == PHOTOS
    text = scores_text(scores)
    assert text.splitlines()[1] == "labels used in pretraining: unknown"
    assert "purity (all)" in text.splitlines()[2]


def test_clusterings_are_compared_without_losses(run, tmp_path):
    comparison = pipeline.compare(
        [(run, "kmeans-k2-embedding+l2"), (run, "kmeans-k3-embedding+l2")], tmp_path
    )
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h2>Losses</h2>" not in text
    assert "labels used in pretraining: unknown" in text
    assert "labels used in pretraining: unknown" in comparison_text(comparison)


def test_it_reproduces(run):
    verification = pipeline.verify(run)
    assert verification.reproduces, verification
    assert {"images", "embeddings"} <= {check.subject for check in verification.checks}


def test_without_its_encoder_two_checks_fail_and_say_so(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    (made / "tiny.onnx").rename(tmp_path / "tiny.onnx")
    try:
        verification = pipeline.verify(Run.open(tmp_path / "run"))
    finally:
        (tmp_path / "tiny.onnx").rename(made / "tiny.onnx")
    assert verification.failed == ("embeddings", "clusters kmeans-k3-embedding+l2")
    failed = [check.detail for check in verification.checks if not check.held]
    assert all("tiny.onnx" in detail and "\n" not in detail for detail in failed)
    assert {"images", "scores kmeans-k3-embedding+l2"} <= {
        check.subject for check in verification.checks
    }


def test_report_and_viewer_work_when_the_photos_are_gone(alone):
    text = pipeline.report(alone).read_text(encoding="utf-8")
    assert 'class="sheet">UklGR' in text
    with pipeline.viewer(alone) as server:
        viewer = server.viewer
        assert viewer.pictures.image(0).content
        assert viewer.pictures.original(0).content  # the thumbnail stands in for it
        assert "<h1>" in viewer.html()
    assert "images" in pipeline.verify(alone).failed


def test_the_viewer_serves_the_original(run):
    with pipeline.viewer(run) as server:
        content = server.viewer.pictures.original(0).content
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == SIZE


@pytest.mark.parametrize("file_format", ["csv", "parquet", "folders", "coco", "projector"])
def test_exports_need_no_photos(alone, tmp_path, file_format):
    out = pipeline.export(alone, file_format, tmp_path / "out")
    assert out.exists()
    if file_format == "folders":
        assert len(list(out.rglob("*.png"))) == PHOTOS


def test_figures_of_papers_leave_out_the_loss(run, tmp_path):
    names = {path.stem for path in pipeline.figures(run, tmp_path, formats=("svg",))}
    assert names == {"datamap", "map-clusters", "map-labels", "nearest", "labels"}


def test_nothing_is_decoded(run):
    pipeline.decode(run)
    assert not list(run.path.rglob("decoded.npz"))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Return a run of vectors in three groups, without images, that was reported."""
    folder = tmp_path_factory.mktemp("vectors")
    rng = np.random.default_rng(1)
    groups = rng.normal(0, 4, (3, 8))[np.arange(PHOTOS) % 3]
    np.save(folder / "mine.npy", (groups + rng.normal(0, 0.3, groups.shape)).astype(np.float32))
    options = ImportOptions(held_out=0.2)
    run = pipeline.import_vectors(folder / "mine.npy", folder / "run", options=options)
    for k in (2, 3):
        pipeline.cluster(run, ClusterOptions(k=k, features="embedding"))
    pipeline.report(run)
    return run


def test_vectors_without_images_have_a_report_without_pictures(vectors):
    text = page(vectors)
    data = data_of(text)
    assert not data["pictures"]
    assert "atlas" not in data
    assert "neighbours" not in data
    assert "mine.npy, 8 numbers each" in text
    assert "48 training and 12 held-out vectors" in text
    for absent in ("The first images", "is of the map has a thumbnail", "the decoder makes"):
        assert absent not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_vectors_without_images_are_viewed_compared_drawn_and_exported(vectors, tmp_path):
    with pipeline.viewer(vectors) as server:
        assert not server.viewer.neighbours(len(server.viewer.summary.images))
        assert len(server.viewer.neighbours(0).positions) == viewer.NEIGHBOURS
        assert "<h1>" in server.viewer.html()
    names = vectors.clustering_names()
    pipeline.compare([(vectors, name) for name in names], tmp_path / "compared")
    assert pipeline.figures(vectors, tmp_path / "figures", formats=("svg",))
    for file_format in ("csv", "parquet", "projector"):
        assert pipeline.export(vectors, file_format, tmp_path / file_format).exists()
    with pytest.raises(ConfigError, match="folders needs images"):
        pipeline.export(vectors, "folders", tmp_path / "folders")


def test_vectors_reproduce_also_without_their_file_which_is_said(vectors):
    assert pipeline.verify(vectors).reproduces
    file = vectors.path.parent / "mine.npy"
    hidden = file.rename(file.with_suffix(".hidden"))
    try:
        verification = pipeline.verify(vectors)
    finally:
        hidden.rename(file)
    assert verification.reproduces
    told = {check.subject: check.detail for check in verification.checks}
    assert "is not there any more" in told["vectors"]
    assert (
        told["clusters kmeans-k3-embedding"]
        == f"{PHOTOS} of {PHOTOS} images get their cluster again"
    )
