"""A short fit before a long one: does the setting learn at all, and how fast? So that hours are not
spent on what fails in minutes.
"""

import dataclasses
import statistics
from pathlib import Path
from typing import Any

from _reports import Parts, held_out_scores

from latentlab import pipeline
from latentlab.clustering.vector_clustering import all_vectors
from latentlab.config import ClusterOptions, DataOptions, FitOptions
from latentlab.encoders.embedding import Embeddings
from latentlab.scoring.evaluate import align, read_labels
from latentlab.scoring.probes import probe_features
from latentlab.storage import files
from latentlab.storage.run import Run

LEAST_ACCURACY = 0.60  # of 20 nearest neighbours on held-out images
TOLD = "short-run.json"


def make(
    data: DataOptions, options: FitOptions, epochs: int, clusters: ClusterOptions, folder: Path
) -> dict[str, Any]:
    """Fit for `epochs`, on a schedule of their own, and return what they give; it stays in the
    run's `folder`, for a later call.

    The accuracy reads labels, of data that has some: a script that stops at it chooses by labels
    whether to go on, and nothing else.

    Returns
    -------
    dict
        epochs, minutes (by the median epoch) and images_per_second of the fit, knn_accuracy of the
        clusters' features, sizes of the clusters over both splits (largest first), purity
        (held-out).
    """
    run = pipeline.fit(
        data, dataclasses.replace(options, epochs=epochs), folder
    )  # which refuses a folder of other data or settings
    kept = folder / TOLD
    if kept.exists():
        return files.read_json(kept)
    clusters = pipeline.resolve(run, clusters)
    by_split = pipeline.cluster(run, clusters).result.sizes
    told = {
        "epochs": epochs,
        "minutes": epochs
        * statistics.median(row["seconds"] for row in run.metrics() if row["epoch"])
        / 60,
        "images_per_second": run.fact("fit")["images_per_second"],
        "knn_accuracy": _knn_accuracy(run, clusters),
        "sizes": sorted(map(sum, zip(*by_split.values(), strict=True)), reverse=True),
        "purity": held_out_scores(run, clusters)["purity"],
    }
    files.write_json(kept, told)
    return told


def _knn_accuracy(run: Run, clusters: ClusterOptions) -> float:
    """Return the k-NN accuracy of the clusters' features, without the linear probe and the pixels
    that `latentlab probe` adds in minutes.
    """
    vectors = all_vectors(run, clusters)
    index = Embeddings(run.path).index()
    labels = read_labels(run)
    assert labels is not None  # such data has them
    (row,) = probe_features(
        vectors, index.splits, align(index.ids, labels), clusters.seed, ["knn_accuracy"]
    )
    return row.value


def objection(told: dict[str, Any]) -> str:
    """Return why a long fit is not worth its time, by what a short one gave; "" where it is."""
    if told["knn_accuracy"] < LEAST_ACCURACY:
        return (
            f"k-NN accuracy is {told['knn_accuracy']:.3f} after {told['epochs']} epochs,"
            f" below {LEAST_ACCURACY}"
        )
    if not told["sizes"][-1]:
        return f"a cluster is empty after {told['epochs']} epochs"
    return ""


def table(parts: Parts) -> str:
    """Return the Markdown table of the short fits."""
    lines = [
        "| before | epochs | minutes | images per second | k-NN accuracy | smallest and"
        " largest cluster | purity |",
        "| --- |" + " --- |" * 6,
    ]
    for name, part in parts.items():
        if told := part.get("short_run"):
            lines.append(
                f"| {name} | {told['epochs']} | {told['minutes']:.1f} |"
                f" {told['images_per_second']:.0f} | {told['knn_accuracy']:.3f}"
                f" | {told['sizes'][-1]}, {told['sizes'][0]} | {told['purity']:.3f} |"
            )
    return "\n".join(lines)
