"""The trust statement of runs: stored, label-free, with pictures and without."""

import shutil

import numpy as np
import pytest

from latentlab import pipeline
from latentlab.clustering import trust_report
from latentlab.clustering.trust_rule import Grade
from latentlab.pipeline import trusting
from latentlab.reporting.trust_text import LABEL_FREE, sentences
from latentlab.storage.run import Run


@pytest.fixture
def run(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_a_statement_is_made_once_and_stored(run, monkeypatch):
    report = pipeline.trust_of(run, "kmeans-k4")
    assert report.name == "kmeans-k4"
    assert report.grade in Grade
    assert report.measures.images == 160
    assert report.measures.repetition.colours > 0.5  # the stripes differ in colour
    assert 0 <= report.measures.familiarity <= 1
    assert (run.path / "trust" / "kmeans-k4.json").exists()
    monkeypatch.setattr(trust_report, "assess", None)  # nothing is measured again
    assert pipeline.trust_of(run, "kmeans-k4") == report

    texts = sentences(report)
    assert texts[0] == report.verdict.sentence
    assert texts[-1] == LABEL_FREE
    assert len(texts) == 7


def test_without_pictures_it_rests_on_vectors(run, monkeypatch):
    def gone(run):
        raise trusting.DataError("the pictures are gone")

    monkeypatch.setattr(trusting, "open_small_images", gone)
    monkeypatch.setattr(trusting, "open_run_images", gone)
    report = pipeline.trust_of(run, "kmeans-k4")
    assert report.measures.repetition is None
    assert report.measures.familiarity is None
    assert any("no pictures" in text for text in sentences(report))


def test_vectors_are_those_of_the_rows_in_their_order(run):
    every = trusting._vectors_at(run, "code", np.arange(160))
    rows = np.array([150, 3, 77, 4])
    np.testing.assert_array_equal(trusting._vectors_at(run, "code", rows), every[rows])


@pytest.mark.parametrize("clusters", [np.zeros(100, int), np.arange(100), np.arange(10) % 2])
def test_one_cluster_many_clusters_and_few_images_are_not_measured(clusters):
    assert not trust_report.can_be_measured(clusters)
