"""The comparison of several clusterings as one HTML file.

Two clusterings are shown side by side with linked maps, a table and a grid of images; more of them
on a page without a script.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

import latentlab
from latentlab.reporting import html, palettes, plots
from latentlab.reporting.cluster_rows import ClusterRow, cluster_rows
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.comparison_data import (
    NOWHERE,
    ComparedRows,
    ComparisonData,
    comparison_data,
    places_of,
    side_colours,
)
from latentlab.reporting.comparison_pictures import compared_pictures
from latentlab.reporting.privacy import Privacy
from latentlab.scoring import tables
from latentlab.scoring.compare import Comparison, SideComparison
from latentlab.storage import guard
from latentlab.storage.json_form import to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES_PER_CLUSTER = 6
MOST_IMAGES = 400  # of all matched clusters together, so that the page keeps its size
SCRIPTS = (  # in latentlab/templates, in the order in which they must run
    *("page/elements.js", "page/frame.js", "page/store.js", "page/thumbs.js", "page/map.js"),
    *("page/inks.js", "page/grid.js", "compare/sides.js", "compare/table.js", "compare/start.js"),
)
NO_PARTNER = "without a partner"
LARGEST_FLOWS = 3
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
        return side_colours(self.partners, k)


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


@dataclass(frozen=True, kw_only=True)
class LivePart:
    """What a page of two clusterings has more: data, pictures and code.

    Attributes
    ----------
    data : ComparisonData
        The data that the scripts read.
    scripts : sequence of str
        JavaScript, in the order in which it must run.
    sheets : sequence of str
        Sprite sheets of thumbnails, WebP in base64.
    note : str
        Which images have thumbnails, in a sentence.
    """

    data: ComparisonData
    scripts: Sequence[str] = field(default_factory=lambda: html.scripts_of(SCRIPTS))
    sheets: Sequence[str] = ()
    note: str = ""


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
        HTML that needs no network; of more than two clusterings it runs no script.
    """
    page = _Page(comparison, summaries)
    if len(summaries) > 2:  # noqa: PLR2004  # a page has a left and a right
        return page.html()
    rows = ComparedRows.of(summaries)
    names = [comparison.first, comparison.others[0].name]
    live = LivePart(data=comparison_data(names, summaries, comparison.others[0].partner, rows))

    # The page without thumbnails says how much room they have.
    room = max(0, html.LARGEST_PAGE - len(page.html(live).encode()))
    made = compared_pictures(summaries, rows, room)
    if made is not None:
        data = replace(live.data, atlas=made.atlas)
        live = replace(live, data=data, sheets=made.sheets, note=made.note)
    return page.html(live)


class _Page:
    """A page, whose figures and galleries are made once."""

    def __init__(self, comparison: Comparison, summaries: Sequence[ClusteringSummary]) -> None:
        self._comparison = comparison
        self._summaries = summaries
        self._sides = _sides(comparison, summaries)
        figures = _figures(comparison, self._sides)
        self._pictures = {name: plots.svg_uri(figure) for name, figure in figures.items()}
        self._rows = _matched_rows(self._sides)

    def html(self, live: LivePart | None = None) -> str:
        """Return the page, with the linked maps of two sides or without."""
        comparison, summaries = self._comparison, self._summaries
        style = [html.read_asset("report.css"), html.read_asset("compare/compare.css")]
        if live is not None:
            style.insert(1, html.read_asset("page/page.css"))
        return html.template("comparison.html.jinja2").render(
            title=f"{len(summaries)} clusterings of {_data_name(summaries[0])}",
            photos=any(summary.has_photos for summary in summaries),
            pretraining=tables.pretraining_of_each(comparison.pretraining or {}),
            version=latentlab.__version__,
            style="".join(style),
            policy=POLICY if live is None else html.report_policy(live.scripts),
            compared=comparison,
            sentences=_sentences(comparison, summaries, "" if live is None else live.note),
            names=[side.name for side in self._sides],
            pictures=self._pictures,
            maps=_maps(self._sides) if live is None else [],
            rows=self._rows,
            facts=_fact_rows(self._sides),
            live=None if live is None else live.data,
            data=None if live is None else to_json(live.data),
            sheets=[] if live is None else live.sheets,
            scripts=[] if live is None else live.scripts,
        )


def _sentences(
    comparison: Comparison, summaries: Sequence[ClusteringSummary], note: str
) -> list[str]:
    """Return what is compared, what moved, and which images cannot be compared."""
    sentences = []
    for side in comparison.others:
        sentences += _moves(comparison, side)
    edits = [f"{side.edits} ({side.name})" for side in comparison.sides]
    sentences.append(f"Clusters are shown {', '.join(edits)}.")
    sentences += _left_out(comparison, summaries)
    if note:
        sentences.append(f"{note[0].upper()}{note[1:]}.")
    return sentences


def _moves(comparison: Comparison, side: SideComparison) -> list[str]:
    """Return how many images moved, and the largest flows."""
    sentences = [
        f"{side.name} against {comparison.first}: {side.moved:.1%} of {comparison.images:,} images"
        " are outside matched clusters."
    ]
    flows = []
    for flow in side.flows[:LARGEST_FLOWS]:
        source = comparison.cluster_name(comparison.first, flow.source)
        target = comparison.cluster_name(side.name, flow.target)
        flows.append(f"{flow.images:,} from its cluster {source} to this one's {target}")
    if flows:
        sentences.append(f"The largest flows: {', '.join(flows)}.")
    return sentences


def _left_out(comparison: Comparison, summaries: Sequence[ClusteringSummary]) -> list[str]:
    """Return a sentence about images of each side that are not compared."""
    sentences = []
    for number, (side, summary) in enumerate(zip(comparison.sides, summaries, strict=True)):
        is_absent = np.zeros(len(summary.images), bool)
        for other in (*summaries[:number], *summaries[number + 1 :]):
            is_absent |= places_of(other.images.ids, summary.images.ids) == NOWHERE
        counts = {
            "are not in every other run": int(is_absent.sum()),
            "are in no cluster, since theirs was dropped by hand": summary.dropped,
        }
        for reason, count in counts.items():
            if count:
                text = f"{count:,} images of {side.name} {reason}; they are not compared."
                sentences.append(text)
    return sentences


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
    places = places_of(summary.images.ids, ids)
    return np.where(places == NOWHERE, -1, summary.clusters[places])


def _matched_rows(sides: Sequence[Side]) -> list[MatchedRow]:
    """Return one row per cluster of the first side, then the clusters without a partner."""
    n_clusters = sum(len(side.summary.shown) for side in sides)
    n_images = min(IMAGES_PER_CLUSTER, MOST_IMAGES // max(1, n_clusters))
    galleries = [_gallery(side.summary, n_images) for side in sides]
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


def _gallery(summary: ClusteringSummary, n_images: int) -> dict[int, ClusterRow]:
    """Return the row of each cluster that is shown, by its number."""
    return {row.number: row for row in cluster_rows(summary, n_images)}


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
