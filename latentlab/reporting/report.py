"""The report on one clustering: one HTML file with everything inside, and its figures as PNG files.

It reads files of the run and images. Labels, if there are any, are read after every assignment is
written; they colour the map and give names to clusters.
"""

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import latentlab
from latentlab.plain_text import shortened
from latentlab.progress import log, track
from latentlab.reporting import deep_figures, html, plots
from latentlab.reporting.clustering_summary import ClusteringSummary, gallery_size
from latentlab.reporting.label_colours import label_colours
from latentlab.reporting.privacy import Privacy
from latentlab.scoring.scores import KScores
from latentlab.storage import guard, json_form, npz
from latentlab.storage.files import atomic_path
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Figures = dict[str, "Figure"]

BYTECODE = {".pyc", ".pyo"}
FIRST_IMAGES = 32
LONGEST_TITLE = 40  # characters of the data's name
GALLERY_CLUSTERS = 30
GALLERY_TITLES = {
    "nearest": "The images nearest to each center",
    "ambiguous": "The images between two clusters: smallest margin",
}


def write_report(summary: ClusteringSummary) -> list[Path]:
    """Write report/index.html and its figures as PNG.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.

    Returns
    -------
    list of pathlib.Path
        The page, then the figures.
    """
    folder = summary.run.path / "report"
    n_images = len(summary.images)
    log.info("report: drawing figures, thumbnails and the page of %d images", n_images)
    figures = draw_figures(summary)
    paths = {name: plots.save_png(figures[name], folder / f"{name}.png") for name in figures}
    # The folder may hold figures of another clustering.
    for stale in set(folder.glob("*.png")) - set(paths.values()):
        guard.writing(stale)
        stale.unlink()
    with track("report", n_images, is_announced=False) as bar:
        page = html.render_report(summary, _pictures(figures), bar.update)
    with atomic_path(folder / "index.html") as path:
        path.write_text(page, encoding="utf-8")
    return [folder / "index.html", *paths.values()]


@functools.cache
def code_digest() -> str:
    """Return the SHA-256 of the code and templates that draw reports."""
    folders = [Path(__file__).parent, Path(latentlab.__file__).parent / "templates"]
    digest = hashlib.sha256(latentlab.__version__.encode())
    paths = [path for folder in folders for path in folder.rglob("*")]
    sources = [path for path in paths if path.suffix not in BYTECODE and path.is_file()]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def draw_figures(summary: ClusteringSummary) -> Figures:
    """Draw every figure of a report.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
    """
    figures: Figures = {}
    if summary.has_pictures:
        first_images = summary.images.read(np.arange(min(FIRST_IMAGES, len(summary.images))))
        title = f"The first images of {_data_title(summary)}"
        figures["original-images"] = plots.image_grid(first_images, title)
    figures |= training_figures(summary.run)
    figures |= map_figures(summary)
    if summary.has_pictures and summary.shown:
        figures |= gallery_figures(summary)
    figures |= deep_figures.draw_figures(summary)
    figures |= score_figures(summary)
    return figures


def training_figures(run: Run) -> Figures:
    """Draw the figures of a fit: reconstructions after several epochs, and the loss.

    Parameters
    ----------
    run : Run
        A run with an encoder.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "reconstructions" and "loss"; empty for an encoder that was trained elsewhere.
    """
    if not run.config.is_autoencoder:
        return {}
    folder = run.path / "reconstructions"
    rebuilt = {}
    guard.listing(folder)
    for path in sorted(folder.glob("epoch-*.npy")):
        epoch = int(path.stem.removeprefix("epoch-"))
        name = f"epoch {epoch}" if epoch else "untrained"
        rebuilt[name] = npz.read_stored_array(path)
    fit = run.config.training
    curve = f"{fit.arch}, learning rate {fit.learning_rate:g}"
    return {
        "reconstructions": plots.reconstruction_grid(
            npz.read_stored_array(folder / "originals.npy"),
            rebuilt,
            "Validation images and their reconstructions",
        ),
        "loss": plots.loss_curves({curve: run.metrics()}),
    }


def map_figures(summary: ClusteringSummary) -> Figures:
    """Draw the map, coloured by cluster and, if there are labels, by label.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "umap-clusters" and "umap-labels"; none if there are too few images for a map.
    """
    if not summary.has_map:
        return {}
    xy, positions = summary.read_map()
    mapped = "code" if summary.encoder.has_code else "embedding"
    title = f"UMAP of the {mapped} of {_data_title(summary)}, coloured by"
    note = summary.map_note()
    cluster_names = [summary.given_name(i) or str(i) for i in range(summary.k)]
    remark = _in_brackets(summary.edit_remark)
    figures = {
        "umap-clusters": plots.scatter(
            xy, summary.clusters[positions], cluster_names, f"{title} clusters{remark}", note
        )
    }
    if summary.classes is not None:
        class_names = list(summary.class_names)
        figures["umap-labels"] = plots.scatter(
            xy,
            summary.classes[positions],
            class_names,
            f"{title} held-out labels",
            note,
            label_colours(summary),
        )
    return figures


def gallery_figures(summary: ClusteringSummary) -> Figures:
    """Draw typical and ambiguous images of the first 30 clusters.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "gallery-nearest" and "gallery-ambiguous".
    """
    count = gallery_size(summary.k)
    figures = {}
    for kind, title in GALLERY_TITLES.items():
        rows = []
        positions = summary.gallery(kind, count)
        for cluster in summary.shown[:GALLERY_CLUSTERS]:
            rows.append((summary.cluster_name(cluster), summary.images.read(positions[cluster])))
        title += _in_brackets(summary.edit_remark)
        figures[f"gallery-{kind}"] = plots.cluster_gallery(rows, title, count)
    return figures


def score_figures(summary: ClusteringSummary) -> Figures:
    """Draw the figures that need labels.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "by-k" if several numbers of clusters were scored, "contingency", and where edits are shown
        "contingency-computed"; empty without labels.
    """
    if summary.scores is None:
        return {}
    figures = {}
    by_k_path = summary.file_for_features("by-k")
    if guard.is_there(by_k_path):
        by_k = json_form.read(KScores, by_k_path)
        figures["by-k"] = plots.score_curve(by_k.rows, summary.split)
    figures["contingency"] = _contingency(summary)
    if summary.computed is not None and summary.computed.scores is not None:
        figures["contingency-computed"] = _contingency(summary.computed)
    return figures


def _contingency(summary: ClusteringSummary) -> "Figure":
    return plots.contingency_heatmap(
        summary.contingency(),
        summary.class_names,
        f"Labels in each cluster, {summary.split} split{_in_brackets(summary.edit_remark)}",
        list(map(summary.numbered_name, summary.shown)),
    )


def _in_brackets(remark: str) -> str:
    """Return what is said of edits as the end of a title; "" if nothing is."""
    return f" ({remark})" if remark else ""


def _data_title(summary: ClusteringSummary) -> str:
    """Return the name of the data as titles have room for it."""
    return shortened(Privacy.of(summary.run).public(summary.images.name), LONGEST_TITLE)


def _pictures(figures: Figures) -> dict[str, str]:
    """Return the figures of the page as data URIs."""
    shown = [name for name in figures if name in html.FIGURES]
    return {name: plots.svg_uri(figures[name]) for name in shown}
