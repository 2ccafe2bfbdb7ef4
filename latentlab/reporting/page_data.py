"""The data of the page, which templates/report.js and templates/view.js read as JSON.

Each class is one object of that JSON. Arrays are sent as bytes in base64.
"""

import base64
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.data.images import TEST, TRAIN
from latentlab.reporting import bokeh_map, palettes, thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary, Moves, gallery_size
from latentlab.reporting.privacy import public_ids
from latentlab.storage import guard, npz
from latentlab.storage.clustering import DECODED_NAME
from latentlab.storage.json_form import json_field

ImageSources = Callable[[np.ndarray], list[str]]
"""From positions of images to the `src` of an <img> for each."""

RAMP_COLOURS = 64
LARGEST_INT8 = 127
OUTER_PERCENTILES = (1, 99)  # a few far values would otherwise leave one colour for all others


@dataclass(frozen=True)
class PackedArray:
    """An array as bytes.

    Attributes
    ----------
    type : str
        "int8", "int32" or "float32".
    base64 : str
        The little-endian bytes in base64.
    """

    type: str
    base64: str


@dataclass(frozen=True, kw_only=True)
class Categories:
    """A group of every image, by which the map can be coloured: cluster, label, split or mark.

    Attributes
    ----------
    kind : str
        "categories".
    values : PackedArray
        Category of each image, -1 for none.
    names : list of str
        Name of each category.
    missing : str
        Name of category -1.
    colours : list of str
        Colour of each category, "#rrggbb".
    inks : list of str
        Colour of text on each of these colours.
    grey : str
        Colour of category -1.
    """

    kind: str = "categories"
    values: PackedArray
    names: list[str]
    missing: str
    colours: list[str]
    inks: list[str]
    grey: str = palettes.MISSING


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A number of every image, by which the map can be coloured.

    Attributes
    ----------
    kind : str
        "numbers".
    values : PackedArray
        Number of each image.
    low, high : float
        Where the colours begin and end: the 1st and the 99th percentile.
    title : str
        Meaning of the number.
    """

    kind: str = "numbers"
    values: PackedArray
    low: float
    high: float
    title: str


Groups = Mapping[str, Categories | Numbers]


@dataclass(frozen=True)
class MapData:
    """The map of some images.

    Attributes
    ----------
    item : dict
        Bokeh's JSON item.
    ids : list of str
        Id of each image on the map.
    groups : mapping of str to Categories or Numbers
        Quantities for the colours of the points.
    ramp : list of str
        Colours of numbers, from low to high.
    """

    item: Mapping[str, object]
    ids: list[str]
    groups: Groups
    ramp: list[str]


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
    sizes : dict of str to int
        Images by split.
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
    sizes: dict[str, int]
    labels: list[tuple[str, float]]
    centroid: str | None
    moves: Moves | None
    nearest: list[GalleryImage]
    ambiguous: list[GalleryImage]
    movers: list[GalleryImage]


@dataclass(frozen=True)
class AtlasData:
    """Where the thumbnails of the map's images are.

    Attributes
    ----------
    side : int
        Pixels of a thumbnail.
    columns : int
        Thumbnails in a row of a sheet.
    per_sheet : int
        Thumbnails of a sheet.
    place : PackedArray or None
        Number of each image's thumbnail, -1 for none; None if image i has thumbnail i.
    """

    side: int
    columns: int
    per_sheet: int = json_field(key="perSheet")
    place: PackedArray | None = json_field()


@dataclass(frozen=True, kw_only=True)
class PageData:
    """Everything that the scripts of the page read.

    Attributes
    ----------
    mode : {"report", "view"}
        A file, or the page of a server.
    pictures : bool
        Whether the images can be shown.
    item, ids, groups, ramp
        As in `MapData`.
    position : PackedArray or None
        Position of each image on the map in the run; only of a server's page.
    clusters : list of ClusterData
        Every cluster.
    atlas : AtlasData or None
        Where the thumbnails are; only of a report.
    """

    mode: str
    pictures: bool = True
    item: Mapping[str, object]
    ids: list[str]
    groups: Groups
    ramp: list[str]
    position: PackedArray | None = json_field(optional=True)
    clusters: list[ClusterData]
    atlas: AtlasData | None = json_field(optional=True)


def pack(values: np.ndarray) -> PackedArray:
    """Return an array as bytes in base64.

    Parameters
    ----------
    values : ndarray of int8, int32 or float32
        Any shape; it is flattened.

    Returns
    -------
    PackedArray

    Examples
    --------
    >>> pack(np.array([1, 2], np.int8))
    PackedArray(type='int8', base64='AQI=')
    """
    little_endian = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return PackedArray(values.dtype.name, base64.b64encode(little_endian.tobytes()).decode())


def page_data(
    summary: ClusteringSummary, mode: str, sources: ImageSources | None = None
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

    Returns
    -------
    PageData
    """
    xy, positions = summary.read_map()
    data = PageData(
        mode=mode,
        pictures=summary.has_pictures,
        item=bokeh_map.scatter_item(xy),
        ids=summary.images.ids[positions].tolist(),
        groups=groups_of(summary, positions),
        ramp=palettes.ramp(RAMP_COLOURS),
        position=pack(positions.astype(np.int32)) if mode == "view" else None,
        clusters=clusters_of(summary, sources or thumbnail_sources(summary, gallery_side(summary))),
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
    return dataclasses.replace(data, ids=[name_of[name] for name in data.ids], clusters=clusters)


def groups_of(summary: ClusteringSummary, positions: np.ndarray) -> Groups:
    """Return the quantities that can colour the points of the map.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    positions : ndarray of int
        Positions of the images on the map.

    Returns
    -------
    dict of str to Categories or Numbers
        "cluster", "label" if there are labels, "split" if any image is held out, "confidence" or
        "margin", and "agreement" of a consensus.
    """
    cluster_names = [f"cluster {i}" for i in range(summary.k)]
    groups: dict[str, Categories | Numbers] = {
        "cluster": cluster_group(summary.clusters[positions], cluster_names)
    }
    if summary.classes is not None:
        groups["label"] = _categories(
            summary.classes[positions], list(summary.class_names), "no label"
        )
    is_held_out = summary.images.splits[positions] == TEST
    if is_held_out.any():
        groups["split"] = _categories(is_held_out.astype(np.int32), [TRAIN, TEST], "")
    name, strength = summary.strength()
    title = "distance between the two nearest centers"
    if name == "confidence":
        title = "largest soft assignment"
    groups[name] = _numbers(strength[positions], title)
    if summary.agreement is not None:
        groups["agreement"] = _numbers(summary.agreement[positions], "agreement between seeds")
    return groups


def cluster_group(clusters: np.ndarray, names: list[str]) -> Categories:
    """Return the clusters as a group of the map.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
        Cluster of each image on the map, -1 for none.
    names : list of str
        Name of each cluster.

    Returns
    -------
    Categories
    """
    return _categories(clusters, names, "no cluster")


def mark_group(ids: np.ndarray, marks: Mapping[str, str]) -> Categories:
    """Return the marks that people gave to images as a group of the map.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
        Ids of the images on the map.
    marks : mapping of str to str
        Image id -> mark.

    Returns
    -------
    Categories
    """
    names = sorted(set(marks.values()))
    number = {mark: place for place, mark in enumerate(names)}
    values = [number.get(marks.get(image_id, ""), -1) for image_id in ids.tolist()]
    return _categories(np.array(values), names, "not marked")


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


def _categories(values: np.ndarray, names: list[str], missing: str) -> Categories:
    colours = palettes.categories(len(names))
    integer = np.int8 if len(names) < LARGEST_INT8 else np.int32
    return Categories(
        values=pack(values.astype(integer)),
        names=names,
        missing=missing,
        colours=colours,
        inks=list(map(palettes.ink, colours)),
    )


def _numbers(values: np.ndarray, title: str) -> Numbers:
    # The margin of a single cluster is infinite, which no colour stands for.
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, OUTER_PERCENTILES) if len(finite) else (0.0, 0.0)
    packed = pack(np.where(np.isposinf(values), high, values).astype(np.float32))
    return Numbers(values=packed, low=float(low), high=float(high), title=title)
