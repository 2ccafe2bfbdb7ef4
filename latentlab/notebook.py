"""A run in a notebook: `RunView(path)` at the end of a cell shows the result of a clustering."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab import pipeline
from latentlab.errors import ConfigError, MissingDependencyError
from latentlab.reporting import palettes, plots, text
from latentlab.reporting.cluster_rows import ClusterRow, cluster_rows
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.gallery import GalleryImage
from latentlab.reporting.label_colours import label_colours
from latentlab.storage import guard
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from latentlab.widget import RunWidget

MOST_CLUSTERS = 30
IMAGES_PER_CLUSTER = 8
IMAGE_STYLE = "height:40px;display:inline;margin:1px;image-rendering:pixelated"


class RunView:
    """A clustering of a run, to look at: summary, map, and typical images of each cluster.

    It reads the run's files and changes nothing.

    Parameters
    ----------
    run : str, pathlib.Path or Run
        The run, or its folder.
    name : str or None
        Name of the clustering; None is the newest.
    as_computed : bool
        Leave edits made by hand out.

    Attributes
    ----------
    summary : ClusteringSummary
        The clustering as the report shows it: with names and other edits made by hand, unless
        `as_computed`.

    Raises
    ------
    RunError
        If there is no such run, or it has no such clustering.
    """

    def __init__(
        self, run: "str | Path | Run", name: str | None = None, as_computed: bool = False
    ) -> None:
        opened = run if isinstance(run, Run) else Run.open(run)
        self.summary: ClusteringSummary = pipeline.look(opened, name, as_computed)

    def __repr__(self) -> str:
        path = str(self.summary.run.path)
        summary = self.summary
        n_images = len(summary.images) - summary.dropped
        size = f"{n_images:,} images in {text.clusters_text(len(summary.shown))}"
        return f"RunView({path!r}, {summary.name!r}): {size}, {summary.edit_note}"

    def plot_map(self, by: str = "cluster") -> "Figure":
        """Draw the map of the images.

        Parameters
        ----------
        by : {"cluster", "label"}
            What colours the points.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        RunError
            If the run has no map yet; `latentlab report` makes one.
        ConfigError
            If `by` is another word, or the data has no labels.
        """
        summary = self.summary
        if by == "cluster":
            groups = summary.clusters
            names = [summary.given_name(i) or str(i) for i in range(summary.k)]
        elif by == "label" and summary.classes is not None:
            groups = summary.classes
            names = list(summary.class_names)
        else:
            raise ConfigError(
                ": known are cluster and, if the data has labels, label", field="by", value=by
            )
        xy, positions = summary.read_map()
        title = f"By {by}" + (f", {summary.edit_note}" if by == "cluster" else "")
        colours = label_colours(summary) if by == "label" else None
        return plots.scatter(xy, groups[positions], names, title, summary.map_note(), colours)

    def plot_losses(self) -> "Figure":
        """Draw the loss curves of the fit.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ConfigError
            If the encoder was trained elsewhere.
        """
        run = self.summary.run
        run.config.training  # noqa: B018  # raises if there was no fit
        return plots.loss_curves({run.path.resolve().name: run.metrics()})

    def widget(self, height: int = 480, megabytes: float = 8) -> "RunWidget":
        """Return map and grid to select images with, for the end of a cell.

        Parameters
        ----------
        height : int
            Pixels, from 240 to 2000.
        megabytes : float
            That the pictures may take in the notebook.

        Returns
        -------
        RunWidget
            `widget.selected` are the ids of what is selected there, `widget.selection()` is a
            DataFrame about it, and `widget.select(ids)` selects.

        Raises
        ------
        MissingDependencyError
            If anywidget is not installed.
        RunError
            If the run has no map yet; `latentlab report` makes one.
        """
        try:
            from latentlab.widget import RunWidget
        except ImportError as error:
            raise MissingDependencyError(
                "A widget needs a package: pip install 'latentlab[notebook]'."
            ) from error
        return RunWidget(self.summary, height, megabytes)

    def _repr_html_(self) -> str:
        """Return the summary, the map if there is one, and typical images, without scripts."""
        summary = self.summary
        title = html.escape(f"{summary.images.name}: {summary.name}, {summary.edit_note}")
        sentences = [
            f"<p style='margin:0.2em 0'>{html.escape(sentence)}</p>"
            for sentence in text.summary_sentences(summary)
        ]
        rows = cluster_rows(summary, IMAGES_PER_CLUSTER, MOST_CLUSTERS)
        colours = palettes.categories(summary.k)
        has_labels = summary.classes is not None
        table = "".join(_row_html(row, colours[row.number], has_labels) for row in rows)
        heads = _heads(has_labels)
        return (
            f"<div style='max-width:60em'><h3>{title}</h3>{''.join(sentences)}{self._map_html()}"
            f"<table>{heads}{table}</table></div>"
        )

    def _map_html(self) -> str:
        if not guard.is_there(self.summary.map_path):
            return ""
        xy, positions = self.summary.read_map()
        colours = palettes.categories(self.summary.k)
        figure = plots.plain_map(xy, self.summary.clusters[positions], colours)
        return (
            "<img style='max-width:22em' alt='Map of the images, coloured by cluster'"
            f" src='{plots.png_uri(figure)}'>"
        )


def _row_html(row: ClusterRow, colour: str, has_labels: bool) -> str:
    """Return a cluster as a row of a table: number and name, size, commonest labels, images."""
    labels = ", ".join(f"{name} {share:.0%}" for name, share in row.labels)
    images = "".join(map(_image_html, row.images))
    dot = f"<span style='color:{colour}' aria-hidden='true'>&#9679;</span>"
    cells = [
        f"<th scope='row' style='text-align:left'>{dot} {html.escape(row.numbered_name)}</th>",
        f"<td>{row.size:,}</td>",
        *([f"<td>{html.escape(labels)}</td>"] if has_labels else []),
        f"<td style='text-align:left'>{images}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _heads(has_labels: bool) -> str:
    """Return the headings of the table of clusters."""
    names = ["cluster", "images", *(["commonest labels"] if has_labels else []), "nearest images"]
    cells = [f"<th scope='col' style='text-align:left'>{name}</th>" for name in names]
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _image_html(image: GalleryImage) -> str:
    if not image.source:  # a run of vectors without images
        return f"{html.escape(image.id)} "
    return f"<img style='{IMAGE_STYLE}' alt='{html.escape(image.id)}' src='{image.source}'>"
