"""Suggested names of clusters: words and looks, never labels."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.onnx_models import nchw_model
from PIL import Image

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.reporting.suggested_names import looks_of, suggested_names

SIZE = 16
CLASSES = ("ant", "bee", "cow")
PLACES = ("harbour", "meadow")


def write_photos(folder, classes=CLASSES):
    """Write dark pictures of harbours and bright ones of meadows, in folders of other classes."""
    rng = np.random.default_rng(0)
    for number in range(60):
        place = number % 2
        pixels = rng.integers(0, 60, (20, 24, 3)) + 180 * place
        path = folder / classes[number % 3] / f"{PLACES[place]}_{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def summaries(tmp_path_factory):
    """Return the summaries of two runs on the same pictures in folders of other names."""
    root = tmp_path_factory.mktemp("named")
    encoder = str(nchw_model(root / "small.onnx", size=SIZE))
    made = []
    for name, classes in (("first", CLASSES), ("second", ("dark", "bright", "meadow"))):
        write_photos(root / name, classes)
        run = pipeline.use_encoder(
            DataOptions(data=str(root / name)), encoder, root / f"run-{name}"
        )
        pipeline.embed(run)
        pipeline.cluster(run, ClusterOptions(k=2, features="l2"))
        pipeline.take_looks(run)
        made.append(pipeline.look(run))
    return made


def by_place(summary):
    """Return a summary whose clusters are harbours and meadows."""
    clusters = [int("meadow_" in name) for name in summary.images.ids.tolist()]
    return replace(summary, clusters=np.array(clusters), k=2)


def test_words_of_files_come_first(summaries):
    assert suggested_names(by_place(summaries[0])) == ("harbour", "meadow")


def test_other_labels_change_nothing(summaries):
    summary = by_place(summaries[0])
    assert summary.classes is not None
    other = replace(
        summary, classes=np.roll(summary.classes, 7), class_names=("harbour", "meadow", "cow")
    )
    assert suggested_names(other) == suggested_names(summary)
    assert suggested_names(replace(summary, classes=None, class_names=(), scores=None)) == (
        suggested_names(summary)
    )


def test_folders_that_are_labels_change_nothing(summaries):
    clusters = np.arange(60) % 3
    for summary in summaries:
        named = suggested_names(replace(summary, clusters=clusters, k=3))
        assert not {"ant", "bee", "cow"} & set(named)
        by_class = summary.classes  # each cluster is a class, and yet its name is no suggestion
        named = suggested_names(replace(summary, clusters=by_class, k=3))
        assert not set(summary.class_names) & set(named)


def test_looks_stand_in_where_words_say_nothing(summaries):
    summary = by_place(summaries[0])
    ids = np.array([f"{number:03}.png" for number in range(60)])
    named = suggested_names(replace(summary, images=replace(summary.images, ids=ids)))
    assert named[0].startswith("dark")
    assert named[1].startswith("bright")


def test_columns_give_words(summaries):
    summary = by_place(summaries[0])
    at_night = ["taken at night" if cluster else "by day" for cluster in summary.clusters]
    named = suggested_names(summary, columns={"note": at_night})
    assert named[1] == "meadow"
    ids = np.array([f"{number:03}.png" for number in range(60)])
    nameless = replace(summary, images=replace(summary.images, ids=ids))
    assert suggested_names(nameless, columns={"note": at_night})[1] == "night"


def test_sizes_of_the_originals_are_looked_at(summaries):
    summary = by_place(summaries[0])
    widths = 100.0 + 50 * summary.clusters + np.arange(60) / 60
    looks = looks_of(summary.run, (widths, np.full(60, 100.0)))
    assert {"wide pictures", "large pictures"} <= set(looks.words_of(summary.clusters, 2)[1])


def test_looks_are_taken_once_and_recorded(summaries):
    run = summaries[0].run
    record = run.record("looks")
    assert [output.path for output in record.outputs] == ["looks/looks.npz"]
    pipeline.take_looks(run)
    assert run.record("looks") == record
