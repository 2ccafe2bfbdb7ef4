"""With labels that cannot be read, fitting, clustering, refinement and the choice of k give the very same files."""

from types import SimpleNamespace

import pytest
from sklearn.datasets import load_digits

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.data.sources import digits
from latentlab.scoring.evaluate import read_labels
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
            k=0,
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
    blind = _Unreadable(images=load_digits().images)
    monkeypatch.setattr(digits, "_bunch", lambda: blind)
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
