"""The comparison of several clusterings as one HTML file without a script."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import latentlab
from latentlab.reporting import html, palettes, plots
from latentlab.reporting.cluster_rows import ClusterRow, cluster_rows
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.privacy import Privacy
from latentlab.scoring import tables
from latentlab.scoring.compare import Comparison, SideComparison
from latentlab.storage import guard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES_PER_CLUSTER = 6
NO_PARTNER = "without a partner"
POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)


@dataclass(frozen=True)
class Side:
    """One clustering on the page.

    Attributes
    ----------
    name : str
        As the comparison names it.
    summary : ClusteringSummary
        The clustering.
    partners : tuple of (int or None)
        For each of its clusters, the matched cluster of the first clustering.
    """

    name: str
    summary: ClusteringSummary
    partners: tuple[int | None, ...]

    def colours(self, k: int) -> list[str]:
        """Return the colour of each cluster: its partner's, or else a new one.

        Parameters
        ----------
        k : int
            Number of clusters of the first clustering.

        Returns
        -------
        list of str
            "#rrggbb" for each cluster.
        """
        palette = palettes.categories(k + len(self.partners))
        unused = iter(palette[k:])
        return [next(unused) if partner is None else palette[partner] for partner in self.partners]


@dataclass(frozen=True)
class SharedMap:
    """The clusters of one side on a map.

    Attributes
    ----------
    name : str
        Side that gives the colours.
    of : str
        Side that gives the map.
    source : str
        The picture as a data URI.
    """

    name: str
    of: str
    source: str


@dataclass(frozen=True)
class MatchedRow:
    """Matched clusters, side by side.

    Attributes
    ----------
    name : str
        The first clustering's cluster, or "without a partner".
    colour : str
        "#rrggbb".
    cells : list of (ClusterRow or None)
        The matched cluster of each side.
    """

    name: str
    colour: str
    cells: list[ClusterRow | None]


def render_comparison(comparison: Comparison, summaries: Sequence[ClusteringSummary]) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
        The comparison, see `latentlab.pipeline.compare`.
    summaries : sequence of ClusteringSummary
        The first clustering, then the others in their order.

    Returns
    -------
    str
        HTML that needs no network and runs no script.
    """
    sides = _sides(comparison, summaries)
    figures = _figures(comparison, sides)
    return html.template("comparison.html.jinja2").render(
        title=f"{len(sides)} clusterings of {_data_name(summaries[0])}",
        photos=any(summary.has_photos for summary in summaries),
        pretraining=tables.pretraining_of_each(comparison.pretraining or {}),
        version=latentlab.__version__,
        style=html.read_asset("report.css"),
        policy=POLICY,
        compared=comparison,
        names=[side.name for side in sides],
        pictures={name: plots.svg_uri(figure) for name, figure in figures.items()},
        maps=_maps(sides),
        rows=_matched_rows(sides),
        facts=_fact_rows(sides),
    )


def _data_name(summary: ClusteringSummary) -> str:
    return Privacy.of(summary.run).public(summary.images.name)


def _sides(comparison: Comparison, summaries: Sequence[ClusteringSummary]) -> list[Side]:
    """Return the first clustering, matched with itself, and the others."""
    first = summaries[0]
    sides = [Side(comparison.first, first, tuple(range(first.k)))]
    for compared, summary in zip(comparison.others, summaries[1:], strict=True):
        sides.append(Side(compared.name, summary, compared.partner))
    return sides


def _figures(comparison: Comparison, sides: Sequence[Side]) -> "dict[str, Figure]":
    curves = {side.name: side.summary.run.metrics() for side in _trained_sides(sides)}
    figures = {"loss": plots.loss_curves(curves)} if curves else {}
    if all(compared.scores is not None for compared in comparison.others):
        figures["scores"] = plots.score_differences(comparison.others, comparison.first)
    for i, compared in enumerate(comparison.others):
        figures[f"overlap-{i}"] = overlap_figure(comparison, compared)
    return figures


def overlap_figure(comparison: Comparison, compared: SideComparison) -> "Figure":
    """Draw how many images the clusters of the first and of another clustering share.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    compared : SideComparison
        One of its sides.

    Returns
    -------
    matplotlib.figure.Figure
    """
    sides = [comparison.first, compared.name]
    shown, names = zip(*(_shown_on(comparison, side) for side in sides), strict=True)
    return plots.transfer_heatmap(
        np.array(compared.overlap)[np.ix_(*shown)],
        f"of {comparison.first}",
        f"of {compared.name}",
        "Images by their clusters in both",
        names,
    )


def _shown_on(comparison: Comparison, name: str) -> tuple[list[int], list[str]]:
    """Return the numbers of the clusters of a side that are shown, and their names."""
    side = next(side for side in comparison.sides if side.name == name)
    numbers = [cluster.number for cluster in side.clusters]
    return numbers, [comparison.cluster_name(name, number) for number in numbers]


def _trained_sides(sides: Sequence[Side]) -> list[Side]:
    """Return one side of each run with losses, which are the same for all its clusterings."""
    seen = set()
    first_sides = []
    for side in sides:
        path = side.summary.run.path.resolve()
        if path not in seen and side.summary.run.config.is_autoencoder:
            seen.add(path)
            first_sides.append(side)
    return first_sides


def _maps(sides: Sequence[Side]) -> list[SharedMap]:
    """Return every side on the first map that there is; empty without a map."""
    mapped = next((side for side in sides if guard.is_there(side.summary.map_path)), None)
    if mapped is None:
        return []
    xy, positions = mapped.summary.read_map()
    ids = mapped.summary.images.ids[positions]
    k = sides[0].summary.k
    maps = []
    for side in sides:
        figure = plots.plain_map(xy, _clusters_of(side.summary, ids), side.colours(k))
        maps.append(SharedMap(name=side.name, of=mapped.name, source=plots.png_uri(figure)))
    return maps


def _clusters_of(summary: ClusteringSummary, ids: np.ndarray) -> np.ndarray:
    """Return the cluster of each id; -1 if the clustering has no such image."""
    all_ids = summary.images.ids
    order = np.argsort(all_ids)
    places = np.searchsorted(all_ids, ids, sorter=order).clip(0, len(order) - 1)
    is_present = all_ids[order[places]] == ids
    return np.where(is_present, summary.clusters[order[places]], -1)


def _matched_rows(sides: Sequence[Side]) -> list[MatchedRow]:
    """Return one row per cluster of the first side, then the clusters without a partner."""
    galleries = [_gallery(side.summary) for side in sides]
    first = sides[0].summary
    colours = palettes.categories(first.k)
    rows = []
    for cluster in first.shown:
        cells = []
        for side, gallery in zip(sides, galleries, strict=True):
            is_matched = cluster in side.partners
            cells.append(gallery[side.partners.index(cluster)] if is_matched else None)
        rows.append(MatchedRow(first.numbered_name(cluster), colours[cluster], cells))
    for number, side in enumerate(sides):
        colours = side.colours(first.k)
        for cluster in side.summary.shown:
            if side.partners[cluster] is None:
                cells = [None] * len(sides)
                cells[number] = galleries[number][cluster]
                rows.append(MatchedRow(NO_PARTNER, colours[cluster], cells))
    return rows


def _gallery(summary: ClusteringSummary) -> dict[int, ClusterRow]:
    """Return the row of each cluster that is shown, by its number."""
    return {row.number: row for row in cluster_rows(summary, IMAGES_PER_CLUSTER)}


def _fact_rows(sides: Sequence[Side]) -> list[dict[str, str]]:
    """Return the facts of each side; "" for what only others have."""
    rows = list(map(_facts, sides))
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = []
    for row in rows:
        filled.append({name: row.get(name, "") for name in names})
    return filled


def _facts(side: Side) -> dict[str, str]:
    run = side.summary.run
    fit = run.config.fit
    options = side.summary.clustering.options
    encoder = side.summary.encoder
    facts = {"clusters": side.name, "encoder": encoder.name, "pretraining": encoder.pretraining}
    if fit is not None:
        facts |= {
            "learning rate": f"{fit.learning_rate:g}",
            "epochs": str(fit.epochs),
            "seed": str(fit.seed),
        }
    return facts | {
        "method": options.method,
        "features": str(side.summary.features),
        "k": str(len(side.summary.shown)),
        "edits": side.summary.edit_note,
    }
