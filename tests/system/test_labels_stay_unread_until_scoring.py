"""Without readable labels, everything before scoring gives the very same files."""

import ast
import dataclasses

import numpy as np
import pytest
from helpers.files import ROOT
from helpers.runs import small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.data.formats import digits_table
from latentlab.scoring.evaluate import read_labels
from latentlab.scoring.labels import arrays
from latentlab.scoring.labels.digits import CLASS_COLUMN
from latentlab.storage.files import sha256

DIGITS = DataOptions(data="digits", size=16, limit=60)
LOADTXT = np.loadtxt


LOOP = {"interval": 2, "batch_size": 20, "max_steps": 4}


def read_pixels_alone(*arguments, usecols, **settings):
    """Be `numpy.loadtxt` where the table of the digits is read, without its column of classes."""
    if CLASS_COLUMN in usecols:
        raise AssertionError("labels were read")
    return LOADTXT(*arguments, usecols=usecols, **settings)


def everything_without_labels(folder):
    run = pipeline.fit(
        DIGITS, FitOptions(arch="dcec", epochs=1, batch_size=20, validation=0.2), folder
    )
    pipeline.cluster(run, ClusterOptions(k=3))
    pipeline.cluster_seeds(run, ClusterOptions(k=3, restarts=1), 2)
    pipeline.cluster(
        run,
        ClusterOptions(
            k=None,
            method="hdbscan",
            features="pca5",
            settings={"min_cluster_size": 3, "min_samples": 1},
        ),
    )
    pipeline.cluster(run, ClusterOptions(k=3, method="dcec", settings=LOOP))
    pipeline.choose_k(run, ClusterOptions(restarts=1), [2, 3, 4])
    return run


def test_every_label_unreadable_gives_the_same_run(tmp_path, monkeypatch):
    readable = everything_without_labels(tmp_path / "readable")
    monkeypatch.setattr(digits_table.np, "loadtxt", read_pixels_alone)
    run = everything_without_labels(tmp_path / "blind")
    with pytest.raises(AssertionError, match="labels were read"):
        read_labels(run)
    made = [
        path.relative_to(run.path)
        for pattern in ("*.parquet", "weights.npz", "choose-k/*.json")
        for path in run.path.rglob(pattern)
    ]
    assert len([path for path in made if path.name == "assignments.parquet"]) == 5
    for path in made:
        assert sha256(run.path / path) == sha256(readable.path / path), path


# What gives labels out; the other functions with labels in their names say where they lie.
LABEL_READERS = {"batch_labels", "class_names", "label_arrays", "name_classes"}
LABEL_PLACES = {
    *("LABEL_COLUMNS", "LABEL_KEYS", "LABEL_NAMES", "MOST_LABEL_BYTES"),
    *("find_label_column", "has_label_members", "has_labels", "label_column_of"),
    *("_is_named_for_labels", "_may_be_labels"),
}


def trees(folder):
    for path in folder.rglob("*.py"):
        yield path.relative_to(ROOT / "latentlab"), ast.walk(ast.parse(path.read_text()))


def imported_from_data(nodes):
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latentlab.data"):
            yield from (alias.name for alias in node.names)


def test_what_reads_labels_of_a_file_is_used_by_scoring_only():
    """Formats keep labels beside pixels; nothing but scoring/labels asks for them."""
    users = set()
    for path, nodes in trees(ROOT / "latentlab"):
        names = set(imported_from_data(nodes))
        assert {name for name in names if "label" in name.lower()} <= LABEL_READERS | LABEL_PLACES
        if names & LABEL_READERS:
            users.add(path.parts[:2])
    assert users == {("scoring", "labels")}


def test_the_folders_that_are_classes_are_asked_for_by_scoring_only():
    """A layout is made for the splits, and knows the classes too."""
    users = set()
    for path, nodes in trees(ROOT / "latentlab"):
        if any(isinstance(node, ast.Attribute) and node.attr == "class_folders" for node in nodes):
            users.add(path.as_posix())
    # `name_classes` is one of the readers above.
    assert users == {"data/layouts/name_splits.py", "scoring/labels/_policy.py"}


def test_sources_call_nothing_that_reads_labels():
    """Sources, and what collects images, say at most where labels lie."""
    for path, nodes in trees(ROOT / "latentlab" / "data"):
        if path.parent.name == "formats" or path.name == "mnist_files.py":
            continue
        calls = (node.func for node in nodes if isinstance(node, ast.Call))
        names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
        assert {name for name in names if "label" in name.lower()} <= LABEL_PLACES, path


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
