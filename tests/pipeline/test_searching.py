"""Images of runs by words, and names of clusters from a vocabulary."""

import json
import re
import shutil

import numpy as np
import pytest
from helpers.image_text import write_pair, write_text
from helpers.onnx_models import nchw_model
from helpers.vectors import write_vectors
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.encoders.vocabulary import read_words
from latentlab.errors import ConfigError, DataError
from latentlab.reporting.edits import Editor, Merge
from latentlab.reporting.viewer_http import Refusal
from latentlab.reporting.viewer_requests import answer
from latentlab.storage.run import Run

pytest.importorskip("tokenizers")

COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with coloured pictures, both networks and a clustered run."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    (root / "photos").mkdir()
    for number in range(45):
        colour = list(COLOURS.values())[number % 3]
        pixels = np.array(colour) + rng.integers(-15, 16, (20, 20, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(root / "photos" / f"{number:04}.png")
    encoder = str(write_pair(root / "clip"))
    run = pipeline.use_encoder(DataOptions(data=str(root / "photos")), encoder, root / "run")
    pipeline.embed(run)
    pipeline.cluster(run, ClusterOptions(k=3, features="l2"))
    return root


@pytest.fixture
def run(made):
    return Run.open(made / "run")


@pytest.mark.parametrize("colour", COLOURS)
def test_words_find_the_images_that_fit(run, colour):
    found = pipeline.search(run, f"a {colour} picture", count=15)
    expected = {number for number in range(45) if list(COLOURS)[number % 3] == colour}
    assert {image.position for image in found} == expected
    assert all(image.id == f"{image.position:04}.png" for image in found)
    scores = [image.score for image in found]
    assert scores == sorted(scores, reverse=True)
    assert 0.8 < scores[0] <= 1.0001


def test_count_is_the_most(run):
    assert len(pipeline.search(run, "red", count=4)) == 4
    assert len(pipeline.search(run, "red", count=1000)) == 45


@pytest.mark.parametrize("text", ["", "  ", "red " * 300])
def test_no_words_and_too_many_are_refused(run, text):
    with pytest.raises(ConfigError, match="1 to 1,000 characters"):
        pipeline.search(run, text)


def test_without_a_text_part_the_error_says_what_to_give(made, tmp_path):
    encoder = str(nchw_model(tmp_path / "small.onnx"))
    run = pipeline.use_encoder(DataOptions(data=str(made / "photos")), encoder, tmp_path / "run")
    with pytest.raises(ConfigError, match="`words`"):
        pipeline.search(run, "red")
    with pytest.raises(ConfigError, match="both parts have to be of one model"):
        pipeline.search(run, "red", words=made / "clip" / "text_model.onnx")


def test_a_network_that_latentlab_trained_knows_no_words(made, finished_run):
    with pytest.raises(ConfigError, match="knows no words"):
        pipeline.search(finished_run, "red", words=made / "clip" / "text_model.onnx")
    with pytest.raises(ConfigError, match="needs the text part"):
        pipeline.search(finished_run, "red")


def test_vectors_of_another_program_are_searched_with_their_text_part(made, tmp_path):
    vectors = np.repeat([[1, -1, -1], [-1, 1, -1.0]], 6, axis=0).astype(np.float32)
    file = write_vectors(tmp_path / "v.parquet", vectors, id=[f"i{i}" for i in range(12)])
    run = pipeline.import_vectors(file, tmp_path / "run")
    found = pipeline.search(run, "green", words=made / "clip" / "text_model.onnx", count=6)
    assert {image.id for image in found} == {f"i{i}" for i in range(6, 12)}


def test_clusters_get_names_of_a_vocabulary(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    run = Run.open(tmp_path / "run")
    words = tmp_path / "words.txt"
    words.write_text("# colours\nred\ngreen\n\nblue\nwhite\n", encoding="utf-8")
    named = pipeline.suggest(run, vocabulary=words)
    clusters = run.clustering().assignments.clusters
    expected = [list(COLOURS)[np.flatnonzero(clusters == c)[0] % 3] for c in range(3)]
    assert list(named.names) == expected
    # The run keeps the vocabulary, and reads no network again.
    assert pipeline.suggest(run).names == named.names
    record = run.record("vocabulary")
    assert sorted(output.path for output in record.outputs) == [
        "words/vocabulary.json",
        "words/vocabulary.npz",
    ]
    before = record.order
    pipeline.suggest(run, vocabulary=words)
    assert run.record("vocabulary").order == before


def test_without_a_vocabulary_looks_are_the_names(run):
    assert set(pipeline.suggest(run).names) == {"reddish", "bluish", "bright"}  # green is bright


def test_clusters_that_edits_have_emptied_get_no_name(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    run = Run.open(tmp_path / "run")
    Editor(run.clustering(None)).add(Merge((1, 0)))
    suggested = pipeline.suggest(run)
    assert suggested.clusters == (1, 2)
    assert len(suggested.names) == 2
    assert suggested.edits == "with 1 edit by hand"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"red\n", "must hold 2"),
        (b"\xff\xfe", "UTF-8"),
        (b"red\n" + b"x" * 61, "more than 60"),
    ],
)
def test_senseless_vocabularies_are_refused(tmp_path, content, problem):
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises((ConfigError, DataError), match=problem):
        read_words(tmp_path / "words.txt")


def test_words_of_a_file_are_taken_once(tmp_path):
    (tmp_path / "words.txt").write_text("red  car\nred car\n#x\n blue\n")
    assert read_words(tmp_path / "words.txt") == ("red car", "blue")


def test_vectors_of_other_lengths_are_refused_before_they_are_used(made, tmp_path, run):
    shutil.copytree(made / "clip", tmp_path / "clip")
    write_text(tmp_path / "clip" / "text_model.onnx", size=8)
    with pytest.raises(ConfigError, match="8 numbers"):
        pipeline.search(run, "red", words=tmp_path / "clip" / "text_model.onnx")


@pytest.fixture(scope="module")
def viewer(made, tmp_path_factory):
    """Return the viewer of a copy of the run, which searches by words."""
    folder = tmp_path_factory.mktemp("viewed") / "run"
    shutil.copytree(made / "run", folder)
    server = pipeline.viewer(Run.open(folder), sample=45)
    yield server.viewer
    server.server_close()


def answered(viewer, path):
    return json.loads(answer(viewer, "GET", path, b"").body)


def test_the_viewer_searches_by_words(viewer):
    found = answered(viewer, "words?q=a%20blue%20picture")
    assert {position % 3 for position in found["positions"][:15]} == {2}
    assert len(found["scores"]) == 45
    assert re.search(r'"words": ?true', viewer.html())


@pytest.mark.parametrize("query", ["", "%20", "%ff", "x" * 1001])
def test_the_viewer_refuses_senseless_words(viewer, query):
    with pytest.raises(Refusal) as caught:
        answer(viewer, "GET", f"words?q={query}", b"")
    assert caught.value.status == 400


def test_the_viewer_says_which_names_are_suggested(viewer):
    page = viewer.html()
    assert all(f'"suggested": "{word}"' in page for word in ("reddish", "bluish")) or all(
        f'"suggested":"{word}"' in page for word in ("reddish", "bluish")
    )
    assert {cluster.suggested for cluster in viewer.state().clusters} == {
        "reddish",
        "bluish",
        "bright",
    }


def test_a_text_part_that_cannot_be_used_keeps_no_viewer_from_opening(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    run = Run.open(tmp_path / "run")
    text = made / "clip" / "text_model.onnx"
    content = text.read_bytes()
    text.write_bytes(b"nothing")
    try:
        server = pipeline.viewer(run, sample=45)
        server.server_close()
        assert server.viewer.words is None
        with pytest.raises(Refusal) as caught:
            answer(server.viewer, "GET", "words?q=red", b"")
        assert caught.value.status == 404
        with pytest.raises(DataError, match="no ONNX file"):
            pipeline.viewer(run, sample=45, words=text)
    finally:
        text.write_bytes(content)
