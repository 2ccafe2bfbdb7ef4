"""Sentences of the report compare clusters with the best baseline."""

import dataclasses

import numpy as np

from latentlab import pipeline
from latentlab.reporting import clustering_summary
from latentlab.reporting import text as texts
from latentlab.scoring.scores import ScoreRow, Scores


def test_facts_of_the_run_are_words_and_no_python(reported):
    summary = pipeline.look(reported, "kmeans-k4")
    facts = texts.facts(summary)
    assert facts["clusters"] == "kmeans-k4, as computed"
    assert "width 4, code channels 4" in facts["encoder"]
    assert "arch options" not in facts["encoder"]
    assert not set("{}[]'") & set(facts["encoder"] + facts["clustering"])


def test_settings_within_settings_stand_beside_the_others():
    settings = {"k": 4, "label": "", "settings": {"gamma": 0.1, "start": None}, "augment": False}
    told = texts.settings_text(settings | {"sizes": [3, 5], "whitened": True})
    assert told == "k 4, gamma 0.1, no augment, sizes 3 5, whitened"


def test_baselines_of_other_images_are_not_compared(reported):
    summary = pipeline.look(reported, "kmeans-k4")
    rows = [
        ScoreRow(split="test", method=method, metric="purity", value=value, chance=0.1, n=n)
        for method, value, n in (("k, edited by hand", 0.9, 30), ("pixels+kmeans", 0.5, 40))
    ]
    summary = dataclasses.replace(
        summary,
        scores=Scores(k=4, rows=tuple(rows)),
        edit_count=1,
        edit_note="with 1 edit by hand",
        clusters=np.where(summary.clusters == 3, -1, summary.clusters),
    )
    sentences = texts.summary_sentences(summary)
    n_left, n_dropped = (summary.clusters >= 0).sum(), (summary.clusters < 0).sum()
    assert sentences[0].startswith(f"{n_left} images in 3 clusters of ")
    assert f"with 1 edit by hand; {n_dropped} images are in none" in sentences[0]
    assert "cannot be compared" in sentences[-1]
    assert texts.EDITED_SCORES in sentences


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
