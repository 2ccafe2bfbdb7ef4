"""A run in a notebook: `RunView(path)` at the end of a cell shows what was found, the map and typical images of each cluster."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab import pipeline
from latentlab.reporting import html as pages
from latentlab.reporting import palettes, plots, text
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLUSTERS = 30
IMAGES = 8


class RunView:
    """Clusters of a run, to be looked at; reads the run's files and changes nothing.

    Parameters
    ----------
    run : str, pathlib.Path or Run
    name : str or None
        Which clusters; default: the newest.

    Raises
    ------
    RunError
        If there is no such run, or it has no such clusters.
    """

    def __init__(self, run: "str | Path | Run", name: str | None = None) -> None:
        opened = run if isinstance(run, Run) else Run.open(run)
        self.summary = pipeline.look(opened, name)

    def __repr__(self) -> str:
        return f"RunView({str(self.summary.run.path)!r}, {self.summary.name!r}): {len(self.summary.images):,} images in {self.summary.k} clusters"

    def plot_map(self, by: str = "cluster") -> "Figure":
        """Return the map as a matplotlib figure, coloured by "cluster" or "label".

        Raises
        ------
        RunError
            If the run has no map yet: `latentlab report` makes one.
        ValueError
            If `by` is another word, or the data has no labels.
        """
        xy, chosen = self.summary.read_map()
        if by == "cluster":
            return plots.scatter(
                xy,
                self.summary.clusters[chosen],
                [str(i) for i in range(self.summary.k)],
                "By cluster",
                self.summary.map_note(),
            )
        if by != "label" or self.summary.classes is None:
            raise ValueError(f"by={by!r}: known are cluster and, where the data has labels, label.")
        return plots.scatter(
            xy,
            self.summary.classes[chosen],
            list(self.summary.class_names),
            "By label",
            self.summary.map_note(),
        )

    def plot_losses(self) -> "Figure":
        """Return the loss curves of the fit as a matplotlib figure."""
        return plots.loss_curves({self.summary.run.path.resolve().name: self.summary.run.metrics()})

    def _repr_html_(self) -> str:
        """Return the summary, the map where there is one, and the images nearest to each center, without scripts."""
        told = "".join(
            f"<p style='margin:0.2em 0'>{html.escape(sentence)}</p>"
            for sentence in text.summary_sentences(self.summary)
        )
        title = f"<h3>{html.escape(f'{self.summary.images.name}: {self.summary.name}')}</h3>"
        return f"<div style='max-width:60em'>{title}{told}{self._map()}<table>{''.join(self._rows())}</table></div>"

    def _map(self) -> str:
        if not (self.summary.run.path / "projection" / "umap.parquet").exists():
            return ""
        xy, chosen = self.summary.read_map()
        figure = plots.plain_map(
            xy, self.summary.clusters[chosen], palettes.categories(self.summary.k)
        )
        return f"<img style='max-width:22em' alt='Map of the images, coloured by cluster' src='{plots.png_uri(figure)}'>"

    def _rows(self) -> list[str]:
        picks, show = (
            self.summary.gallery("nearest", IMAGES),
            pages.gallery_pictures(self.summary),
        )
        colours = palettes.categories(self.summary.k)
        rows = []
        for cluster in range(min(self.summary.k, MOST_CLUSTERS)):
            members = np.flatnonzero(self.summary.clusters == cluster)
            mix = ", ".join(
                f"{name} {share:.0%}" for name, share in self.summary.label_mix(members, 2)
            )
            named = zip(
                self.summary.images.ids[picks[cluster]].tolist(), show(picks[cluster]), strict=True
            )
            images = "".join(
                f"<img style='height:40px;display:inline;margin:1px;image-rendering:pixelated' alt='{html.escape(i)}' src='{source}'>"
                for i, source in named
            )
            dot = f"<span style='color:{colours[cluster]}'>&#9679;</span>"
            rows.append(
                f"<tr><td>{dot} {cluster}</td><td>{len(members):,}</td><td>{html.escape(mix)}</td><td style='text-align:left'>{images}</td></tr>"
            )
        return rows
