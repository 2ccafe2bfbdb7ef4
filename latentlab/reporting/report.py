"""The report on one clustering of a run: a single HTML file with everything inside, and its figures as files beside it.

It reads files of the run and images; labels, where there are any, colour the map and name what was found, after every
assignment is written.
"""

from pathlib import Path
from typing import Any

import numpy as np

from latentlab.progress import log, track
from latentlab.reporting import deep_figures, findings, page, plots
from latentlab.reporting.findings import Findings
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


def build(found: Findings) -> list[Path]:
    """Write report/index.html and its PNGs; return their paths, the page first."""
    folder = found.run.path / "report"
    log.info("report: drawing figures, thumbnails and the page of %d images", len(found.images))
    figures = draw(found)
    pictures = {
        name: plots.save_png(figure, folder / f"{name}.png") for name, figure in figures.items()
    }
    for stale in set(folder.glob("*.png")) - set(pictures.values()):  # of another clustering
        stale.unlink()
    shown = {name: path for name, path in pictures.items() if name in page.FIGURES}
    with track("report", len(found.images)) as bar:
        inlined = {
            name: plots.svg_uri(figures[name]) if name in VECTORS else page.inline(path)
            for name, path in shown.items()
        }
        text = page.render(found, inlined, bar.update)
    with atomic_path(folder / "index.html") as path:
        path.write_text(text, encoding="utf-8")
    return [folder / "index.html", *pictures.values()]


def draw(found: Findings) -> dict[str, Any]:
    """Draw every figure and return name -> Figure."""
    figures = {
        "original-images": plots.image_grid(
            found.images.read(np.arange(min(32, len(found.images)))),
            f"The first images of {found.images.name}",
        )
    }
    figures |= training_figures(found.run)
    figures |= map_figures(found)
    figures |= gallery_figures(found)
    figures |= deep_figures.figures(found.run, found.name, found.images)
    if found.scores is not None:
        table = np.array(found.scores["contingency"][found.split])
        by_k = found.on_features("by-k")
        if by_k.exists():
            figures["by-k"] = plots.score_curve(read_json(by_k)["rows"], found.split)
        figures["contingency"] = plots.contingency_heatmap(
            table, found.class_names, f"Labels in each cluster, {found.split} split"
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


def map_figures(found: Findings) -> dict[str, Any]:
    """Return the maps, "umap-clusters" and, where there are labels, "umap-labels"."""
    xy, chosen = findings.read_map(found)
    note = findings.map_note(found.run)
    groups = {"umap-clusters": (found.clusters, [str(i) for i in range(found.k)], "clusters")}
    if found.classes is not None:
        groups["umap-labels"] = (found.classes, list(found.class_names), "held-out labels")
    return {
        name: plots.scatter(
            xy,
            numbers[chosen],
            names,
            f"UMAP of the code of {found.images.name}, coloured by {what}",
            note,
        )
        for name, (numbers, names, what) in groups.items()
    }


def gallery_figures(found: Findings) -> dict[str, Any]:
    """Return the galleries of the first 30 clusters, "gallery-nearest" and "gallery-ambiguous"."""
    count = findings.gallery_size(found.k)
    titles = {
        "nearest": "The images nearest to each center",
        "ambiguous": "The images between two clusters: smallest margin",
    }
    return {
        f"gallery-{kind}": plots.cluster_gallery(
            [
                (f"cluster {c}", found.images.read(picks))
                for c, picks in enumerate(findings.picked(found, kind, count))
            ][:30],
            title,
            count,
        )
        for kind, title in titles.items()
    }
