"""Figures that only soft and deep clusterings have.

They show the confidence, cluster sizes by round, moved images, decoded centroids and the ways
between them.
"""

from typing import TYPE_CHECKING

import numpy as np

from latentlab.refinement.loop import RefinementSummary, Reseeding, RollBack
from latentlab.reporting import plots
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.decoded_pictures import say_something
from latentlab.reporting.edits import AS_COMPUTED
from latentlab.storage import guard, json_form, npz
from latentlab.storage.clustering import (
    DECODED_NAME,
    HISTORY_NAME,
    RESULT_NAME,
    Clustering,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_CLUSTERS = 20
SHOWN_CENTROIDS = 100
MOVED_IMAGES = 12  # per cluster
CAPTIONS = {
    "confidence": (
        "The largest soft assignment of each image: at the right the method is sure, at 1 / k it"
        " knows nothing."
    ),
    "size-history": "Share of the training images in each cluster, by round.",
    "moved": (
        "Images by the cluster that refinement started from and their cluster after it; what left"
        " the diagonal has moved."
    ),
    "moved-images": "Images that refinement moved, the surest first.",
    "centroids": "What the decoder makes of the mean code of each cluster.",
    "paths": ("What it makes of the way from the mean code of each cluster to that of the next."),
}
STARTS = {"n2d": "N2D's clusters"}
STOPPED_SINCE = {
    "settled": "the labels had settled",
    "max_steps": "the steps allowed were done",
    "diverged": "the loss did not stay finite",
}


def draw_figures(summary: ClusteringSummary) -> dict[str, "Figure"]:
    """Draw those figures that the clustering has data for.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        Names are those of `CAPTIONS`.
    """
    figures: dict[str, Figure] = {}
    computed = f" ({AS_COMPUTED})" if summary.is_edited else ""
    if summary.confidence is not None:
        title = f"Confidence of the assignments{computed}"
        figures["confidence"] = plots.histogram(
            summary.confidence, "largest soft assignment", title
        )
    if summary.start is not None:
        figures |= _moved_figures(summary, summary.start)
    figures |= _history_figures(summary.clustering)
    figures |= _decoded_figures(summary.clustering, computed)
    return figures


def refinement_sentences(clustering: Clustering) -> list[str]:
    """Return the course of a refinement and its repairs.

    Parameters
    ----------
    clustering : Clustering
        The clustering.

    Returns
    -------
    list of str
        Sentences; none for a clustering without refinement.
    """
    if clustering.result.fact("rounds") is None:
        return []
    refinement = json_form.read(RefinementSummary, clustering.folder / RESULT_NAME)
    moved = clustering.result.fact("moved")
    start = STARTS.get(clustering.options.settings.get("start", ""), "k-means on the code")
    sentences = [
        f"Started from {start}. {refinement.rounds} rounds, {refinement.steps:,} steps;"
        f" it ended since {STOPPED_SINCE[refinement.stopped]}."
        f" {moved:.1%} of the images moved."
    ]
    sentences += [_recovery_sentence(event) for event in refinement.recoveries]
    if refinement.went_back:
        reason = refinement.went_back
        sentences.append(f"Measured without labels, {reason}: these are the clusters of the start.")
    return sentences


def _recovery_sentence(event: Reseeding | RollBack) -> str:
    if isinstance(event, Reseeding):
        return (
            f"Round {event.round}: clusters {list(event.clusters)} had collapsed and were re-seeded"
            f" from clusters {list(event.donors)}."
        )
    return (
        f"Round {event.round}: the loss was not finite; back to the last good state, with a tenth"
        " of the learning rate."
    )


def _moved_figures(summary: ClusteringSummary, start: np.ndarray) -> dict[str, "Figure"]:
    """Return the table of clusters before and after refinement, and images that moved."""
    clusters = summary.clusters
    k = int(max(start.max(), clusters.max())) + 1
    counts = np.bincount(start * k + clusters, minlength=k * k).reshape(k, k)
    figures = {"moved": plots.transfer_heatmap(counts)}
    if not summary.has_pictures:
        return figures
    # One row of images per cluster that they moved into.
    rows = []
    for target in range(min(k, SHOWN_CLUSTERS)):
        movers = np.flatnonzero((clusters == target) & (start != target))
        surest = movers[np.argsort(-summary.margin[movers], kind="stable")][:MOVED_IMAGES]
        name = summary.numbered_name(target)
        rows.append((f"into {name} ({len(movers):,})", summary.images.read(surest)))
    if any(len(images) for _, images in rows):
        title = "Images that refinement moved"
        figures["moved-images"] = plots.cluster_gallery(rows, title, MOVED_IMAGES)
    return figures


def _history_figures(clustering: Clustering) -> dict[str, "Figure"]:
    """Return the cluster sizes by round, if the clustering was refined."""
    history = clustering.run.metrics(f"clusters/{clustering.name}/{HISTORY_NAME}")
    if not history:
        return {}
    # The rounds number the clusters as they were; the result numbers them by size.
    order = clustering.result.fact("order")
    sizes = np.array([row["sizes"] for row in history])[:, order]
    rounds = [row["epoch"] for row in history]
    return {"size-history": plots.size_history(sizes, rounds)}


def _decoded_figures(clustering: Clustering, computed: str) -> dict[str, "Figure"]:
    """Return decoded mean codes and the ways between them, if any of them says something.

    `computed` follows the titles: what is decoded are the clusters before edits.
    """
    path = clustering.folder / DECODED_NAME
    if not guard.is_there(path):
        return {}
    decoded = npz.read_stored(path)
    centroids = decoded["centroids"]
    paths = decoded["paths"]
    if not say_something(centroids).any():
        return {}
    k = len(centroids)
    title = f"Decoded mean code of each cluster{computed}"
    centroid_grid = plots.image_grid(centroids[:SHOWN_CENTROIDS], title, columns=min(10, k))
    rows = [(f"{i} to {(i + 1) % k}", path) for i, path in enumerate(paths[:SHOWN_CLUSTERS])]
    title = f"From one cluster to the next{computed}"
    path_grid = plots.cluster_gallery(rows, title, paths.shape[1])
    return {"centroids": centroid_grid, "paths": path_grid}
