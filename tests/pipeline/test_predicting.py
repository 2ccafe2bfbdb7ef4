"""Clusters of new images."""

import numpy as np
from helpers.runs import make_stripes

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.storage import tables


def test_predict_gives_the_fitted_images_their_clusters(finished_run, data, tmp_path):
    table = tables.read(pipeline.predict(finished_run, "kmeans-k4", data, tmp_path / "new.parquet"))
    expected = tables.read(finished_run.path / "clusters" / "kmeans-k4" / "assignments.parquet")
    assert table["cluster"].to_pylist() == expected["cluster"].to_pylist()


def test_predict_brings_other_sizes_to_the_runs(finished_run, tmp_path):
    large = make_stripes(12)[0].repeat(2, axis=1).repeat(2, axis=2)
    np.save(tmp_path / "large.npy", large)
    table = tables.read(
        pipeline.predict(
            finished_run,
            "kmeans-k4",
            DataOptions(data=str(tmp_path / "large.npy")),
            tmp_path / "new.parquet",
        )
    )
    assert table.num_rows == 12
