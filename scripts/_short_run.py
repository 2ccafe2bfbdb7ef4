"""A short fit before a long one: does the setting learn at all, and how fast? So that hours are not spent on what fails in minutes."""

import dataclasses
import statistics
from pathlib import Path
from typing import Any

from _reports import Parts, held_out_scores

from latentlab import pipeline
from latentlab.config import ClusterOptions, FitOptions
from latentlab.sources import DataOptions

LEAST_ACCURACY = 0.60  # of 20 nearest neighbours on held-out images


def make(data: DataOptions, options: FitOptions, epochs: int, clusters: ClusterOptions, folder: Path) -> dict[str, Any]:
    """Fit for `epochs`, on a schedule of their own, and return what they give.

    The accuracy reads labels, of data that has some: a script that stops at it chooses by labels whether to go on, and nothing else.

    Returns
    -------
    dict
        epochs, minutes (by the median epoch) and images_per_second of the fit, knn_accuracy of the clusters' features, sizes of the clusters
        over both splits (largest first), purity (held-out).
    """
    run = pipeline.fit(data, dataclasses.replace(options, epochs=epochs), folder)
    clusters = pipeline.resolve(run, clusters)
    by_split = pipeline.cluster(run, clusters)["sizes"]
    probed = pipeline.probe(run, clusters)
    assert probed is not None  # such data has labels
    return {
        "epochs": epochs,
        "minutes": epochs * statistics.median(row["seconds"] for row in run.metrics() if row["epoch"]) / 60,
        "images_per_second": run.manifest["fit"]["images_per_second"],
        "knn_accuracy": next(row["value"] for row in probed["rows"] if row["metric"] == "knn_accuracy"),
        "sizes": sorted(map(sum, zip(*by_split.values(), strict=True)), reverse=True),
        "purity": held_out_scores(run, clusters)["purity"],
    }


def objection(told: dict[str, Any]) -> str:
    """Return why a long fit is not worth its time, by what a short one gave; "" where it is."""
    if told["knn_accuracy"] < LEAST_ACCURACY:
        return f"k-NN accuracy is {told['knn_accuracy']:.3f} after {told['epochs']} epochs, below {LEAST_ACCURACY}"
    if not told["sizes"][-1]:
        return f"a cluster is empty after {told['epochs']} epochs"
    return ""


def table(parts: Parts) -> str:
    """Return the Markdown table of the short fits."""
    lines = ["| before | epochs | minutes | images per second | k-NN accuracy | smallest and largest cluster | purity |", "| --- |" + " --- |" * 6]
    for name, part in parts.items():
        if told := part.get("short_run"):
            lines.append(
                f"| {name} | {told['epochs']} | {told['minutes']:.1f} | {told['images_per_second']:.0f} | {told['knn_accuracy']:.3f}"
                f" | {told['sizes'][-1]}, {told['sizes'][0]} | {told['purity']:.3f} |"
            )
    return "\n".join(lines)
