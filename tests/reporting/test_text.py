"""Sentences of the report compare clusters with the best baseline."""

import dataclasses

from latentlab import pipeline
from latentlab.reporting import clustering_summary
from latentlab.reporting import text as texts
from latentlab.scoring.scores import ScoreRow, Scores


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
