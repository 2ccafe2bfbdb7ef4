"""The data of the page, which templates/page/*.js read as JSON: version 2.

Each class is one object of that JSON. Arrays are sent as bytes in base64, or by the viewer's server
(`latentlab.reporting.packed`).
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.reporting import bokeh_map, palettes, thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary, Moves, gallery_size
from latentlab.reporting.edits import TAG_SEPARATOR
from latentlab.reporting.packed import Address, Pack, PackedArray, PointStore, inside, pack
from latentlab.reporting.page_groups import (
    Categories,
    Group,
    Groups,
    Numbers,
    categories,
    cluster_group,
    numbers,
    word_group,
)
from latentlab.reporting.privacy import public_ids
from latentlab.storage import guard, npz
from latentlab.storage.clustering import DECODED_NAME
from latentlab.storage.json_form import json_field

__all__ = ["Address", "Categories", "Groups", "Numbers", "PackedArray", "cluster_group", "pack"]

ImageSources = Callable[[np.ndarray], list[str]]
"""From positions of images to the `src` of an <img> for each."""

VERSION = 2  # of the JSON
RAMP_COLOURS = 64
MOST_INSIDE = 20_000  # images of a viewer's page whose data is inside the page


@dataclass(frozen=True)
class GalleryImage:
    """One image of a gallery.

    Attributes
    ----------
    id : str
        Id of the image.
    text : str
        Its label; "" if the data has no labels.
    source : str
        The `src` of its <img>.
    """

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class ClusterData:
    """One cluster.

    Attributes
    ----------
    number : int
        Number of the cluster.
    name : str
        The name that it was given, else "cluster" and its number.
    suggested : str or None
        A name that its images suggest.
    status : {"", "accepted", "rejected"}
        What somebody has said of it.
    sizes : dict of str to int
        Images by split; none of an empty cluster, which is shown nowhere.
    labels : list of (str, float)
        The commonest labels with their shares.
    centroid : str or None
        Data URI of the decoded mean code, if there is one.
    moves : Moves or None
        What refinement moved; None without refinement.
    nearest, ambiguous, movers : list of GalleryImage
        Typical images, ambiguous images, and images that refinement moved into the cluster.
    """

    number: int
    name: str
    suggested: str | None
    status: str
    sizes: dict[str, int]
    labels: list[tuple[str, float]]
    centroid: str | None
    moves: Moves | None
    nearest: list[GalleryImage]
    ambiguous: list[GalleryImage]
    movers: list[GalleryImage]


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
class TreeData:
    """The hierarchy of the clusters, if there is one.

    Attributes
    ----------
    merges : list of list of float
        [a, b, height, images] of each merge, as SciPy's linkage.
    leaves : list of int
        Cluster of each leaf.
    """

    merges: list[list[float]]
    leaves: list[int]


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
    tree : TreeData or None
        The hierarchy of the clusters.
    words : bool
        Whether the server searches by words.
    item : dict
        Bokeh's JSON item.
    """

    version: int = VERSION
    mode: str
    pictures: bool = True
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
    tree: TreeData | None = None
    words: bool = False
    item: Mapping[str, object]


def page_data(
    summary: ClusteringSummary,
    mode: str,
    sources: ImageSources | None = None,
    store: PointStore | None = None,
) -> PageData:
    """Return the data of a page, without an atlas.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    mode : {"report", "view"}
        A file, or the page of a server.
    sources : callable or None
        Where the images of galleries come from; None puts thumbnails into the page.
    store : PointStore or None
        Takes what belongs to each image, if the server sends it; None puts it into the page.

    Returns
    -------
    PageData
    """
    xy, positions = summary.read_map()
    keep = inside if store is None else store.keep
    ids = summary.images.ids[positions].tolist()
    data = PageData(
        mode=mode,
        pictures=summary.has_pictures,
        count=len(positions),
        edited=EditedData(summary.edit_note, summary.edit_count),
        xy=keep("xy", xy.astype(np.float32)),
        ids=ids if store is None else store.keep_texts("ids", ids),
        groups=groups_of(summary, positions, keep),
        ramp=palettes.ramp(RAMP_COLOURS),
        position=keep("position", positions.astype(np.int32)) if mode == "view" else None,
        clusters=clusters_of(summary, sources or thumbnail_sources(summary, gallery_side(summary))),
        item=bokeh_map.scatter_item(xy),
    )
    # The viewer is not passed on, and its edits name images.
    return data if mode == "view" else _with_public_ids(data, summary)


def _with_public_ids(data: PageData, summary: ClusteringSummary) -> PageData:
    """Return the data of a page without folders in ids that are absolute paths."""
    ids = summary.images.ids.tolist()
    name_of = dict(zip(ids, public_ids(ids), strict=True))

    def renamed(images: list[GalleryImage]) -> list[GalleryImage]:
        return [dataclasses.replace(image, id=name_of[image.id]) for image in images]

    clusters = [
        dataclasses.replace(
            cluster,
            nearest=renamed(cluster.nearest),
            ambiguous=renamed(cluster.ambiguous),
            movers=renamed(cluster.movers),
        )
        for cluster in data.clusters
    ]
    _, positions = summary.read_map()
    shown = [name_of[image_id] for image_id in summary.images.ids[positions].tolist()]
    return dataclasses.replace(data, ids=shown, clusters=clusters)


def groups_of(summary: ClusteringSummary, positions: np.ndarray, keep: Pack = inside) -> Groups:
    """Return the quantities of the images on the map.

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
    dict of str to Categories, Numbers or Texts
        "cluster", "label" if there are labels, "split" if any image is held out, "confidence" or
        "margin", "distance", "agreement" of a consensus, and what `edited_groups` returns.
    """
    groups = edited_groups(summary, positions, keep)
    if summary.classes is not None:
        classes = summary.classes[positions]
        groups["label"] = categories("label", classes, summary.class_names, "no label", keep)
    is_held_out = summary.images.splits[positions] == TEST
    if is_held_out.any():
        held_out = is_held_out.astype(np.int32)
        groups["split"] = categories("split", held_out, [TRAIN, TEST], "", keep)
    name, strength = summary.strength()
    title = "distance between the two nearest centers"
    if name == "confidence":
        title = "largest soft assignment"
    groups[name] = numbers(name, strength[positions], title, keep)
    distance = summary.distance[positions]
    groups["distance"] = numbers("distance", distance, "distance to the nearest center", keep)
    if summary.agreement is not None:
        agreement = summary.agreement[positions]
        groups["agreement"] = numbers("agreement", agreement, "agreement between seeds", keep)
    return groups


def edited_groups(
    summary: ClusteringSummary, positions: np.ndarray, keep: Pack = inside
) -> dict[str, Group]:
    """Return the quantities that edits by hand change.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, edited or as computed.
    positions : ndarray of int
        Positions of the images on the map.
    keep : callable
        Where the values go, see `Pack`.

    Returns
    -------
    dict of str to Categories
        "cluster"; "mark" and "tag" if any image has one.
    """
    names = list(map(summary.cluster_name, range(summary.k)))
    ids = summary.images.ids[positions]
    groups: dict[str, Group] = {"cluster": cluster_group(summary.clusters[positions], names, keep)}
    if summary.marks:
        groups["mark"] = word_group("mark", ids, summary.marks, "not marked")
    if summary.tags:
        joined = {image_id: TAG_SEPARATOR.join(tags) for image_id, tags in summary.tags.items()}
        groups["tag"] = word_group("tag", ids, joined, "without a tag")
    return groups


def gallery_side(summary: ClusteringSummary) -> int:
    """Return the size of the pictures of galleries that a page has room for, in pixels.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering of the images.
    """
    if not summary.has_photos:
        return thumbnails.THUMBNAIL_SIDE
    galleries = 2 if summary.start is None else 3
    count = galleries * summary.k * gallery_size(summary.k)
    n_images = len(summary.images)
    measured = np.linspace(0, n_images - 1, min(n_images, thumbnails.TILES_MEASURED), dtype=int)
    return thumbnails.tile_side(count, summary.images.read(measured))


def thumbnail_sources(
    summary: ClusteringSummary, side: int = thumbnails.THUMBNAIL_SIDE
) -> ImageSources:
    """Return a function that makes data URIs of images.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering of the images.
    side : int
        Pixels a side, at most.

    Returns
    -------
    callable
        From positions of images to a data URI for each; "" if the run has no images.
    """

    def sources(positions: np.ndarray) -> list[str]:
        if not len(positions) or not summary.has_pictures:
            return [""] * len(positions)
        return [thumbnails.thumbnail(image, side) for image in summary.images.read(positions)]

    return sources


def gallery_images(
    summary: ClusteringSummary, positions: np.ndarray, sources: ImageSources
) -> list[GalleryImage]:
    """Return images with their ids and labels.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering of the images.
    positions : ndarray of int
        Positions of the images.
    sources : callable
        Where the images come from, see `ImageSources`.

    Returns
    -------
    list of GalleryImage
    """
    texts = [""] * len(positions)
    if summary.classes is not None:
        names = (*summary.class_names, "no label")
        texts = [names[number] for number in summary.classes[positions]]
    ids = summary.images.ids[positions].tolist()
    return list(map(GalleryImage, ids, texts, sources(positions)))


def clusters_of(summary: ClusteringSummary, sources: ImageSources) -> list[ClusterData]:
    """Return the page's data about each cluster.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    sources : callable
        Where the images of galleries come from, see `ImageSources`.

    Returns
    -------
    list of ClusterData
    """
    count = gallery_size(summary.k)
    nearest = summary.gallery("nearest", count)
    ambiguous = summary.gallery("ambiguous", count)
    centroids = _centroids(summary)
    clusters = []
    for cluster in range(summary.k):
        members = summary.members(cluster)
        splits = summary.images.splits[members]
        movers = summary.movers(cluster, count)
        clusters.append(
            ClusterData(
                number=cluster,
                name=summary.cluster_name(cluster),
                suggested=None,
                status=summary.status[cluster],
                sizes={split: int((splits == split).sum()) for split in (TRAIN, TEST)},
                labels=summary.label_mix(members),
                centroid=centroids[cluster] if cluster < len(centroids) else None,
                moves=summary.moves(cluster),
                nearest=gallery_images(summary, nearest[cluster], sources),
                ambiguous=gallery_images(summary, ambiguous[cluster], sources),
                movers=gallery_images(summary, movers, sources),
            )
        )
    return clusters


def _centroids(summary: ClusteringSummary) -> list[str]:
    """Return the decoded mean codes of the clusters as data URIs; empty if there are none."""
    path = summary.folder / DECODED_NAME
    if not guard.is_there(path):
        return []
    images = npz.read_stored(path)["centroids"]
    return list(map(thumbnails.thumbnail, images))
