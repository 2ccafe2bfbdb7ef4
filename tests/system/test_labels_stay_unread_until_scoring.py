"""Without readable labels, everything before scoring gives the very same files."""

import ast
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets
from helpers.files import ROOT
from helpers.runs import small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.scoring.evaluate import read_labels
from latentlab.scoring.labels import arrays
from latentlab.storage.files import sha256

DIGITS = DataOptions(data="digits", size=16, limit=60)


LOOP = {"interval": 2, "batch_size": 20, "max_steps": 4}


class _Unreadable(SimpleNamespace):
    @property
    def target(self):
        raise AssertionError("labels were read")


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
    blind = _Unreadable(images=sklearn.datasets.load_digits().images)
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: blind)
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


LABEL_READERS = {"batch_labels", "class_names", "class_folder"}


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("latentlab.data"):
            yield from (alias.name for alias in node.names)


def test_what_reads_labels_of_a_file_is_used_by_scoring_only():
    """Formats keep labels beside pixels; nothing but scoring/labels asks for them."""
    package = ROOT / "latentlab"
    users = {
        path.relative_to(package).parts[:2]
        for path in package.rglob("*.py")
        if LABEL_READERS.intersection(imported_names(path))
        or any("label" in name.lower() for name in imported_names(path))
    }
    assert users == {("scoring", "labels")}


def test_sources_ask_for_pixels_only():
    """No source, and nothing that collects images, mentions a label in its code."""
    for path in (ROOT / "latentlab" / "data").rglob("*.py"):
        if path.parent.name == "formats" or path.name == "mnist_files.py":
            continue
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)
        }
        assert not [name for name in names if "label" in name.lower()], path


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
