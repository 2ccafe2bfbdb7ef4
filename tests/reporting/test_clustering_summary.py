"""Galleries show the nearest and the most ambiguous images."""

import dataclasses

import numpy as np

from latentlab import pipeline
from latentlab.reporting import clustering_summary, text
from latentlab.scoring.evaluate import align, read_labels, scores_of


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
