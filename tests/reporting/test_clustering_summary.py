"""Galleries show the nearest and the most ambiguous images."""

import numpy as np

from latentlab import pipeline
from latentlab.reporting import clustering_summary


def test_galleries_pick_by_distance_and_margin(reported):
    summary = clustering_summary.read_summary(
        reported.clustering("kmeans-k4"), pipeline.open_run_images(reported), None
    )
    for kind, values in (("nearest", summary.distance), ("ambiguous", summary.margin)):
        for cluster, picks in enumerate(summary.gallery(kind, 5)):
            members = np.flatnonzero(summary.clusters == cluster)
            assert set(picks) <= set(members)
            assert values[picks].max() <= np.sort(values[members])[: len(picks)].max()
