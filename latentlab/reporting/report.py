"""The report on one clustering of a run: a single HTML file with everything inside, and its figures as files beside it.

It reads files of the run and images; labels, where there are any, colour the map and name what was found, after every
assignment is written.
"""

from pathlib import Path
from typing import Any

import numpy as np

from latentlab.progress import log, track
from latentlab.reporting import clustering_summary, deep_figures, html, plots
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.storage import npz
from latentlab.storage.files import atomic_path, read_json
from latentlab.storage.run import Run

VECTORS = (
    "loss",
    "contingency",
    "by-k",
    "confidence",
    "size-history",
    "moved",
)  # lines and text: drawn as SVG in the page


def build(summary: ClusteringSummary) -> list[Path]:
    """Write report/index.html and its PNGs; return their paths, the page first."""
    folder = summary.run.path / "report"
    log.info("report: drawing figures, thumbnails and the page of %d images", len(summary.images))
    figures = draw(summary)
    pictures = {
        name: plots.save_png(figure, folder / f"{name}.png") for name, figure in figures.items()
    }
    for stale in set(folder.glob("*.png")) - set(pictures.values()):  # of another clustering
        stale.unlink()
    shown = {name: path for name, path in pictures.items() if name in html.FIGURES}
    with track("report", len(summary.images)) as bar:
        inlined = {
            name: plots.svg_uri(figures[name]) if name in VECTORS else html.inline(path)
            for name, path in shown.items()
        }
        text = html.render(summary, inlined, bar.update)
    with atomic_path(folder / "index.html") as path:
        path.write_text(text, encoding="utf-8")
    return [folder / "index.html", *pictures.values()]


def draw(summary: ClusteringSummary) -> dict[str, Any]:
    """Draw every figure and return name -> Figure."""
    figures = {
        "original-images": plots.image_grid(
            summary.images.read(np.arange(min(32, len(summary.images)))),
            f"The first images of {summary.images.name}",
        )
    }
    figures |= training_figures(summary.run)
    figures |= map_figures(summary)
    figures |= gallery_figures(summary)
    figures |= deep_figures.figures(summary.run, summary.name, summary.images)
    if summary.scores is not None:
        table = np.array(summary.scores["contingency"][summary.split])
        by_k = summary.file_for_features("by-k")
        if by_k.exists():
            figures["by-k"] = plots.score_curve(read_json(by_k)["rows"], summary.split)
        figures["contingency"] = plots.contingency_heatmap(
            table, summary.class_names, f"Labels in each cluster, {summary.split} split"
        )
    return figures


def training_figures(run: Run) -> dict[str, Any]:
    """Return the figures of a fit: "reconstructions" after several epochs, and "loss"."""
    folder = run.path / "reconstructions"
    originals = npz.kept_array(folder / "originals.npy")
    rebuilt = {
        f"epoch {int(p.stem[6:])}": npz.kept_array(p) for p in sorted(folder.glob("epoch-*.npy"))
    }
    untrained = {"untrained" if name == "epoch 0" else name: rows for name, rows in rebuilt.items()}
    fit = run.manifest["config"]["fit"]
    return {
        "reconstructions": plots.reconstruction_grid(
            originals, untrained, "Validation images and their reconstructions"
        ),
        "loss": plots.loss_curves(
            {f"{fit['arch']}, learning rate {fit['learning_rate']:g}": run.metrics()}
        ),
    }


def map_figures(summary: ClusteringSummary) -> dict[str, Any]:
    """Return the maps, "umap-clusters" and, where there are labels, "umap-labels"."""
    xy, chosen = summary.read_map()
    note = summary.map_note()
    groups = {"umap-clusters": (summary.clusters, [str(i) for i in range(summary.k)], "clusters")}
    if summary.classes is not None:
        groups["umap-labels"] = (summary.classes, list(summary.class_names), "held-out labels")
    return {
        name: plots.scatter(
            xy,
            numbers[chosen],
            names,
            f"UMAP of the code of {summary.images.name}, coloured by {what}",
            note,
        )
        for name, (numbers, names, what) in groups.items()
    }


def gallery_figures(summary: ClusteringSummary) -> dict[str, Any]:
    """Return the galleries of the first 30 clusters, "gallery-nearest" and "gallery-ambiguous"."""
    count = clustering_summary.gallery_size(summary.k)
    titles = {
        "nearest": "The images nearest to each center",
        "ambiguous": "The images between two clusters: smallest margin",
    }
    return {
        f"gallery-{kind}": plots.cluster_gallery(
            [
                (f"cluster {c}", summary.images.read(picks))
                for c, picks in enumerate(summary.gallery(kind, count))
            ][:30],
            title,
            count,
        )
        for kind, title in titles.items()
    }
