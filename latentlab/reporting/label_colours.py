"""Colours of labels: a label looks like a cluster only where the two belong together."""

import numpy as np

from latentlab.reporting import palettes
from latentlab.reporting.clustering_summary import ClusteringSummary


def label_colours(summary: ClusteringSummary) -> list[str]:
    """Return the colour of each label: that of a cluster if each is the other's commonest.

    Parameters
    ----------
    summary : ClusteringSummary
        A clustering, edited or as computed, of images with labels.

    Returns
    -------
    list of str
        "#rrggbb" for each of `summary.class_names`; see `palettes.matched`.
    """
    n_labels = len(summary.class_names)
    table = np.zeros((summary.k, n_labels), np.int64)
    if summary.classes is not None:
        is_in_both = (summary.clusters >= 0) & (summary.classes >= 0)
        np.add.at(table, (summary.clusters[is_in_both], summary.classes[is_in_both]), 1)
    return palettes.matched(table)
