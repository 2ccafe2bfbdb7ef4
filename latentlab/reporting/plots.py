"""Static figures, as matplotlib Figure objects outside pyplot; `save_png` writes them.

Colours are those of `latentlab.reporting.palettes`.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from latentlab.plain_text import shortened
from latentlab.reporting import palettes, svg_themes
from latentlab.reporting.thumbnails import PHOTO_SIDE
from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import MaxNLocator

    from latentlab.scoring.compare import SideComparison
    from latentlab.scoring.scores import ScoreRow

DPI = 110
LARGEST_PNG = 450_000  # bytes; larger pictures are reduced to 256 colours
MOST_NAMED_GROUPS = 30  # a map or legend with more names cannot be read
MOST_CELL_TEXTS = 400  # cells of a heatmap that still have room for a text
LONGEST_TICK = 18  # characters of a class below a heatmap
LONGEST_CAPTION = 20  # characters below an image of a grid
MOST_ROWS = 18  # names in a column of a legend
LONGEST_LEVEL_TICK = 4  # characters of a name below a heatmap that need not slant
LABEL_SIZE = 10  # points of the labels of axes
LEGEND_AT_RIGHT: Mapping[str, Any] = {
    "frameon": False,
    "loc": "center left",
    "bbox_to_anchor": (1, 0.5),
}
HEATMAP_COLOUR = "#2171b5"  # of the largest cell; others let the page shine through
LARGEST_DARK_TEXT = 0.95  # of the largest value: on cells above, white texts have more contrast
HEATMAP_STYLE: Mapping[str, Any] = {"fmt": "", "linewidths": 0.5, "linecolor": "#88888866"}
LOG_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
MOST_LINES_IN_AXES = 6  # with more, the legend stands below

EpochRows = Sequence[Mapping[str, float]]  # rows of metrics.jsonl: "epoch", "loss", "val_loss"


# Files


def save_png(figure: "Figure", path: Path) -> Path:
    """Write a figure as PNG, atomically.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : pathlib.Path
        The file; its folder is created.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    data = _png(figure)
    if len(data) > LARGEST_PNG:
        data = min(data, _with_256_colours(data), key=len)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def svg_uri(figure: "Figure") -> str:
    """Return a figure as an SVG data URI, for light and dark pages; see `svg_themes`.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
    """
    svg = svg_themes.themed_svg(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def png_uri(figure: "Figure") -> str:
    """Return a figure as a PNG data URI.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
    """
    return "data:image/png;base64," + base64.b64encode(_png(figure)).decode()


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _with_256_colours(data: bytes) -> bytes:
    """Return a PNG with a palette of 256 colours."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    reduced = picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


# Maps


def plain_map(xy: np.ndarray, groups: np.ndarray, colours: Sequence[str]) -> "Figure":
    """Draw a map without names, title and legend.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
        Coordinates.
    groups : ndarray of shape (n,), int
        Index into `colours`; -1 is drawn grey.
    colours : sequence of str
        One colour per group, as "#rrggbb".

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _axes(4, 4)
    size = float(np.clip(12_000 / max(len(xy), 1), 0.6, 14))
    draw_points(axis, xy, groups, colours, size=size, alpha=0.85)
    hide_frame(axis)
    return figure


def scatter(
    xy: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    title: str,
    note: str,
    colours: Sequence[str] | None = None,
) -> "Figure":
    """Draw a map with the names of its groups, at their medians and in the legend.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
        Coordinates.
    groups : ndarray of shape (n,), int
        Index into `names`; -1 is drawn grey.
    names : sequence of str
        Name of each group; those without points are left out.
    title : str
        Title of the figure.
    note : str
        Text below the map: which images it shows, and how.
    colours : sequence of str, or None
        Colour of each group; None takes those of clusters.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import TITLE_SIZE, figure_name, legend_name, separate, wrapped

    width = 7.6  # inches
    figure, axis = _axes(width, 6.4)
    colours = palettes.categories(len(names)) if colours is None else colours
    size = float(np.clip(20_000 / max(len(xy), 1), 2, 30))
    draw_points(axis, xy, groups, colours, size=size, alpha=0.7)
    shown = np.unique(groups[groups >= 0]).tolist()
    named = []
    # Empty scatters make the legend.
    for number in shown:
        name = names[number]
        members = xy[groups == number]
        axis.scatter([], [], color=colours[number], label=legend_name(name, len(members)))
        if len(shown) <= MOST_NAMED_GROUPS:
            place = np.median(members, axis=0)
            named.append([_add_name(axis, place, figure_name(name), colours[number])])
    axis.set(xticks=[], yticks=[])
    figure.suptitle(wrapped(title, 0.95 * width, TITLE_SIZE), fontsize=TITLE_SIZE)
    figure.supxlabel(wrapped(note, 0.95 * width, 8), fontsize=8)
    if shown:
        axis.legend(fontsize=7, ncols=1 + len(shown) // (MOST_NAMED_GROUPS + 1), **LEGEND_AT_RIGHT)
    separate(named)
    return figure


def draw_points(
    axis: "Axes",
    xy: np.ndarray,
    groups: np.ndarray,
    colours: Sequence[str],
    size: float,
    alpha: float,
) -> None:
    """Draw the points of a map in the colours of their groups.

    The points are drawn in random order, since the last group would otherwise cover all others.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Axes to draw on.
    xy : ndarray of shape (n, 2)
        Coordinates.
    groups : ndarray of shape (n,), int
        Index into `colours`; -1 is drawn grey.
    colours : sequence of str
        One colour per group, as "#rrggbb".
    size : float
        Area of a point, in square points.
    alpha : float
        Opacity, 0 to 1.
    """
    order = np.random.default_rng(0).permutation(len(xy))
    palette = np.array([*colours, palettes.MISSING])  # -1 is the last
    axis.scatter(
        xy[order, 0],
        xy[order, 1],
        c=palette[groups[order]],
        s=size,
        linewidths=0,
        alpha=alpha,
        rasterized=True,
    )


def hide_frame(axis: "Axes") -> None:
    """Hide ticks and spines of a map, and give both axes the same scale.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Axes of the map.
    """
    axis.set(xticks=[], yticks=[])
    axis.set_aspect("equal", adjustable="datalim")
    axis.spines[:].set_visible(False)


def _add_name(axis: "Axes", place: np.ndarray, name: str, colour: str) -> "Text":
    """Write a group's name into a white box with a border in the group's colour."""
    box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": colour, "alpha": 0.8}
    return axis.text(place[0], place[1], name, ha="center", va="center", fontsize=8, bbox=box)


# Images


def image_grid(images: np.ndarray, title: str, columns: int = 8) -> "Figure":
    """Draw images in rows.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
    title : str
        Title of the figure.
    columns : int
        Images in a row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    starts = range(0, len(images), columns)
    rows = [("", images[start : start + columns]) for start in starts]
    return _rows_of_images(rows, title, columns)


def reconstruction_grid(
    originals: np.ndarray, reconstructions: Mapping[str, np.ndarray], title: str
) -> "Figure":
    """Draw originals in the first row and their reconstructions below.

    Parameters
    ----------
    originals : ndarray of shape (n, height, width, channels), uint8
    reconstructions : mapping of str to ndarray
        Row name (such as "epoch 5") -> reconstructions of the same images.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = [("original", originals), *reconstructions.items()]
    return _rows_of_images(rows, title, len(originals))


def cluster_gallery(
    clusters: Sequence[tuple[str, np.ndarray]], title: str, columns: int
) -> "Figure":
    """Draw one row of images per cluster.

    Parameters
    ----------
    clusters : sequence of (str, ndarray)
        Row name and uint8 images (m, height, width, channels) of each cluster.
    title : str
        Title of the figure.
    columns : int
        Images in a row, at most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return _rows_of_images(clusters, title, columns)


def captioned_grid(
    images: np.ndarray, captions: Sequence[str], title: str, columns: int = 8
) -> "Figure":
    """Draw images in rows, each with a caption below.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
    captions : sequence of str
        One text per image.
    title : str
        Title of the figure.
    columns : int
        Images in a row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import figure_name, make_figure

    rows = -(-len(images) // columns)
    figure = make_figure(columns * 1.15, rows * 1.6 + 0.5)
    axes = np.atleast_2d(figure.subplots(rows, columns, squeeze=False))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions, strict=False):
        axis.imshow(as_rgb(image), interpolation="nearest")
        axis.set_title(figure_name(caption, LONGEST_CAPTION), fontsize=7, y=-0.42)
    figure.suptitle(title, fontsize=10)
    return figure


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image with three channels.

    Parameters
    ----------
    image : ndarray of shape (height, width, 1 or 3)

    Returns
    -------
    ndarray of shape (height, width, 3)
    """
    return image if image.shape[2] == 3 else image.repeat(3, axis=2)


def interpolation(side: int) -> str:
    """Return how matplotlib scales images: pixels stay visible in small ones only.

    Parameters
    ----------
    side : int
        Height of an image in pixels.
    """
    return "nearest" if side < PHOTO_SIDE else "antialiased"


def _rows_of_images(rows: Sequence[tuple[str, np.ndarray]], title: str, columns: int) -> "Figure":
    """Draw rows of images as one mosaic with row names at the left."""
    from latentlab.reporting.drawing import make_figure

    height, width = next(images for _, images in rows if len(images)).shape[1:3]
    gap = max(1, height // 16)
    mosaic = _mosaic([images for _, images in rows], columns, gap)
    # The size of an image in the figure depends on how many stand in a row.
    side = float(np.clip(9 / columns, 0.45, 0.9))
    figure = make_figure(columns * side + 1.5, len(rows) * side * height / width + 0.6)
    axis = figure.subplots()
    axis.imshow(mosaic, interpolation=interpolation(height))
    # A tick at the middle of each row has its name.
    axis.set(xticks=[], yticks=[r * (height + gap) + height / 2 for r in range(len(rows))])
    axis.set_yticklabels([name for name, _ in rows], fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=10)
    return figure


def _mosaic(rows: Sequence[np.ndarray], columns: int, gap: int) -> np.ndarray:
    """Return rows of images, each (m, height, width, channels), as one picture; gaps are clear."""
    height, width = next(images for images in rows if len(images)).shape[1:3]
    full_height = len(rows) * (height + gap) - gap
    full_width = columns * (width + gap) - gap
    mosaic = np.zeros((full_height, full_width, 4), np.uint8)
    for r, images in enumerate(rows):
        top = r * (height + gap)
        for c, image in enumerate(images[:columns]):
            left = c * (width + gap)
            mosaic[top : top + height, left : left + width, :3] = as_rgb(image)
            mosaic[top : top + height, left : left + width, 3] = 255
    return mosaic


# Training


def loss_curves(curves: Mapping[str, EpochRows]) -> "Figure":
    """Draw the training loss (dashed) and validation loss (solid) of each run by epoch.

    Parameters
    ----------
    curves : mapping of str to sequence of mapping
        Name of the run -> rows with "epoch", "loss" (mean squared error on the training images;
        absent in row 0) and "val_loss".

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import label_log_ticks

    figure, axis = _axes(7, 4.2)
    for colour, (name, rows) in zip(palettes.categories(len(curves)), curves.items(), strict=True):
        _draw_losses(axis, name, [row for row in rows if row.get("epoch", 0) > 0], colour)
    axis.set(
        xlabel="epoch",
        ylabel="mean squared error",
        yscale="log",
        title="Loss on validation images (solid) and training images (dashed)",
    )
    label_log_ticks(axis.yaxis)
    integer_ticks(axis)
    axis.legend(frameon=False)
    return figure


def _draw_losses(axis: "Axes", name: str, rows: EpochRows, colour: str) -> None:
    """Draw both losses of a run; the legend tells the lowest validation loss."""
    from latentlab.reporting.drawing import legend_name

    epochs = column(rows, "epoch")
    validation = column(rows, "val_loss")
    best = min(validation, default=float("nan"))
    label = f"{legend_name(name)} (best {best:.4f})"
    axis.plot(epochs, column(rows, "loss"), "--", color=colour, linewidth=1.2)
    axis.plot(epochs, validation, "o-", color=colour, markersize=3, label=label)


def column(rows: EpochRows, name: str) -> list[float]:
    """Return one value of each row, NaN for rows without it.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of metrics.jsonl.
    name : str
        Key of the value, such as "loss".

    Returns
    -------
    list of float

    Examples
    --------
    >>> column([{"epoch": 1, "loss": 0.5}, {"epoch": 2}], "loss")
    [0.5, nan]
    """
    return [row.get(name, float("nan")) for row in rows]


def size_history(sizes: np.ndarray, rounds: Sequence[int]) -> "Figure":
    """Draw the share of images in each cluster by round of refinement.

    Parameters
    ----------
    sizes : ndarray of shape (n_rounds, k), int
        Images in each cluster.
    rounds : sequence of int
        Number of each round.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _axes(7, 3.8)
    k = sizes.shape[1]
    shares = 100 * sizes / sizes.sum(axis=1, keepdims=True)
    for cluster, colour in enumerate(palettes.categories(k)):
        axis.plot(rounds, shares[:, cluster], "o-", markersize=3, color=colour, label=str(cluster))
    axis.set(xlabel="round", ylabel="% of the training images", ylim=(0, None))
    axis.set_title("Cluster sizes")
    integer_ticks(axis)
    if k <= MOST_NAMED_GROUPS:
        axis.legend(fontsize=7, ncols=-(-k // MOST_ROWS), **LEGEND_AT_RIGHT)
    return figure


# Tables


def contingency_heatmap(
    table: np.ndarray,
    class_names: Sequence[str],
    title: str,
    cluster_names: Sequence[str] | None = None,
) -> "Figure":
    """Draw the share of each class in each cluster.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images of each cluster by class.
    class_names : sequence of str
        Name of each class.
    title : str
        Title of the figure.
    cluster_names : sequence of k str, or None
        Name of each cluster; None takes the numbers from 0.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import seaborn

    from latentlab.reporting.drawing import TITLE_SIZE, plain_texts, wrapped

    k, n_classes = table.shape
    width = min(4.4 + 0.62 * n_classes, 16)
    figure, axis = _axes(width, min(2.4 + 0.42 * k, 16))
    sizes = table.sum(axis=1)
    rows = _ticks(cluster_names or list(map(str, range(k))))
    shares = 100 * table / np.maximum(sizes[:, None], 1)
    texts = _cell_texts(shares, lambda share: f"{share:.0f}" if share >= 0.5 else "")
    with plain_texts():  # seaborn lays the names out at once
        seaborn.heatmap(
            shares,
            ax=axis,
            annot=texts if table.size <= MOST_CELL_TEXTS else False,
            vmin=0,
            cmap=_heatmap_colours(),
            xticklabels=_ticks(class_names),
            yticklabels=[f"{name} ({size:,})" for name, size in zip(rows, sizes, strict=True)],
            cbar_kws={"label": "% of the cluster"},
            **HEATMAP_STYLE,
        )
    _colour_cell_texts(axis, shares)
    axis.set(xlabel="held-out label", ylabel="cluster (images)")
    figure.suptitle(wrapped(title, 0.95 * width, TITLE_SIZE), fontsize=TITLE_SIZE)
    _turn_ticks(axis, class_names)
    return figure


def transfer_heatmap(
    counts: np.ndarray,
    before: str = "before",
    after: str = "after",
    title: str = "What refinement moved",
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> "Figure":
    """Draw how many images went from each cluster to each other.

    Parameters
    ----------
    counts : ndarray of shape (k before, k after), int
        Images by both clusters.
    before : str
        Ends the label of the rows, "cluster before".
    after : str
        Ends the label of the columns, "cluster after".
    title : str
        Title of the figure.
    names : pair of sequences of str, or None
        Names of the clusters before and after; None takes the numbers from 0.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import seaborn

    from latentlab.reporting.drawing import LONGEST_TITLE, plain_texts

    before, after = shortened(before, LONGEST_TITLE), shortened(after, LONGEST_TITLE)

    k = max(counts.shape)
    room = 0.0 if names is None else 1.4  # inches for names in place of numbers
    width, height = min(3 + room + 0.6 * k, 14), min(2 + room + 0.45 * k, 14)
    figure, axis = _axes(width, height)
    texts = _cell_texts(counts, lambda count: f"{count:,}" if count else "")
    annotations = texts if k * k <= MOST_CELL_TEXTS else False
    ticks = {}
    if names is not None:
        ticks = {"yticklabels": _ticks(names[0]), "xticklabels": _ticks(names[1])}
    options = {"annot": annotations, "cbar": False, **ticks, **HEATMAP_STYLE}
    shades = np.log1p(counts)
    with plain_texts():  # seaborn lays the names out at once
        seaborn.heatmap(shades, ax=axis, vmin=0, cmap=_heatmap_colours(), **options)
    _colour_cell_texts(axis, shades)
    _turn_ticks(axis, names[1] if names is not None else ())
    axis.set_title(title)
    axis.set_xlabel(f"cluster {after}", fontsize=_fitting_size(after, width))
    axis.set_ylabel(f"cluster {before}", fontsize=_fitting_size(before, height))
    return figure


def _heatmap_colours() -> "LinearSegmentedColormap":
    """Return a blue from not there at all to full: it reads on a light and on a dark page."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    blue = to_rgb(HEATMAP_COLOUR)
    return LinearSegmentedColormap.from_list("shares", [(*blue, 0.0), (*blue, 1.0)])


def _colour_cell_texts(axis: "Axes", values: np.ndarray) -> None:
    """Colour the texts of cells; seaborn does not know that these let the page shine through."""
    most = max(float(values.max()), 1e-9)
    for text, value in zip(axis.texts, values.flat, strict=False):
        text.set_color("black" if value <= LARGEST_DARK_TEXT * most else "white")


def _fitting_size(name: str, inches: float) -> float:
    """Return the size of the text "cluster NAME", in points, that fits into a side of a figure."""
    # A letter is about 0.6 times as wide as high; a fifth of the side is not the axis.
    fitting = 0.8 * 72 * inches / (0.6 * len(f"cluster {name}"))
    return float(np.clip(fitting, 5, LABEL_SIZE))


def _turn_ticks(axis: "Axes", names: Sequence[str]) -> None:
    """Let the names below a heatmap slant if they are longer than their cells, no others."""
    is_long = max(map(len, names), default=0) > LONGEST_LEVEL_TICK
    axis.tick_params(axis="x", rotation=45 if is_long else 0)
    axis.tick_params(axis="y", rotation=0)


def _ticks(names: Sequence[str]) -> list[str]:
    """Return names from outside as the ticks of a heatmap have room for them."""
    from latentlab.reporting.drawing import figure_name

    return [figure_name(name, LONGEST_TICK) for name in names]


def _cell_texts(values: np.ndarray, write: Callable[[Any], str]) -> np.ndarray:
    """Return a text for each cell of a table."""
    return np.array([write(value) for value in values.flat]).reshape(values.shape)


# Scores


def score_differences(sides: Sequence["SideComparison"], first: str) -> "Figure":
    """Draw how far each clustering's scores differ from those of the first, with intervals.

    Parameters
    ----------
    sides : sequence of SideComparison
        The other clusterings, with their scores.
    first : str
        Name of the first clustering.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import LONGEST_TITLE, figure_name

    figure, axis = _axes(7.2, 1.4 + 0.9 * len(sides))
    metrics = list(dict.fromkeys(row.metric for side in sides for row in side.scores or ()))
    for number, colour in enumerate(palettes.categories(len(metrics))):
        shift = (number + 0.5) / len(metrics) * 0.6 - 0.3
        _draw_differences(axis, sides, metrics[number], shift, colour)
    axis.axvline(0, color="#888888", linewidth=0.8)
    axis.set(
        yticks=range(len(sides)),
        xlabel="difference of the score, with its paired 95% interval",
        title=f"Against {figure_name(first, LONGEST_TITLE)}",
    )
    axis.set_yticklabels([figure_name(side.name) for side in sides])
    axis.invert_yaxis()
    axis.legend(fontsize=8, **LEGEND_AT_RIGHT)
    return figure


def _draw_differences(
    axis: "Axes", sides: Sequence["SideComparison"], metric: str, shift: float, colour: str
) -> None:
    """Draw the difference of one metric for each side, `shift` below the side's own height."""
    for place, side in enumerate(sides):
        row = next(row for row in side.scores or () if row.metric == metric)
        height = place + shift
        label = metric if place == 0 else None
        axis.plot([row.low, row.high], [height, height], color=colour, linewidth=2)
        axis.plot(row.difference, height, "o", color=colour, label=label)


def score_curve(rows: Sequence["ScoreRow"], split: str) -> "Figure":
    """Draw purity and ACC against k (solid), with those of random assignments (dashed).

    Purity and ACC by the training map are drawn if there are any.

    Parameters
    ----------
    rows : sequence of ScoreRow
        Scores for several k.
    split : {"train", "test"}
        The split to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _axes(7, 4.2)
    by_metric: dict[str, list[ScoreRow]] = {}
    for row in rows:
        if row.split == split:
            by_metric.setdefault(row.metric, []).append(row)
    for colour, name in zip(palettes.categories(2), ("purity", "acc"), strict=True):
        by_train_map = f"{name}_train_map"
        metric = by_train_map if by_train_map in by_metric else name
        _draw_scores(axis, by_metric.get(metric, []), metric, colour)
    axis.set(
        xlabel="number of clusters k",
        ylabel="score",
        ylim=(0, 1),
        title=f"Scores against k, {split} split",
    )
    axis.legend(frameon=False, fontsize=8)
    return figure


def _draw_scores(axis: "Axes", rows: Sequence["ScoreRow"], metric: str, colour: str) -> None:
    """Draw a score and its chance against k."""
    ks = np.array([row.k for row in rows])
    values = np.array([row.value for row in rows])
    chances = np.array([row.chance for row in rows])
    label = f"{metric}, random assignments"
    axis.plot(ks, values, "o-", markersize=3, color=colour, label=metric)
    axis.plot(ks, chances, "--", color=colour, linewidth=1, label=label)


# Others


def histogram(values: np.ndarray, label: str, title: str) -> "Figure":
    """Draw how often values from 0 to 1 occur.

    Parameters
    ----------
    values : ndarray of shape (n,), float
        Values in [0, 1].
    label : str
        Label of the values.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _axes(6, 3.4)
    axis.hist(values, bins=np.linspace(0, 1, 51).tolist(), color=palettes.categories(1)[0])
    axis.set(xlabel=label, ylabel="images", xlim=(0, 1), title=title)
    return figure


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    title: str,
    log_x: bool = False,
) -> "Figure":
    """Draw a line through the points of each curve.

    Parameters
    ----------
    curves : mapping of str to sequence of (float, float)
        Name of the curve -> its points (x, y).
    x_label : str
        Label of the horizontal axis.
    y_label : str
        Label of the vertical axis.
    title : str
        Title of the figure.
    log_x : bool
        Whether x grows by factors above 1.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import legend_name

    figure, axis = _axes(7, 4.2)
    colours = palettes.categories(len(curves))
    for colour, (name, points) in zip(colours, curves.items(), strict=True):
        axis.plot(
            *zip(*points, strict=True), "o-", markersize=3, color=colour, label=legend_name(name)
        )
    axis.set(xlabel=x_label, ylabel=y_label, title=title)
    axis.set_ylim(bottom=0)
    if log_x:
        _use_log_scale(axis)
    if len(curves) > MOST_LINES_IN_AXES:
        figure.set_size_inches(9, 4.4 + 0.11 * len(curves))
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
    else:
        axis.legend(frameon=False, fontsize=8)
    return figure


def _use_log_scale(axis: "Axes") -> None:
    """Make x grow by factors above 1, with ticks at round numbers."""
    axis.set_xscale("symlog", linthresh=1)
    axis.set_xlim(left=0)
    axis.xaxis.set_major_formatter("{x:g}")
    rightmost = axis.get_xlim()[1]
    axis.set_xticks([x for x in LOG_TICKS if x <= rightmost], minor=False)
    axis.minorticks_off()


def integer_ticks(axis: "Axes") -> None:
    """Put the ticks of the horizontal axis at whole numbers.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        Axes of a figure by epoch or round.
    """
    locator = cast("MaxNLocator", axis.xaxis.get_major_locator())
    locator.set_params(integer=True)


def _axes(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Return a figure of a size in inches, and its axes."""
    import seaborn

    from latentlab.reporting.drawing import make_figure

    with seaborn.axes_style("ticks"):
        figure = make_figure(width, height)
        axis = figure.subplots()
    seaborn.despine(ax=axis)
    return figure, axis
