"""Figures for a paper: one or two columns wide, text of 6 to 8 points, as PNG, SVG or PDF.

The data map has a card for each large cluster at its sides: number, size, commonest label and
typical images, tied by a line to where the cluster is densest. Figures of clusters that were edited
by hand say so, in their caption and in the metadata of the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.images import ImageSet
from latentlab.errors import ConfigError
from latentlab.plain_text import shortened
from latentlab.reporting import palettes, plots
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.label_colours import label_colours
from latentlab.storage.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.offsetbox import HPacker
    from matplotlib.text import Text

FORMATS = ("png", "svg", "pdf")
ONE_COLUMN = 3.35  # inches: 85 mm
TWO_COLUMNS = 6.9  # inches: 175 mm
NOTE_HEIGHT = 0.35  # inches below a map, for two lines
NOTE_LINE = 0.09  # inches of each further line
NOTE_SIZE = 5  # points
DPI = 400
MOST_NAMES = 30  # groups that still have their name on a map
MOST_CARDS = 20
CARD_IMAGES = 3
MAP_NAME = 20  # characters of a group's name on a map
CARD_LABEL = 16  # characters of a label on a card
SIDE_ROOM = 0.62  # of the map's width, at each side, for the cards
LEFT = -1
RIGHT = 1
GALLERY_CLUSTERS = 12
GALLERY_IMAGES = 10
BARS_WIDTH = 1.4  # inches of a bar, at least
BAR_NAME_SIZE = 4.5  # points
LEGEND_LABEL = 13  # characters of a label in a legend of five columns
BAR_LABEL = 9  # characters of a label in a bar
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
# Without dates, so that the same figure gives the same file.
METADATA: Mapping[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
SUBJECT_KEYS = {"pdf": "Subject", "svg": "Description", "png": "Description"}
NAME_STYLE: Mapping[str, Any] = {
    "fontsize": 6,
    "fontweight": "bold",
    "ha": "center",
    "va": "center",
    "color": "#111111",
    "zorder": 5,
}
LINE_STYLE: Mapping[str, Any] = {"linewidth": 0.7, "alpha": 0.9, "zorder": 3, "clip_on": False}
DOT_STYLE: Mapping[str, Any] = {
    "markersize": 3,
    "markeredgecolor": "white",
    "markeredgewidth": 0.5,
    "zorder": 4,
}
CURVE_STYLE: Mapping[str, Any] = {"linewidth": 1, "marker": "o", "markersize": 2}
BAR_NAME_STYLE: Mapping[str, Any] = {"fontsize": BAR_NAME_SIZE, "ha": "center", "va": "center"}
LEGEND_BELOW: Mapping[str, Any] = {
    "frameon": False,
    "ncols": 5,
    "loc": "outside lower center",
    "handlelength": 0.8,
    "columnspacing": 0.8,
    "fontsize": 5,
}


def write_figures(
    summary: ClusteringSummary, folder: Path, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draw all figures and write them as files.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    folder : pathlib.Path
        Folder of the files.
    formats : sequence of {"png", "svg", "pdf"}
        A file is written in each.

    Returns
    -------
    list of pathlib.Path
        The files.

    Raises
    ------
    ConfigError
        If a format is unknown.
    """
    import matplotlib

    unknown = set(formats) - set(FORMATS)
    if unknown:
        raise ConfigError(f"unknown format {min(unknown)!r}: known are {', '.join(FORMATS)}.")
    paths = []
    subject = f"clusters {summary.name}, {summary.edit_note}"
    with matplotlib.rc_context(STYLE):
        for name, figure in draw_figures(summary).items():
            for file_format in formats:
                paths.append(_save(figure, folder / f"{name}.{file_format}", subject))
    return paths


def draw_figures(summary: ClusteringSummary) -> dict[str, "Figure"]:
    """Draw all figures that the clustering has data for.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        "datamap", "map-clusters" and "map-labels", unless there are too few images for a map;
        "nearest" (typical images), "labels" (labels by cluster) and "loss", if the encoder was
        trained by latentlab.
    """
    figures = _maps(summary) if summary.has_map else {}
    if summary.has_pictures and summary.shown:
        figures["nearest"] = gallery(summary)
    if summary.scores is not None:
        names = list(map(summary.numbered_name, summary.shown))
        colours = label_colours(summary)
        figure = label_bars(summary.contingency(), summary.class_names, names, colours)
        figures["labels"] = _remarked(figure, summary)
    if summary.run.config.is_autoencoder:
        figures["loss"] = loss_curve(summary.run.metrics())
    return figures


def _maps(summary: ClusteringSummary) -> dict[str, "Figure"]:
    """Draw the figures that show the map."""
    xy, positions = summary.read_map()
    note = summary.map_note()
    clusters = summary.clusters[positions]
    names = [summary.given_name(cluster) or str(cluster) for cluster in range(summary.k)]
    which, separator, how = note.partition("; ")
    which = ", ".join(filter(None, (which, summary.edit_remark)))
    figures = {
        "datamap": _remarked(data_map(summary, xy, clusters), summary),
        "map-clusters": point_map(xy, clusters, names, f"{which}{separator}{how}"),
    }
    if summary.classes is not None:
        classes = summary.classes[positions]
        colours = label_colours(summary)
        figures["map-labels"] = point_map(xy, classes, summary.class_names, note, colours=colours)
    return figures


def _remarked(figure: "Figure", summary: ClusteringSummary) -> "Figure":
    """Return a figure with what is said of edits made by hand below it, if anything is."""
    if summary.edit_remark:
        axis = figure.axes[0]
        label = "\n".join(filter(None, (axis.get_xlabel(), summary.edit_remark)))
        axis.set_xlabel(label, fontsize=NOTE_SIZE, color="#555555")
    return figure


def _save(figure: "Figure", target: Path, subject: str) -> Path:
    """Write a figure, with its subject in the metadata of the file."""
    file_format = target.suffix.removeprefix(".")
    metadata = {**METADATA[file_format], SUBJECT_KEYS[file_format]: subject}
    with atomic_path(target) as path:
        figure.savefig(path, format=file_format, dpi=DPI, metadata=metadata)
    return target


# Maps


def point_map(
    xy: np.ndarray,
    groups: np.ndarray,
    names: Sequence[str],
    note: str,
    width: float = ONE_COLUMN,
    colours: Sequence[str] | None = None,
) -> "Figure":
    """Draw a map with the name of each group where it is densest, and without a legend.

    Names of up to 30 groups are written.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
        Coordinates.
    groups : ndarray of shape (n,), int
        Index into `names`; -1 is drawn grey.
    names : sequence of str
        Name of each group.
    note : str
        Text below the map.
    width : float
        Width of the figure in inches.
    colours : sequence of str, or None
        Colour of each group; None takes those of clusters.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import separate, wrapped

    x_range, y_range = np.ptp(xy, axis=0)
    aspect = float(np.clip(y_range / max(x_range, 1e-9), 0.5, 1.3))
    label = wrapped(note.replace("; ", "\n", 1), 0.95 * width, NOTE_SIZE)
    figure, axis = _canvas(width, _note_height(label) + width * aspect)
    _draw_points(axis, xy, groups, colours or palettes.categories(len(names)))
    shown = np.unique(groups[groups >= 0]).tolist()
    named = []
    for group in shown if len(shown) <= MOST_NAMES else []:
        anchor = densest(xy[groups == group])
        if anchor is not None:
            named.append(_add_name(axis, anchor, shortened(names[group], MAP_NAME)))
    axis.set_xlabel(label, fontsize=NOTE_SIZE, color="#555555")
    separate(named)
    return figure


def _note_height(note: str) -> float:
    """Return the inches that a note takes below a map."""
    return NOTE_HEIGHT + NOTE_LINE * max(0, note.count("\n") - 1)


def data_map(summary: ClusteringSummary, xy: np.ndarray, clusters: np.ndarray) -> "Figure":
    """Draw the map with a card at its side for each of the largest clusters, at most 20.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    xy : ndarray of shape (n, 2)
        Coordinates.
    clusters : ndarray of shape (n,), int
        Cluster of each point.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _canvas(TWO_COLUMNS, 4.4)
    _draw_points(axis, xy, clusters, palettes.categories(summary.k))
    extent = _Extent.of(xy)
    _leave_room_for_cards(axis, xy)
    # The cards stand on the side where their clusters are.
    anchors = _anchors(summary, xy, clusters)
    images = summary.gallery("nearest", CARD_IMAGES)
    columns = _columns(anchors)
    for side, column in zip((LEFT, RIGHT), columns, strict=True):
        x = extent.card_x(side)
        for cluster, y in zip(column, extent.card_heights(len(column)), strict=True):
            card = _Card(cluster, anchors[cluster], side, x, y)
            card.draw(axis, summary, images[cluster])
    return figure


def densest(points: np.ndarray, cells: int = 8) -> np.ndarray | None:
    """Return the mean of the points in the fullest cell of a grid over them.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    cells : int
        Cells of the grid in each direction.

    Returns
    -------
    ndarray of shape (2,), or None
        None if there are no points.

    Examples
    --------
    >>> densest(np.array([[0.0, 0.0], [9.0, 9.0], [9.0, 8.9]])).tolist()
    [9.0, 8.95]
    """
    if not len(points):
        return None
    lowest = points.min(axis=0)
    size = np.maximum(np.ptp(points, axis=0), 1e-9)
    places = np.minimum((cells * (points - lowest) / size).astype(int), cells - 1)
    cell = places @ [cells, 1]
    return points[cell == np.bincount(cell).argmax()].mean(axis=0)


def _draw_points(axis: "Axes", xy: np.ndarray, groups: np.ndarray, colours: Sequence[str]) -> None:
    size = float(np.clip(6000 / len(xy), 0.25, 8))
    plots.draw_points(axis, xy, groups, colours, size=size, alpha=0.85)
    plots.hide_frame(axis)


def _add_name(axis: "Axes", place: np.ndarray, text: str) -> "tuple[Text, Text]":
    """Write a group's name with a white halo; return both texts."""
    from matplotlib.patheffects import Stroke

    # Matplotlib draws a text with effects as curves: the name itself has none, so it stays text.
    halo = [Stroke(linewidth=1.8, foreground="white")]
    around = axis.text(place[0], place[1], text, path_effects=halo, **NAME_STYLE)
    return around, axis.text(place[0], place[1], text, **NAME_STYLE)


# Cards


@dataclass(frozen=True)
class _Extent:
    """The rectangle of a map's points, in their coordinates."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def of(cls, xy: np.ndarray) -> "_Extent":
        lowest = xy.min(axis=0)
        highest = xy.max(axis=0)
        return cls(float(lowest[0]), float(highest[0]), float(lowest[1]), float(highest[1]))

    @property
    def width(self) -> float:
        return self.right - self.left

    def card_x(self, side: int) -> float:
        """Return where the cards of a side begin."""
        edge = self.left if side == LEFT else self.right
        return edge + side * 0.10 * self.width

    def card_heights(self, count: int) -> np.ndarray:
        """Return evenly spaced heights from the top downwards, in the middles of their strips."""
        return self.top - (np.arange(count) + 0.5) * (self.top - self.bottom) / max(count, 1)


@dataclass(frozen=True)
class _Card:
    """What stands about one cluster at a side of the data map.

    Attributes
    ----------
    cluster : int
        Number of the cluster.
    anchor : ndarray of shape (2,)
        Where the cluster is densest.
    side : int
        LEFT or RIGHT.
    x, y : float
        Where the card begins, at the middle of its height.
    """

    cluster: int
    anchor: np.ndarray
    side: int
    x: float
    y: float

    def draw(self, axis: "Axes", summary: ClusteringSummary, positions: np.ndarray) -> None:
        """Draw the card, with the images at some positions, and the line to its anchor."""
        from matplotlib.offsetbox import AnnotationBbox

        colour = palettes.categories(summary.k)[self.cluster]
        content = self._content(summary, positions)
        self._draw_line(axis, colour)
        frame = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "lw": 0.8}
        box = AnnotationBbox(
            content,
            (self.x, self.y),
            box_alignment=(1.0, 0.5) if self.side == LEFT else (0.0, 0.5),
            bboxprops=frame,
            annotation_clip=False,
            pad=0.15,
            zorder=5,
        )
        axis.add_artist(box)

    def _content(self, summary: ClusteringSummary, positions: np.ndarray) -> "HPacker":
        """Return text and images, the images on the side of the map."""
        from matplotlib.offsetbox import HPacker, OffsetImage, TextArea

        style = {"fontsize": 6, "color": "#222222", "linespacing": 1.1}
        children: list[Any] = [TextArea(self._text(summary), textprops=style)]
        for image in summary.images.read(positions) if summary.has_pictures else ():
            zoom = 13 / max(image.shape[:2])
            way = plots.interpolation(len(image))
            children.append(OffsetImage(plots.as_rgb(image), zoom=zoom, interpolation=way))
        if self.side == RIGHT:
            children = [*children[1:], children[0]]
        return HPacker(children=children, align="center", pad=0, sep=2)

    def _text(self, summary: ClusteringSummary) -> str:
        """Return number, name and size of the cluster, and its commonest label."""
        members = summary.members(self.cluster)
        text = _sized_name(summary, self.cluster, CARD_LABEL)
        mix = summary.label_mix(members, 1)
        if mix:
            name, share = mix[0]
            text += f"\n{shortened(name, CARD_LABEL)} {100 * share:.0f}%"
        return text

    def _draw_line(self, axis: "Axes", colour: str) -> None:
        """Draw the line from the card to a dot on its anchor."""
        x, y = self.anchor
        axis.plot([x, self.x], [y, self.y], color=colour, **LINE_STYLE)
        axis.plot(x, y, "o", color=colour, **DOT_STYLE)


def _leave_room_for_cards(axis: "Axes", xy: np.ndarray) -> None:
    lowest = xy.min(axis=0)
    highest = xy.max(axis=0)
    width, height = highest - lowest
    axis.set_xlim(lowest[0] - SIDE_ROOM * width, highest[0] + SIDE_ROOM * width)
    axis.set_ylim(lowest[1] - 0.02 * height, highest[1] + 0.02 * height)
    # The axes of a map have no unit: filling the figure is worth more than equal scales.
    axis.set_aspect("auto")


def _anchors(
    summary: ClusteringSummary, xy: np.ndarray, clusters: np.ndarray
) -> dict[int, np.ndarray]:
    """Return where each of the largest clusters is densest, if the map shows it."""
    anchors = {}
    for cluster in _largest_clusters(summary, MOST_CARDS):
        anchor = densest(xy[clusters == cluster])
        if anchor is not None:
            anchors[cluster] = anchor
    return anchors


def _columns(anchors: Mapping[int, np.ndarray]) -> tuple[list[int], list[int]]:
    """Return the clusters of the left and the right column, half of them each, from the top."""
    by_x = sorted(anchors, key=lambda cluster: anchors[cluster][0])
    half = (len(by_x) + 1) // 2
    left = sorted(by_x[:half], key=lambda cluster: -anchors[cluster][1])
    right = sorted(by_x[half:], key=lambda cluster: -anchors[cluster][1])
    return left, right


def _largest_clusters(summary: ClusteringSummary, most: int) -> list[int]:
    """Return the numbers of the largest clusters that are not empty, the largest first."""
    sizes = summary.sizes()
    return [int(cluster) for cluster in np.argsort(-sizes, kind="stable")[:most] if sizes[cluster]]


def _sized_name(summary: ClusteringSummary, cluster: int, longest: int) -> str:
    """Return number, given name and size of a cluster, such as "3 cats  (120)"."""
    name = shortened(summary.numbered_name(cluster), longest)
    return f"{name}  ({summary.sizes()[cluster]:,})"


# Others


def gallery(
    summary: ClusteringSummary, columns: int = GALLERY_IMAGES, most: int = GALLERY_CLUSTERS
) -> "Figure":
    """Draw the images nearest to the centers of the largest clusters, a row per cluster.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    columns : int
        Images per cluster.
    most : int
        Clusters, at most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    largest = sorted(_largest_clusters(summary, most))
    positions = summary.gallery("nearest", columns)
    figure, axis = _canvas(ONE_COLUMN, 0.3 * len(largest) + 0.1)
    mosaic = _mosaic(summary.images, [positions[cluster] for cluster in largest], columns)
    axis.imshow(mosaic, interpolation=plots.interpolation(summary.images.image_shape[0]))
    # A tick at the middle of each row has the cluster's number and size.
    row_height = mosaic.shape[0] / len(largest)
    heights = (np.arange(len(largest)) + 0.5) * row_height - 0.5
    axis.set(xticks=[], yticks=heights)
    axis.set_yticklabels([_sized_name(summary, cluster, CARD_LABEL) for cluster in largest])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return _remarked(figure, summary)


def _mosaic(images: ImageSet, rows: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Return the images at the positions of each row as one picture on white."""
    height, width, _ = images.image_shape
    gap = max(1, height // 16)
    mosaic = np.full((len(rows) * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    for r, positions in enumerate(rows):
        top = r * (height + gap)
        for c, image in enumerate(images.read(positions) if len(positions) else []):
            left = c * (width + gap)
            mosaic[top : top + height, left : left + width] = image
    return mosaic


def label_bars(
    table: np.ndarray,
    class_names: Sequence[str],
    cluster_names: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
) -> "Figure":
    """Draw the share of each label in each cluster as stacked bars.

    Parameters
    ----------
    table : ndarray of shape (k, n_classes), int
        Images by cluster and class.
    class_names : sequence of str
        Name of each class.
    cluster_names : sequence of k str, or None
        Name of each cluster; None takes the numbers from 0.
    colours : sequence of n_classes str, or None
        Colour of each class; None takes some.

    Returns
    -------
    matplotlib.figure.Figure
    """
    k = len(table)
    figure, axis = _canvas(ONE_COLUMN, 0.16 * max(k, 4) + 0.9)
    shares = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    colours = colours or palettes.categories(len(class_names))
    left = np.zeros(k)
    for label, name in enumerate(class_names):
        _draw_bars(axis, left, shares[:, label], name, colours[label])
        if len(class_names) <= 40:
            _name_bars(axis, left, shares[:, label], name, colours[label])
        left += shares[:, label]
    axis.set(xlim=(0, 100), xlabel="% of the cluster", ylabel="cluster", yticks=range(k))
    if cluster_names is not None:
        axis.set_yticklabels([shortened(name, CARD_LABEL) for name in cluster_names])
    axis.invert_yaxis()
    if len(class_names) <= 20:
        figure.legend(**LEGEND_BELOW)
    return figure


def _draw_bars(axis: "Axes", left: np.ndarray, shares: np.ndarray, name: str, colour: str) -> None:
    """Draw the bars of one label, from `left` on."""
    from latentlab.reporting.drawing import legend_name

    label = legend_name(name, longest=LEGEND_LABEL)
    style: Any = {"height": 0.8, "color": colour, "linewidth": 0, "label": label}
    axis.barh(range(len(shares)), shares, left=left, **style)


def _name_bars(axis: "Axes", left: np.ndarray, shares: np.ndarray, name: str, colour: str) -> None:
    """Write the label into the bars that have room for it."""
    from latentlab.reporting.drawing import text_width

    ink, shown = palettes.ink(colour), shortened(name, BAR_LABEL)
    needed = 100 * text_width(shown, BAR_NAME_SIZE) / BARS_WIDTH
    for cluster, share in enumerate(shares):
        if share >= needed:
            x = left[cluster] + share / 2
            axis.text(x, cluster, shown, color=ink, **BAR_NAME_STYLE)


def loss_curve(rows: plots.EpochRows) -> "Figure":
    """Draw training and validation loss by epoch.

    Parameters
    ----------
    rows : sequence of mapping
        Rows with "epoch", "loss" and, if there is one, "val_loss".

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = _canvas(ONE_COLUMN, 2.1)
    trained = [row for row in rows if row.get("epoch", 0) > 0 and "loss" in row]
    epochs = plots.column(trained, "epoch")
    validation_colour, training_colour = palettes.categories(2)
    validation = plots.column(trained, "val_loss")
    axis.plot(epochs, validation, "-", color=validation_colour, label="validation", **CURVE_STYLE)
    training = plots.column(trained, "loss")
    axis.plot(epochs, training, "--", color=training_colour, label="training", **CURVE_STYLE)
    axis.set(xlabel="epoch", ylabel="loss")
    plots.integer_ticks(axis)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return figure


def _canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Return a figure of a size in inches, and its axes."""
    from latentlab.reporting.drawing import make_figure

    figure = make_figure(width, height)
    return figure, figure.subplots()
