"""Scoring a run: what is computed once is read afterwards."""

import shutil

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.scoring import probes


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
