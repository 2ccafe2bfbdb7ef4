"""Figures fit for a paper: at the width of one or two columns, text of 6 to 8 points, as PNG, SVG or PDF.

The data map has every cluster's name, size and typical images beside it, tied to where the cluster is densest.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.images import ImageSet
from latentlab.errors import ConfigError
from latentlab.reporting import palettes
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
ONE_COLUMN, TWO_COLUMNS = 3.35, 6.9  # inches: 85 and 175 mm
DPI = 400
MOST_CARDS = 20
CARD_IMAGES = 3
STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # text stays text: editors of journals ask for it
    "svg.fonttype": "none",
    "svg.hashsalt": "latentlab",
}


def write(
    summary: ClusteringSummary, folder: Path, formats: tuple[str, ...] = FORMATS
) -> list[Path]:
    """Draw all figures and write them to `folder`; return their paths.

    Raises
    ------
    ConfigError
        If a format is unknown.
    """
    import matplotlib

    unknown = set(formats) - set(FORMATS)
    if unknown:
        raise ConfigError(f"unknown format {min(unknown)!r}: known are {', '.join(FORMATS)}.")
    with matplotlib.rc_context(STYLE):
        return [
            _save(figure, folder / f"{name}.{kind}")
            for name, figure in draw(summary).items()
            for kind in formats
        ]


def draw(summary: ClusteringSummary) -> dict[str, "Figure"]:
    """Return name -> figure: the data map, the maps by cluster and label, what nearest images look like, labels by cluster, losses."""
    xy, chosen = summary.read_map()
    note = summary.map_note()
    figures = {
        "datamap": data_map(summary, xy, chosen),
        "map-clusters": point_map(
            xy, summary.clusters[chosen], [str(i) for i in range(summary.k)], note
        ),
    }
    if summary.classes is not None:
        figures["map-labels"] = point_map(
            xy, summary.classes[chosen], list(summary.class_names), note
        )
    figures["nearest"] = gallery(summary)
    if summary.scores is not None:
        figures["labels"] = label_bars(
            np.array(summary.scores["contingency"][summary.split]), summary.class_names
        )
    figures["loss"] = loss(summary.run.metrics())
    return figures


def _save(figure: "Figure", target: Path) -> Path:
    metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[
        target.suffix[1:]
    ]
    with atomic_path(target) as path:
        figure.savefig(path, format=target.suffix[1:], dpi=DPI, metadata=metadata)
    return target


# Maps


def point_map(
    xy: np.ndarray, groups: np.ndarray, names: list[str], note: str, width: float = ONE_COLUMN
) -> "Figure":
    """Draw the map of points (n, 2) in the colours of their groups, -1 grey, each group named where it is densest.

    Names of up to 30 groups stand on the map; there is no legend to look across to.
    """
    (across, up), room = np.ptp(xy, axis=0), 0.35
    figure, axis = _canvas(width, room + width * float(np.clip(up / max(across, 1e-9), 0.5, 1.3)))
    _points(axis, xy, groups, names)
    for group, name in enumerate(names if len(names) <= 30 else []):
        anchor = densest(xy[groups == group])
        if anchor is not None:
            _label(axis, anchor, name)
    axis.set_xlabel(note.replace("; ", "\n", 1), fontsize=5, color="#555555")
    return figure


def data_map(summary: ClusteringSummary, xy: np.ndarray, chosen: np.ndarray) -> "Figure":
    """Draw the map with a card at its side for each of the largest clusters, at most 20: number, size, commonest label, typical images."""
    figure, axis = _canvas(TWO_COLUMNS, 4.4)
    names = [str(i) for i in range(summary.k)]
    _points(axis, xy, summary.clusters[chosen], names)
    left, right, bottom, top = _square(axis, xy)
    sizes = np.bincount(summary.clusters[summary.clusters >= 0], minlength=summary.k)
    shown = [int(c) for c in np.argsort(-sizes, kind="stable")[:MOST_CARDS] if sizes[c]]
    anchors = {
        c: anchor
        for c in shown
        if (anchor := densest(xy[summary.clusters[chosen] == c])) is not None
    }
    nearest = summary.gallery("nearest", CARD_IMAGES)
    for side, column in zip((-1, 1), _columns(anchors), strict=True):
        for cluster, y in zip(column, _heights(len(column), bottom, top), strict=True):
            _card(
                axis,
                summary,
                cluster,
                anchors[cluster],
                side,
                (left if side < 0 else right, y),
                (right - left, top - bottom),
                nearest[cluster],
            )
    return figure


def densest(points: np.ndarray, cells: int = 8) -> np.ndarray | None:
    """Return the middle of the points (n, 2) in the fullest cell of a grid over them; None where there is no point."""
    if not len(points):
        return None
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-9)
    cell = np.minimum((cells * (points - low) / extent).astype(int), cells - 1) @ [cells, 1]
    return points[cell == np.bincount(cell).argmax()].mean(axis=0)


def _columns(anchors: dict[int, np.ndarray]) -> tuple[list[int], list[int]]:
    """Return the clusters of the left and the right column, as many in each, from top to bottom."""
    by_x = sorted(anchors, key=lambda c: anchors[c][0])
    half = (len(by_x) + 1) // 2
    left, right = (
        sorted(part, key=lambda c: -anchors[c][1]) for part in (by_x[:half], by_x[half:])
    )
    return left, right


def _heights(count: int, bottom: float, top: float) -> np.ndarray:
    """Return evenly spaced heights from the top downwards, in the middles of their strips."""
    return top - (np.arange(count) + 0.5) * (top - bottom) / max(count, 1)


def _card(
    axis: Any,
    summary: ClusteringSummary,
    cluster: int,
    anchor: np.ndarray,
    side: int,
    edge: tuple[float, float],
    extent: tuple[float, float],
    picks: np.ndarray,
) -> None:
    """Draw one card at the edge, on the left for side -1, and the line that ties it to the anchor."""
    from matplotlib.offsetbox import AnnotationBbox, HPacker, OffsetImage, TextArea

    colour = palettes.categories(summary.k)[cluster]
    members = np.flatnonzero(summary.clusters == cluster)
    mix = summary.label_mix(members, 1)
    told = f"{cluster}  ({len(members):,})" + (
        f"\n{mix[0][0][:16]} {100 * mix[0][1]:.0f}%" if mix else ""
    )
    text = TextArea(told, textprops={"fontsize": 6, "color": "#222222", "linespacing": 1.1})
    pictures = [
        OffsetImage(_rgb(image), zoom=13 / max(image.shape[:2]), interpolation="nearest")
        for image in summary.images.read(picks)
    ]
    box = HPacker(
        children=[text, *pictures] if side < 0 else [*pictures, text], align="center", pad=0, sep=2
    )
    x = edge[0] + side * 0.10 * extent[0]
    axis.plot(
        [anchor[0], x],
        [anchor[1], edge[1]],
        color=colour,
        linewidth=0.7,
        alpha=0.9,
        zorder=3,
        clip_on=False,
    )
    axis.plot(
        *anchor,
        "o",
        markersize=3,
        color=colour,
        markeredgecolor="white",
        markeredgewidth=0.5,
        zorder=4,
    )
    frame = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "lw": 0.8}
    alignment = (1.0, 0.5) if side < 0 else (0.0, 0.5)
    axis.add_artist(
        AnnotationBbox(
            box,
            (x, edge[1]),
            box_alignment=alignment,
            bboxprops=frame,
            annotation_clip=False,
            pad=0.15,
            zorder=5,
        )
    )


def _points(axis: Any, xy: np.ndarray, groups: np.ndarray, names: list[str]) -> None:
    order = np.random.default_rng(0).permutation(
        len(xy)
    )  # else the last group would lie on all others
    colours = np.array([*palettes.categories(len(names)), palettes.MISSING])
    axis.scatter(
        *xy[order].T,
        c=colours[groups[order]],
        s=float(np.clip(6000 / len(xy), 0.25, 8)),
        linewidths=0,
        alpha=0.85,
        rasterized=True,
    )
    axis.set(xticks=[], yticks=[])
    axis.set_aspect("equal", adjustable="datalim")
    axis.spines[:].set_visible(False)


def _square(axis: Any, xy: np.ndarray) -> tuple[float, float, float, float]:
    """Leave room for the cards at both sides; return left, right, bottom and top of the points."""
    (left, bottom), (right, top) = xy.min(axis=0), xy.max(axis=0)
    axis.set_xlim(left - 0.62 * (right - left), right + 0.62 * (right - left))
    axis.set_ylim(bottom - 0.02 * (top - bottom), top + 0.02 * (top - bottom))
    axis.set_aspect(
        "auto"
    )  # the axes of a map have no unit: filling the figure is worth more than one scale
    return float(left), float(right), float(bottom), float(top)


def _label(axis: Any, place: np.ndarray, text: str) -> None:
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=1.8, foreground="white")]
    axis.text(
        *place,
        text,
        fontsize=6,
        fontweight="bold",
        ha="center",
        va="center",
        color="#111111",
        zorder=5,
        path_effects=halo,
    )


# Others


def gallery(summary: ClusteringSummary, columns: int = 10, most: int = 12) -> "Figure":
    """Draw the images nearest to the centers of the largest clusters, at most 12, a row each."""
    sizes = np.bincount(summary.clusters[summary.clusters >= 0], minlength=summary.k)
    picks = summary.gallery("nearest", columns)
    largest = sorted(int(c) for c in np.argsort(-sizes, kind="stable")[:most] if sizes[c])
    figure, axis = _canvas(ONE_COLUMN, 0.3 * len(largest) + 0.1)
    mosaic = _mosaic(summary.images, [picks[c] for c in largest], columns)
    axis.imshow(mosaic, interpolation="nearest")
    step = mosaic.shape[0] / len(largest)
    axis.set(xticks=[], yticks=[(i + 0.5) * step - 0.5 for i in range(len(largest))])
    axis.set_yticklabels([f"{c}  ({sizes[c]:,})" for c in largest])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def _mosaic(images: ImageSet, rows: list[np.ndarray], columns: int) -> np.ndarray:
    height, width, _ = images.image_shape
    gap = max(1, height // 16)
    mosaic = np.full((len(rows) * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    for r, picks in enumerate(rows):
        for c, image in enumerate(images.read(picks) if len(picks) else []):
            mosaic[
                r * (height + gap) : r * (height + gap) + height,
                c * (width + gap) : c * (width + gap) + width,
            ] = image
    return mosaic


def label_bars(table: np.ndarray, class_names: tuple[str, ...]) -> "Figure":
    """Draw what share of each cluster has which label, stacked, for a table (k, n_classes)."""
    k = len(table)
    figure, axis = _canvas(ONE_COLUMN, 0.16 * k + 0.9)
    shares = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    colours, left = palettes.categories(len(class_names)), np.zeros(k)
    for label, name in enumerate(class_names):
        bars = axis.barh(
            range(k),
            shares[:, label],
            left=left,
            height=0.8,
            color=colours[label],
            label=name,
            linewidth=0,
        )
        for bar, share in zip(bars, shares[:, label], strict=True):
            if share >= 12 and len(class_names) <= 40:
                centre = (bar.get_x() + share / 2, bar.get_y() + 0.4)
                axis.text(
                    *centre,
                    name[:9],
                    fontsize=4.5,
                    ha="center",
                    va="center",
                    color=palettes.ink(colours[label]),
                )
        left += shares[:, label]
    axis.set(xlim=(0, 100), xlabel="% of the cluster", ylabel="cluster", yticks=range(k))
    axis.invert_yaxis()
    if len(class_names) <= 20:
        figure.legend(
            frameon=False,
            ncols=5,
            loc="outside lower center",
            handlelength=0.8,
            columnspacing=0.8,
            fontsize=5,
        )
    return figure


def loss(rows: list[dict[str, Any]]) -> "Figure":
    """Draw training and validation loss by epoch."""
    figure, axis = _canvas(ONE_COLUMN, 2.1)
    trained = [row for row in rows if row.get("epoch", 0) > 0 and "loss" in row]
    for (key, text, style), colour in zip(
        (("val_loss", "validation", "-"), ("loss", "training", "--")),
        palettes.categories(2),
        strict=True,
    ):
        epochs, values = [r["epoch"] for r in trained], [r.get(key, np.nan) for r in trained]
        axis.plot(
            epochs, values, style, color=colour, linewidth=1, marker="o", markersize=2, label=text
        )
    axis.set(xlabel="epoch", ylabel="loss")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return figure


def _canvas(width: float, height: float) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _rgb(image: np.ndarray) -> np.ndarray:
    return image if image.shape[2] == 3 else image.repeat(3, axis=2)
