"""The data of the page that compares two clusterings, which templates/compare reads as JSON.

The images of both are matched by their ids. What belongs to each image is sent as in
`latentlab.reporting.page_data`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.reporting import palettes
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.packed import PackedArray, pack
from latentlab.reporting.page_data import AtlasData
from latentlab.reporting.page_groups import Categories, Groups, categories
from latentlab.reporting.privacy import public_ids
from latentlab.storage.json_form import json_field

VERSION = 1  # of the JSON
MOST_ROWS = 60_000  # images on a page, as on a map
SIDES = ("left", "right")
NOWHERE = -1  # position of an image in a run that has none of this id


@dataclass(frozen=True)
class ComparedRows:
    """The images on the page.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Their ids in the runs.
    positions : ndarray of shape (2, n), int
        Their positions in the run of each side, -1 for none.
    total : int
        Number of images that both runs have together.
    """

    ids: np.ndarray
    positions: np.ndarray
    total: int

    @classmethod
    def of(cls, summaries: Sequence[ClusteringSummary], most: int = MOST_ROWS) -> "ComparedRows":
        """Return the images of two clusterings; those on both maps first, if they are too many.

        Parameters
        ----------
        summaries : sequence of ClusteringSummary
            The two clusterings.
        most : int
            Images to return, at most.
        """
        first, second = (summary.images.ids for summary in summaries)
        only_second = second[places_of(first, second) == NOWHERE]
        ids = np.concatenate([first, only_second])
        places = np.stack([places_of(summary.images.ids, ids) for summary in summaries])
        rows = np.arange(len(ids))
        if len(ids) > most:
            maps = [_is_on_map(summary, at) for summary, at in zip(summaries, places, strict=True)]
            by_chance = np.random.default_rng([0, 93]).permutation(len(ids))
            missing = 2 - np.sum(maps, axis=0)[by_chance]
            rows = np.sort(by_chance[np.argsort(missing, kind="stable")[:most]])
        return cls(ids[rows], places[:, rows], len(ids))


@dataclass(frozen=True, kw_only=True)
class MapData:
    """The map of one side.

    Attributes
    ----------
    xy : PackedArray of float32
        Places: x0, y0, x1, y1, ...
    rows : PackedArray of int32
        The image of each place, by its number on the page.
    of : {"left", "right"}
        The side whose map it is.
    note : str
        What it shows, in a sentence.
    """

    xy: PackedArray
    rows: PackedArray
    of: str
    note: str


@dataclass(frozen=True, kw_only=True)
class SideData:
    """One clustering.

    Attributes
    ----------
    name : str
        As the comparison names it.
    edits : str
        "as computed", or "with 3 edits by hand".
    clusters : list of int
        The clusters that are shown.
    partners : list of (int or None)
        For each cluster, the other side's cluster that it is matched with.
    map : MapData or None
        Its map; None if neither run has one.
    """

    name: str
    edits: str
    clusters: list[int]
    partners: list[int | None]
    map: MapData | None


@dataclass(frozen=True, kw_only=True)
class ComparisonData:
    """Everything that the scripts of the page read.

    Attributes
    ----------
    version : int
        Of this form.
    pictures : bool
        Whether images can be shown.
    count : int
        Images on the page.
    total : int
        Images of both runs together.
    ids : list of str
        Id of each image on the page.
    groups : mapping of str to Categories
        "left" and "right", the clusters; "moved", whether they are matched; "label".
    sides : list of SideData
        The two clusterings.
    table : list of lists of int
        Images by cluster on the left and on the right; the last row and column are of those that
        are in no cluster there.
    atlas : AtlasData or None
        Where the thumbnails are.
    """

    version: int = VERSION
    pictures: bool
    count: int
    total: int
    ids: list[str]
    groups: Groups
    sides: list[SideData]
    table: list[list[int]]
    atlas: AtlasData | None = json_field(optional=True)


def comparison_data(
    names: Sequence[str],
    summaries: Sequence[ClusteringSummary],
    partner: Sequence[int | None],
    rows: ComparedRows,
) -> ComparisonData:
    """Return the data of the page, without an atlas.

    Parameters
    ----------
    names : sequence of str
        Names of the two sides.
    summaries : sequence of ClusteringSummary
        The two clusterings.
    partner : sequence of (int or None)
        For each cluster of the second, the matched cluster of the first.
    rows : ComparedRows
        The images on the page.
    """
    partners = [_turned(partner, summaries[0].k), list(partner)]
    maps = _maps(summaries, rows)
    sides = []
    for place, summary in enumerate(summaries):
        sides.append(
            SideData(
                name=names[place],
                edits=summary.edit_note,
                clusters=list(summary.shown),
                partners=partners[place],
                map=maps[place],
            )
        )
    return ComparisonData(
        pictures=any(summary.has_pictures for summary in summaries),
        count=len(rows.ids),
        total=rows.total,
        ids=public_ids(rows.ids.tolist()),
        groups=_groups(names, summaries, partner, rows),
        sides=sides,
        table=cluster_table(summaries).tolist(),
    )


def cluster_table(summaries: Sequence[ClusteringSummary]) -> np.ndarray:
    """Return all images of two runs by their clusters in both.

    Parameters
    ----------
    summaries : sequence of ClusteringSummary
        The two clusterings.

    Returns
    -------
    ndarray of shape (k of the first + 1, k of the second + 1), int64
        The last row and column count images that are in no cluster of that side, since its run has
        no such image or its cluster was dropped by hand.
    """
    rows = ComparedRows.of(summaries, most=sum(len(summary.images) for summary in summaries))
    table = np.zeros([summary.k + 1 for summary in summaries], np.int64)
    np.add.at(table, tuple(_clusters(summaries, rows)), 1)  # -1 is the last row or column
    return table


def places_of(all_ids: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return where each id stands among all ids; -1 where it does not.

    Parameters
    ----------
    all_ids : ndarray of shape (n,), str
        Different ids.
    ids : ndarray of shape (m,), str
        The ids to look for.

    Examples
    --------
    >>> places_of(np.array(["b", "a"]), np.array(["a", "c"])).tolist()
    [1, -1]
    """
    order = np.argsort(all_ids)
    places = order[np.searchsorted(all_ids, ids, sorter=order).clip(0, len(order) - 1)]
    return np.where(all_ids[places] == ids, places, NOWHERE)


def _is_on_map(summary: ClusteringSummary, positions: np.ndarray) -> np.ndarray:
    """Return whether each image is on the map of a run; none is without a map."""
    on_map = np.zeros(len(summary.images) + 1, bool)  # the last entry stands for position -1
    if summary.has_map:
        on_map[summary.read_map()[1]] = True
    return on_map[positions]


def _turned(partner: Sequence[int | None], k: int) -> list[int | None]:
    """Return the cluster of the second that each of k clusters of the first is matched with."""
    turned: list[int | None] = [None] * k
    for cluster, matched in enumerate(partner):
        if matched is not None:
            turned[matched] = cluster
    return turned


def _clusters(summaries: Sequence[ClusteringSummary], rows: ComparedRows) -> list[np.ndarray]:
    """Return the clusters of the images on each side; -1 for none."""
    clusters = []
    for summary, positions in zip(summaries, rows.positions, strict=True):
        is_there = positions != NOWHERE
        clusters.append(np.where(is_there, summary.clusters[positions], NOWHERE))
    return clusters


# Groups


def side_colours(partner: Sequence[int | None], k: int) -> list[str]:
    """Return a colour for each cluster: its partner's, or else a new one.

    Parameters
    ----------
    partner : sequence of (int or None)
        For each cluster, the matched cluster of the first clustering.
    k : int
        Number of clusters of the first clustering.

    Returns
    -------
    list of str
        "#rrggbb" for each cluster.
    """
    palette = palettes.categories(k + len(partner))
    unused = iter(palette[k:])
    return [next(unused) if matched is None else palette[matched] for matched in partner]


def _groups(
    names: Sequence[str],
    summaries: Sequence[ClusteringSummary],
    partner: Sequence[int | None],
    rows: ComparedRows,
) -> Groups:
    """Return the clusters of both sides, what moved, and the labels."""
    first, second = summaries
    clusters = _clusters(summaries, rows)
    partners = (range(first.k), partner)
    groups: dict[str, Categories] = {}
    for place, side in enumerate(SIDES):
        colours = side_colours(partners[place], first.k)
        summary, values = summaries[place], clusters[place]
        missing = _missing_text(names[place], values, rows.positions[place])
        group = categories(side, values, _cluster_names(summary), missing)
        inks = list(map(palettes.ink, colours))
        groups[side] = replace(group, colours=colours, inks=inks)
    matched = np.array([NOWHERE if cluster is None else cluster for cluster in partner])
    is_clustered = (clusters[0] >= 0) & (clusters[1] >= 0)
    stays = matched[clusters[1]] == clusters[0]
    moved = np.where(is_clustered, (~stays).astype(np.int64), NOWHERE)
    moves = ["in matched clusters", "outside matched clusters"]
    groups["moved"] = categories("moved", moved, moves, "in no cluster of one side")
    if first.classes is not None:
        labels = _labels(summaries, rows)
        groups["label"] = categories("label", labels, first.class_names, "no label")
    return groups


def _cluster_names(summary: ClusteringSummary) -> list[str]:
    return list(map(summary.cluster_name, range(summary.k)))


def _missing_text(name: str, clusters: np.ndarray, positions: np.ndarray) -> str:
    """Return what stands for images that are in no cluster of a side."""
    is_absent = positions == NOWHERE
    is_dropped = (clusters < 0) & ~is_absent
    if is_dropped.any():
        return f"not in {name}, or dropped there" if is_absent.any() else f"dropped in {name}"
    return f"not in {name}"


def _labels(summaries: Sequence[ClusteringSummary], rows: ComparedRows) -> np.ndarray:
    """Return the class of each image, from the side that has the image; -1 if it is unknown."""
    labels = np.full(len(rows.ids), NOWHERE)
    for summary, positions in reversed(list(zip(summaries, rows.positions, strict=True))):
        if summary.classes is not None:
            labels = np.where(positions == NOWHERE, labels, summary.classes[positions])
    return labels


# Maps


def _maps(summaries: Sequence[ClusteringSummary], rows: ComparedRows) -> list[MapData | None]:
    """Return the map of each side; a side without a map gets the other's."""
    maps = [
        _map_of(side, summary, positions) if summary.has_map else None
        for side, summary, positions in zip(SIDES, summaries, rows.positions, strict=True)
    ]
    return [maps[0] or maps[1], maps[1] or maps[0]]


def _map_of(side: str, summary: ClusteringSummary, positions: np.ndarray) -> MapData:
    xy, mapped = summary.read_map()
    place = np.full(len(summary.images) + 1, NOWHERE)  # the last entry stands for position -1
    place[mapped] = np.arange(len(mapped))
    rows = np.flatnonzero(place[positions] >= 0)
    shown = xy[place[positions[rows]]].astype(np.float32)
    return MapData(
        xy=pack(shown), rows=pack(rows.astype(np.int32)), of=side, note=summary.map_note()
    )
