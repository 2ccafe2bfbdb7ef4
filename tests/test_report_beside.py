"""The report tells what else the run knows: spread over seeds, probes, the audit, scores by k."""

import shutil

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.scoring import probes


def test_what_bears_on_the_scores_stands_beside_them(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    pipeline.cluster_seeds(run, ClusterOptions(k=4, restarts=1), 2)
    name = "kmeans-k4-seeds2"
    before = pipeline.report(run, name, sample=40).read_text()
    assert "Over its 2 seeds" in before
    assert "linear probe" not in before
    pipeline.probe(run, ClusterOptions())
    pipeline.audit(run, name)
    pipeline.score_by_k(run, ClusterOptions(restarts=1), [2, 3, 4])
    after = pipeline.report(run, name, sample=40).read_text()
    assert "a k-NN classifier names" in after
    assert "near duplicate among the fitted ones" in after
    assert "Scores of k-means by the number of clusters" in after
    assert (run.path / "by-k" / "code.csv").read_text().startswith("k,split,method")


def test_pixels_are_probed_once_for_all_features(finished_run, tmp_path, monkeypatch):
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = type(finished_run).open(tmp_path / "run")
    asked, real = [], probes.probe_features

    def counted(vectors, *others, **named):
        asked.append(vectors.shape[1])
        return real(vectors, *others, **named)

    monkeypatch.setattr(probes, "probe_features", counted)
    found = [pipeline.probe(run, ClusterOptions(features=steps)) for steps in ("code", "pool")]
    assert len(asked) == 3
    of_pixels = [[row for row in report.rows if row.method == "pixels"] for report in found]
    assert of_pixels[0] == of_pixels[1]
    assert len(of_pixels[0]) == 2
    pipeline.probe(run, ClusterOptions(features="pool", seed=1))
    assert len(asked) == 5
