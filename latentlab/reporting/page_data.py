"""The data of the page, which the scripts in templates/page read as JSON: version 2.

Each class is one object of that JSON. Arrays are sent as bytes in base64, or by the viewer's server
(`latentlab.reporting.packed`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from latentlab.clustering.tree import ClusterTree
from latentlab.reporting import palettes
from latentlab.reporting.cluster_tree import tree_of
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.packed import Address, Pack, PackedArray, PointStore, inside
from latentlab.reporting.page_clusters import ClusterData, clusters_of
from latentlab.reporting.page_groups import Groups
from latentlab.reporting.privacy import public_ids
from latentlab.reporting.summary_groups import groups_of
from latentlab.storage.json_form import json_field

VERSION = 2  # of the JSON
RAMP_COLOURS = 64
MOST_INSIDE = 20_000  # images of a viewer's page whose data is inside the page


@dataclass(frozen=True, kw_only=True)
class AtlasData:
    """Where the thumbnails of the map's images are.

    Attributes
    ----------
    side : int
        Pixels of the square in which a thumbnail lies.
    columns : int
        Squares in a row of a sheet.
    per_sheet : int
        Squares of a sheet.
    ratio : PackedArray of uint8
        Width and height of each thumbnail in pixels, w0, h0, w1, h1, ...: it lies at the top left
        of its square.
    place : PackedArray of int32, or None
        Number of each image's thumbnail, -1 for none; None if image i has thumbnail i.
    choice : {"all", "sample"}
        Whether every image of the map has a thumbnail.
    per_cluster : int
        Thumbnails that each cluster has at least, if it has as many images.
    """

    side: int
    columns: int
    per_sheet: int = json_field(key="perSheet")
    ratio: PackedArray
    place: PackedArray | None
    choice: str
    per_cluster: int = json_field(key="perCluster")


@dataclass(frozen=True)
class NeighbourData:
    """The nearest images of those with thumbnails, among those with thumbnails.

    Attributes
    ----------
    k : int
        Neighbours of each.
    rows : PackedArray of int32
        Rows on the map of the k nearest images of thumbnail 0, then of thumbnail 1, and so on; the
        nearest first.
    """

    k: int
    rows: PackedArray


@dataclass(frozen=True)
class EditedData:
    """How far the clusters are those that were computed.

    Attributes
    ----------
    note : str
        "as computed", or "with 3 edits by hand".
    count : int
        Edits by hand.
    """

    note: str
    count: int


@dataclass(frozen=True)
class StateData:
    """The clusters in another state: as computed, where the page shows edits by hand.

    Attributes
    ----------
    groups : mapping of str to Categories
        "cluster".
    clusters : list of ClusterData
        Every cluster.
    tree : ClusterTree or None
        The hierarchy of the clusters.
    """

    groups: Groups
    clusters: list[ClusterData]
    tree: ClusterTree | None


@dataclass(frozen=True, kw_only=True)
class PageData:
    """Everything that the scripts of the page read.

    Attributes
    ----------
    version : int
        Of this form.
    mode : {"report", "view"}
        A file, or the page of a server.
    pictures : bool
        Whether the images can be shown.
    thumbs : bool
        Whether the server gives pictures in the size that is asked for, and says what is alike.
    count : int
        Images on the map.
    edited : EditedData
        Edits by hand that the clusters hold.
    xy : PackedArray of float32
        Places on the map: x0, y0, x1, y1, ...
    ids : list of str, or Address
        Id of each image on the map.
    groups : mapping of str to Categories, Numbers or Texts
        Quantities of each image on the map.
    ramp : list of str
        Colours of numbers, from low to high.
    position : PackedArray of int32, or None
        Position of each image on the map in the run; only of a server's page.
    clusters : list of ClusterData
        Every cluster.
    atlas : AtlasData or None
        Where the thumbnails are; only of a report.
    neighbours : NeighbourData or None
        Which images are alike; only of a report, a server is asked.
    tree : ClusterTree or None
        The hierarchy of the clusters.
    words : bool
        Whether the server searches by words.
    typical : PackedArray of float32, or None
        How far each image is from what is typical of its cluster, where edits by hand have changed
        it; None where that is the group "distance".
    computed : StateData or None
        The clusters as computed; None where the page has them anyway, or is to leave them out.
    """

    version: int = VERSION
    mode: str
    pictures: bool = True
    thumbs: bool = False
    count: int
    edited: EditedData
    xy: PackedArray
    ids: list[str] | Address
    groups: Groups
    ramp: list[str]
    position: PackedArray | None = json_field(optional=True)
    clusters: list[ClusterData]
    atlas: AtlasData | None = json_field(optional=True)
    neighbours: NeighbourData | None = json_field(optional=True)
    tree: ClusterTree | None = None
    words: bool = False
    typical: PackedArray | None = json_field(optional=True)
    computed: StateData | None = json_field(optional=True)


@dataclass(frozen=True)
class MapPoints:
    """The images on the map.

    Attributes
    ----------
    xy : ndarray of shape (n, 2), float32
        Their places.
    positions : ndarray of shape (n,), int
        Their positions in the run.
    """

    xy: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class PageExtras:
    """What a page shows beside the summary of a clustering.

    Attributes
    ----------
    groups : mapping of str to Categories, Numbers or Texts
        Further quantities of the images on the map.
    suggested : sequence of str or None
        A name that the images of each cluster suggest; empty for none.
    words : bool
        Whether the server searches by words.
    computed : StateData or None
        The clusters as computed, beside the edited ones.
    """

    groups: Groups = field(default_factory=dict)
    suggested: Sequence[str | None] = ()
    words: bool = False
    computed: StateData | None = None


def page_data(
    summary: ClusteringSummary,
    mode: str,
    extras: PageExtras | None = None,
    points: MapPoints | None = None,
    store: PointStore | None = None,
) -> PageData:
    """Return the data of a page, without an atlas.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    mode : {"report", "view"}
        A file, or the page of a server.
    extras : PageExtras or None
        What the summary does not hold.
    points : MapPoints or None
        The images on the map; None reads them.
    store : PointStore or None
        Takes what belongs to each image, if the server sends it; None puts it into the page.

    Returns
    -------
    PageData
    """
    extras = extras or PageExtras()
    points = points or MapPoints(*summary.read_map())
    keep = inside if store is None else store.keep
    position = points.positions.astype(np.int32)
    return PageData(
        mode=mode,
        pictures=summary.has_pictures,
        thumbs=mode == "view" and summary.has_pictures,
        count=len(position),
        edited=EditedData(summary.edit_note, summary.edit_count),
        xy=keep("xy", points.xy.astype(np.float32)),
        ids=_ids_of(summary, points, mode, store),
        groups={**groups_of(summary, points.positions, keep), **extras.groups},
        ramp=palettes.ramp(RAMP_COLOURS),
        position=keep("position", position) if mode == "view" else None,
        clusters=clusters_of(summary, extras.suggested),
        tree=tree_of(summary),
        words=extras.words,
        typical=typical_of(summary, points.positions, keep),
        computed=extras.computed,
    )


def typical_of(
    summary: ClusteringSummary, positions: np.ndarray, keep: Pack = inside
) -> PackedArray | None:
    """Return how far images are from what is typical of their clusters.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    positions : ndarray of int
        Positions of the images on the map.
    keep : callable
        Where the values go, see `Pack`.

    Returns
    -------
    PackedArray or None
        None where it is the distance to the center.
    """
    if summary.typical is summary.distance:
        return None
    return keep("typical", summary.typical[positions].astype(np.float32))


def _ids_of(
    summary: ClusteringSummary, points: MapPoints, mode: str, store: PointStore | None
) -> list[str] | Address:
    """Return the ids of the images on the map."""
    if mode == "report":
        # A viewer is not passed on, and its edits name images.
        ids = np.array(public_ids(summary.images.ids.tolist()))
        return ids[points.positions].tolist()
    shown: list[str] = summary.images.ids[points.positions].tolist()
    return shown if store is None else store.keep_texts("ids", shown)
