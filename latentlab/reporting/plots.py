"""Static figures. Every function returns a matplotlib Figure that belongs to nobody; `save_png` writes it.

Colours are those of `latentlab.reporting.palettes`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.reporting import palettes
from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
LARGEST = 450_000  # bytes of a PNG; pictures above are reduced to 256 colours


def save_png(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, atomically, and return its path."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    data = buffer.getvalue()
    if len(data) > LARGEST:
        smaller = io.BytesIO()
        Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
            smaller, format="png", optimize=True
        )
        data = min(data, smaller.getvalue(), key=len)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def svg_uri(figure: "Figure") -> str:
    """Return a figure as an SVG data URI whose text is text, without the date, so that the same figure gives the same bytes."""
    import base64
    import io

    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "latentlab"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def png_uri(figure: "Figure") -> str:
    """Return a figure as a PNG data URI."""
    import base64
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def plain_map(xy: np.ndarray, groups: np.ndarray, colours: Sequence[str]) -> "Figure":
    """Draw the points (n, 2) in the colours of their groups, -1 grey, and nothing else."""
    figure, axis = _axes(4, 4)
    order = np.random.default_rng(0).permutation(len(xy))
    every = np.array([*colours, palettes.MISSING])
    axis.scatter(
        *xy[order].T,
        c=every[groups[order]],
        s=float(np.clip(12_000 / max(len(xy), 1), 0.6, 14)),
        linewidths=0,
        alpha=0.85,
    )
    axis.set(xticks=[], yticks=[])
    axis.set_aspect("equal", adjustable="datalim")
    axis.spines[:].set_visible(False)
    return figure


def loss_curves(curves: dict[str, list[dict[str, Any]]]) -> "Figure":
    """Draw training (dashed) and validation loss (solid) by epoch, one colour a run.

    Parameters
    ----------
    curves : dict
        name -> rows with "epoch", "loss" (mean squared error on the training images; absent in row 0) and "val_loss".
    """
    figure, axis = _axes(7, 4.2)
    for colour, (name, rows) in zip(palettes.categories(len(curves)), curves.items(), strict=True):
        trained = [row for row in rows if row.get("epoch", 0) > 0]
        axis.plot(
            [r["epoch"] for r in trained],
            [r["loss"] for r in trained],
            "--",
            color=colour,
            linewidth=1,
            alpha=0.7,
        )
        best = min((r["val_loss"] for r in trained), default=float("nan"))
        axis.plot(
            [r["epoch"] for r in trained],
            [r["val_loss"] for r in trained],
            "o-",
            color=colour,
            markersize=3,
            label=f"{name} (best {best:.4f})",
        )
    axis.set(
        xlabel="epoch",
        ylabel="mean squared error",
        yscale="log",
        title="Loss on validation images (solid) and training images (dashed)",
    )
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False)
    return figure


def image_grid(images: np.ndarray, title: str, columns: int = 8) -> "Figure":
    """Draw uint8 images (n, height, width, channels) in rows of `columns`."""
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    return _rows_of_images([("", row) for row in rows], title, columns)


def reconstruction_grid(
    originals: np.ndarray, rebuilt: dict[str, np.ndarray], title: str
) -> "Figure":
    """Draw originals above what the decoder makes of them.

    Parameters
    ----------
    originals : ndarray of shape (n, height, width, channels), uint8
    rebuilt : dict
        row name (such as "epoch 5") -> reconstructions of the same images.
    """
    return _rows_of_images([("original", originals), *rebuilt.items()], title, len(originals))


def cluster_gallery(
    clusters: Sequence[tuple[str, np.ndarray]], title: str, columns: int
) -> "Figure":
    """Draw one row of images a cluster, each (row name, uint8 images (m, height, width, channels))."""
    return _rows_of_images(clusters, title, columns)


def captioned_grid(
    images: np.ndarray, captions: Sequence[str], title: str, columns: int = 8
) -> "Figure":
    """Draw uint8 images (n, height, width, channels) in rows of `columns`, each with a caption below."""
    from matplotlib.figure import Figure

    count = -(-len(images) // columns)
    figure = Figure(figsize=(columns * 1.15, count * 1.6 + 0.5), layout="constrained")
    axes = np.atleast_2d(figure.subplots(count, columns, squeeze=False))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(
            image if image.shape[2] == 3 else image.repeat(3, axis=2), interpolation="nearest"
        )
        axis.set_title(caption, fontsize=7, y=-0.42)
    figure.suptitle(title, fontsize=10)
    return figure


def scatter(
    xy: np.ndarray, groups: np.ndarray, names: Sequence[str], title: str, note: str
) -> "Figure":
    """Draw the map, a colour a group, group names at their median places and in the legend.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    groups : ndarray of shape (n,), int
        Index into `names`; -1 is drawn grey.
    note : str
        What the picture shows of how many images; stands below it.
    """
    figure, axis = _axes(7.6, 6.4)
    order = np.random.default_rng(0).permutation(
        len(xy)
    )  # else the last group would lie on all others
    colours = np.array([*palettes.categories(len(names)), palettes.MISSING])
    size = float(np.clip(20_000 / max(len(xy), 1), 2, 30))
    axis.scatter(
        *xy[order].T, c=colours[groups[order]], s=size, linewidths=0, alpha=0.7, rasterized=True
    )
    for number, name in enumerate(names):
        members = xy[groups == number]
        axis.scatter([], [], color=colours[number], label=f"{name} ({len(members):,})")
        if len(members) and len(names) <= 30:
            x, y = np.median(members, axis=0)
            axis.text(
                x,
                y,
                name,
                ha="center",
                va="center",
                fontsize=8,
                bbox={
                    "boxstyle": "round,pad=0.2",
                    "fc": "white",
                    "ec": colours[number],
                    "alpha": 0.8,
                },
            )
    axis.set(xticks=[], yticks=[], title=title)
    axis.set_xlabel(note, fontsize=8)
    axis.legend(
        frameon=False,
        fontsize=7,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        ncols=1 + len(names) // 31,
    )
    return figure


def contingency_heatmap(table: np.ndarray, class_names: Sequence[str], title: str) -> "Figure":
    """Draw the share of each class in each cluster.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images of each cluster by class.
    """
    import seaborn

    k, n_classes = table.shape
    figure, axis = _axes(min(3.5 + 0.62 * n_classes, 16), min(1.8 + 0.42 * k, 16))
    shares = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    rows = [f"{i} ({size:,})" for i, size in enumerate(table.sum(axis=1))]
    texts = np.array([[f"{share:.0f}" if share >= 0.5 else "" for share in row] for row in shares])
    seaborn.heatmap(
        shares,
        ax=axis,
        cmap="Blues",
        annot=texts if k * n_classes <= 400 else False,
        fmt="",
        vmin=0,
        linewidths=0.5,
        xticklabels=class_names,
        yticklabels=rows,
        cbar_kws={"label": "% of the cluster"},
    )
    axis.set(xlabel="held-out label", ylabel="cluster (images)", title=title)
    axis.tick_params(axis="x", rotation=45)
    axis.tick_params(axis="y", rotation=0)
    return figure


def histogram(values: np.ndarray, label: str, title: str) -> "Figure":
    """Draw how often values in [0, 1] occur."""
    figure, axis = _axes(6, 3.4)
    axis.hist(values, bins=np.linspace(0, 1, 51), color=palettes.categories(1)[0])
    axis.set(xlabel=label, ylabel="images", xlim=(0, 1), title=title)
    return figure


def size_history(sizes: np.ndarray, rounds: Sequence[int]) -> "Figure":
    """Draw the shares of the clusters, for sizes (rounds, k)."""
    figure, axis = _axes(7, 3.8)
    shares = 100 * sizes / sizes.sum(axis=1, keepdims=True)
    for cluster, colour in enumerate(palettes.categories(sizes.shape[1])):
        axis.plot(rounds, shares[:, cluster], "o-", markersize=3, color=colour, label=str(cluster))
    axis.set(
        xlabel="round", ylabel="% of the training images", ylim=(0, None), title="Cluster sizes"
    )
    axis.xaxis.get_major_locator().set_params(integer=True)
    if sizes.shape[1] <= 30:
        axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def transfer_heatmap(
    counts: np.ndarray,
    before: str = "before",
    after: str = "after",
    title: str = "What refinement moved",
) -> "Figure":
    """Draw how many images went from each cluster to each, for counts (k before, k after)."""
    import seaborn

    k = max(counts.shape)
    figure, axis = _axes(min(3 + 0.6 * k, 14), min(2 + 0.45 * k, 14))
    texts = np.array([[f"{count:,}" if count else "" for count in row] for row in counts])
    seaborn.heatmap(
        np.log1p(counts),
        ax=axis,
        cmap="Blues",
        annot=texts if k <= 20 else False,
        fmt="",
        linewidths=0.5,
        cbar=False,
    )
    axis.set(xlabel=f"cluster {after}", ylabel=f"cluster {before}", title=title)
    return figure


def score_differences(sides: Sequence[dict[str, Any]], first: str) -> "Figure":
    """Draw how much each clustering's scores differ from those of `first`, with intervals.

    Parameters
    ----------
    sides : sequence of dict
        {"name", "scores": rows with "metric", "difference", "low", "high"}.
    """
    figure, axis = _axes(7.2, 1.4 + 0.9 * len(sides))
    metrics = list(dict.fromkeys(row["metric"] for side in sides for row in side["scores"]))
    for colour, metric in zip(palettes.categories(len(metrics)), metrics, strict=True):
        shift = (metrics.index(metric) + 0.5) / len(metrics) * 0.6 - 0.3
        for place, side in enumerate(sides):
            row = next(row for row in side["scores"] if row["metric"] == metric)
            axis.plot([row["low"], row["high"]], [place + shift] * 2, color=colour, linewidth=2)
            axis.plot(
                row["difference"],
                place + shift,
                "o",
                color=colour,
                label=metric if place == 0 else None,
            )
    axis.axvline(0, color="#888888", linewidth=0.8)
    axis.set(
        yticks=range(len(sides)),
        xlabel="difference of the score, with its paired 95% interval",
        title=f"Against {first}",
    )
    axis.set_yticklabels([side["name"] for side in sides])
    axis.invert_yaxis()
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def score_curve(rows: Sequence[dict[str, Any]], split: str) -> "Figure":
    """Draw purity and ACC (solid) against k, each beside its chance (dashed).

    Parameters
    ----------
    rows : sequence of dict
        {"k", "split", "metric", "value", "chance"}.
    """
    figure, axis = _axes(7, 4.2)
    chosen = [row for row in rows if row["split"] == split]
    names = {row["metric"] for row in chosen}
    metrics = [
        name if f"{name}_train_map" not in names else f"{name}_train_map"
        for name in ("purity", "acc")
    ]
    for colour, metric in zip(palettes.categories(len(metrics)), metrics, strict=True):
        own = [row for row in chosen if row["metric"] == metric]
        axis.plot(
            [r["k"] for r in own],
            [r["value"] for r in own],
            "o-",
            markersize=3,
            color=colour,
            label=metric,
        )
        axis.plot(
            [r["k"] for r in own],
            [r["chance"] for r in own],
            "--",
            color=colour,
            linewidth=1,
            label=f"{metric}, random assignments",
        )
    axis.set(
        xlabel="number of clusters k",
        ylabel="score",
        ylim=(0, 1),
        title=f"Scores against k, {split} split",
    )
    axis.legend(frameon=False, fontsize=8)
    return figure


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    title: str,
    log_x: bool = False,
) -> "Figure":
    """Draw lines through points, one colour each; `curves` has name -> (x, y) of its points. With `log_x` x grows by factors, beyond 1."""
    figure, axis = _axes(7, 4.2)
    for colour, (name, points) in zip(
        palettes.categories(len(curves)), curves.items(), strict=True
    ):
        axis.plot(*zip(*points, strict=True), "o-", markersize=3, color=colour, label=name)
    axis.set(xlabel=x_label, ylabel=y_label, title=title)
    axis.set_ylim(bottom=0)
    if log_x:
        axis.set_xscale("symlog", linthresh=1)
        axis.set_xlim(left=0)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xticks(
            [x for x in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500) if x <= axis.get_xlim()[1]],
            minor=False,
        )
        axis.minorticks_off()
    if len(curves) > 6:  # there is no room between so many lines
        figure.set_size_inches(9, 4.4 + 0.11 * len(curves))
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    else:
        axis.legend(frameon=False, fontsize=8)
    return figure


def _axes(width: float, height: float) -> tuple["Figure", Any]:
    """Return a figure of that size in inches and its axes."""
    import seaborn
    from matplotlib.figure import Figure

    with seaborn.axes_style("ticks"):
        figure = Figure(figsize=(width, height), layout="constrained")
        axis = figure.subplots()
    seaborn.despine(ax=axis)
    return figure, axis


def _rows_of_images(rows: Sequence[tuple[str, np.ndarray]], title: str, columns: int) -> "Figure":
    """Draw rows of images as one mosaic, every pixel enlarged without smoothing, row names at the left."""
    from matplotlib.figure import Figure

    height, width, channels = next(images for _, images in rows if len(images)).shape[1:]
    gap = max(1, height // 16)
    mosaic = np.full(
        (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8
    )
    for r, (_, images) in enumerate(rows):
        for c, image in enumerate(images[:columns]):
            top, left = r * (height + gap), c * (width + gap)
            mosaic[top : top + height, left : left + width] = (
                image if channels == 3 else image.repeat(3, axis=2)
            )
    side = float(np.clip(9 / columns, 0.45, 0.9))
    figure = Figure(
        figsize=(columns * side + 1.5, len(rows) * side * height / width + 0.6),
        layout="constrained",
    )
    axis = figure.subplots()
    axis.imshow(mosaic, interpolation="nearest")
    axis.set(xticks=[], yticks=[r * (height + gap) + height / 2 for r in range(len(rows))])
    axis.set_yticklabels([name for name, _ in rows], fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=10)
    return figure
