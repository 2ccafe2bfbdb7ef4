"""Galleries show the nearest and the most ambiguous images."""

import dataclasses
import shutil

import numpy as np
import pytest

from latentlab import pipeline
from latentlab.errors import ConfigError
from latentlab.features.steps import unit
from latentlab.reporting import clustering_summary, text, umap_map
from latentlab.reporting.edits import Accept, Drop, Editor, Merge, Name, Tag
from latentlab.scoring import metrics
from latentlab.scoring.evaluate import align, read_labels, scores_of
from latentlab.storage.run import Run


def test_galleries_pick_by_distance_and_margin(reported):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )
    for kind, values in (("nearest", summary.distance), ("ambiguous", summary.margin)):
        for cluster, picks in enumerate(summary.gallery(kind, 5)):
            members = np.flatnonzero(summary.clusters == cluster)
            assert set(picks) <= set(members)
            assert values[picks].max() <= np.sort(values[members])[: len(picks)].max()


def test_held_out_images_without_labels_leave_the_scores_to_the_training_split(reported):
    clustering = reported.clustering("kmeans-k4")
    images = pipeline.open_run_images(reported)
    labels = read_labels(reported, keep=False)
    is_held_out = np.isin(labels.ids, images.ids[images.indices("test")])
    numbers = np.where(is_held_out, -1, labels.labels)
    labels = dataclasses.replace(labels, labels=numbers, origin="labels by folders")
    scores = scores_of("x", labels, {"kmeans": clustering.assignments}, 4)
    assert scores.labels == "labels by folders"
    assert scores.unlabelled == is_held_out.sum() > 0
    summary = clustering_summary.read_summary(clustering, images, labels)
    assert (summary.classes == align(images.ids, labels)).all()
    summary = dataclasses.replace(summary, scores=scores, labels_text=labels.origin)
    assert summary.split == "train"
    assert text.recall_table(summary)
    assert text.facts(summary)["labels"] == "labels by folders"
    assert {row.split for row in text.score_table(summary.scores)} == {"train"}


@pytest.fixture
def editor(finished_run, tmp_path):
    """Return the editor of a clustering with scores, in a run of its own."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    pipeline.evaluate(run, "kmeans-k4")
    return Editor(run.clustering("kmeans-k4"))


def summaries_of(editor):
    """Return the clustering as it is edited, and as it was computed."""
    run = editor.clustering.run
    edited = pipeline.look(run, "kmeans-k4")
    return edited, pipeline.look(run, "kmeans-k4", as_computed=True)


def test_without_edits_a_summary_says_that_it_is_as_computed(editor):
    summary, computed = summaries_of(editor)
    assert not summary.is_edited
    assert summary.edit_note == computed.edit_note == "as computed"
    assert summary.shown == (0, 1, 2, 3)
    assert [summary.cluster_name(number) for number in (-1, 2)] == ["", "cluster 2"]
    assert summary.scores == computed.scores


def test_names_alone_change_neither_clusters_nor_scores(editor):
    editor.add(Name(1, "cats"))
    editor.add(Accept([1]))
    summary, computed = summaries_of(editor)
    assert summary.cluster_name(1) == "cats"
    assert summary.status == ("", "accepted", "", "")
    assert summary.edit_note == "with 2 edits by hand"
    assert (summary.clusters == computed.clusters).all()
    assert summary.scores == computed.scores
    assert computed.cluster_name(1) == "cluster 1"
    assert computed.edit_note == "as computed, without 2 edits by hand"
    assert not computed.is_edited


def test_merged_and_dropped_clusters_are_shown_nowhere_and_scores_are_of_the_rest(editor):
    image_id = str(editor.clustering.assignments.ids[0])
    for edit in (Merge([2, 0]), Drop([3]), Tag([image_id], "odd")):
        editor.add(edit)
    summary, computed = summaries_of(editor)
    assert summary.shown == (1, 2)
    assert summary.k == 4
    assert summary.tags == {image_id: ("odd",)}
    sizes = computed.sizes()
    assert summary.sizes().tolist() == [0, sizes[1], sizes[2] + sizes[0], 0]

    scored = (summary.clusters >= 0) & (summary.images.splits == summary.split)
    n_classes = len(summary.class_names)
    clusters, classes = summary.clusters[scored], summary.classes[scored]
    table = metrics.contingency(clusters, classes, 4, n_classes)
    first, *baselines = summary.scores.by_method(summary.split).values()
    assert first.method.endswith(", edited by hand")
    assert first.headline("nmi").value == pytest.approx(metrics.nmi(table))
    assert first.headline("nmi").n == scored.sum() < (summary.images.splits == summary.split).sum()
    assert list(map(list, summary.scores.contingency[summary.split])) == table.tolist()
    assert baselines == list(computed.scores.by_method(summary.split).values())[1:]


def test_clusters_that_were_all_dropped_have_no_scores(editor):
    editor.add(Drop([0, 1, 2, 3]))
    summary, _ = summaries_of(editor)
    assert summary.scores is None
    assert summary.shown == ()
    run = editor.clustering.run
    with pytest.raises(ConfigError, match="every cluster of run:kmeans-k4 is dropped"):
        pipeline.compare([(run, None), (run, None)], run.path / "comparison")


def test_damaged_edits_do_not_stand_in_the_way_of_what_was_computed(editor):
    editor.add(Name(1, "cats"))
    editor.path.unlink()
    editor.journal_path.unlink()
    computed = pipeline.look(editor.clustering.run, "kmeans-k4", as_computed=True)
    assert computed.edit_note == "as computed"


def test_the_gallery_of_a_merged_cluster_is_nearest_to_the_mean_of_all_its_images(editor):
    editor.add(Merge((1, 2)))
    edited, computed = summaries_of(editor)
    members = edited.members(1)
    vectors = unit(umap_map.mapped_vectors(edited.run, members))
    order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    assert edited.gallery("nearest", 6)[1].tolist() == members[order[:6]].tolist()
    assert edited.gallery("nearest", 6)[1].tolist() != computed.gallery("nearest", 6)[1].tolist()
    for cluster in (0, 3):  # as they were
        assert (
            edited.gallery("nearest", 6)[cluster] == computed.gallery("nearest", 6)[cluster]
        ).all()
    assert (edited.distance == computed.distance).all()


def test_very_many_changed_images_keep_the_order_of_the_old_centers(editor, monkeypatch):
    editor.add(Merge((1, 2)))
    monkeypatch.setattr(clustering_summary, "MOST_TYPICAL", 3)
    edited, _ = summaries_of(editor)
    assert (edited.typical == edited.distance).all()
