"""Figures that only soft and deep clusterings have: confidence, sizes by round, what moved, decoded centroids and paths."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentlab.clustering import assignments
from latentlab.data.images import ImageSet
from latentlab.reporting import plots
from latentlab.storage import npz, tables
from latentlab.storage.run import Run

SHOWN_CLUSTERS = 20
MOVED_IMAGES = 12
CAPTIONS = {
    "confidence": "The largest soft assignment of each image: at the right the method is sure, at 1 / k it knows nothing.",
    "size-history": "Share of the training images in each cluster, by round.",
    "moved": "Images by the cluster that refinement started from and their cluster after it; what left the diagonal has moved.",
    "moved-images": "Images that refinement moved, the surest first.",
    "centroids": "What the decoder makes of the mean code of each cluster.",
    "paths": "What it makes of the way from the mean code of each cluster to that of the next.",
}


def figures(run: Run, name: str, images: ImageSet) -> dict[str, Any]:
    """Return those figures that the clustering `name` has files for, name -> Figure."""
    folder = run.path / "clusters" / name
    table = tables.read(folder / "assignments.parquet")
    drawn: dict[str, Any] = {}
    if "soft" in table.column_names:
        drawn["confidence"] = plots.histogram(
            tables.matrix(table["soft"]).max(axis=1),
            "largest soft assignment",
            "Confidence of the assignments",
        )
    if "start" in table.column_names:
        drawn |= _moved(table, images)
    history = run.metrics(f"clusters/{name}/history.jsonl")
    if history:
        sizes = np.array([row["sizes"] for row in history])[
            :, assignments.read_result(run, name)["order"]
        ]
        drawn["size-history"] = plots.size_history(sizes, [row["epoch"] for row in history])
    if (folder / "decoded.npz").exists():
        drawn |= _decoded(folder)
    return drawn


def events(run: Run, name: str) -> list[str]:
    """Return what the loop of a deep method did and repaired, in sentences."""
    result = assignments.read_result(run, name)
    if "rounds" not in result:
        return []
    ends = {
        "settled": "the labels had settled",
        "max_steps": "the steps allowed were done",
        "diverged": "the loss did not stay finite",
    }
    first = {"n2d": "N2D's clusters"}.get(result["settings"].get("start"), "k-means on the code")
    done = f"{result['rounds']} rounds, {result['steps']:,} steps; it ended since {ends[result['stopped']]}."
    texts = [f"Started from {first}. {done} {result['moved']:.1%} of the images moved."]
    for event in result["recoveries"]:
        if event["what"] == "re-seeded":
            texts.append(
                f"Round {event['round']}: clusters {event['clusters']} had collapsed and were re-seeded from clusters {event['from']}."
            )
        else:
            texts.append(
                f"Round {event['round']}: the loss was not finite; back to the last good state, with a tenth of the learning rate."
            )
    return texts


def _moved(table: pa.Table, images: ImageSet) -> dict[str, Any]:
    start, cluster, margin = (
        np.asarray(table[column]) for column in ("start", "cluster", "margin")
    )
    k = int(max(start.max(), cluster.max())) + 1
    counts = np.bincount(start * k + cluster, minlength=k * k).reshape(k, k)
    drawn = {"moved": plots.transfer_heatmap(counts)}
    rows = []
    for target in range(min(k, SHOWN_CLUSTERS)):
        movers = np.flatnonzero((cluster == target) & (start != target))
        rows.append(
            (
                f"into {target} ({len(movers):,})",
                images.read(movers[np.argsort(-margin[movers], kind="stable")][:MOVED_IMAGES]),
            )
        )
    if any(len(pictures) for _, pictures in rows):
        drawn["moved-images"] = plots.cluster_gallery(
            rows, "Images that refinement moved", MOVED_IMAGES
        )
    return drawn


def _decoded(folder: Path) -> dict[str, Any]:
    decoded = npz.kept(folder / "decoded.npz")
    centroids, paths = decoded["centroids"], decoded["paths"]
    k = len(centroids)
    rows = [(f"{i} to {(i + 1) % k}", path) for i, path in enumerate(paths[:SHOWN_CLUSTERS])]
    return {
        "centroids": plots.image_grid(
            centroids[:100], "Decoded mean code of each cluster", columns=min(10, k)
        ),
        "paths": plots.cluster_gallery(rows, "From one cluster to the next", paths.shape[1]),
    }
