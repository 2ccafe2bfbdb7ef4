"""The thumbnails of a page that is one file: which images get one, how large, in which sheet.

Every image gets a thumbnail of 192 pixels, or of 160, 128, 96, 64 and, where the images are small
themselves, 48 or 32: the largest with which all of them keep the budget. If none does, some images
of each cluster get one: those nearest to its center, the most uncertain ones, and others at random,
a third each. At least `PER_CLUSTER` of each cluster, if the smallest size leaves room for them.
No picture is enlarged.

A sheet is one WebP file, which a browser decodes when it first needs a picture of it. Thumbnails
are in the order of their clusters, so that a cluster takes few sheets.
"""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from latentlab.reporting.thumbnails import PHOTO_SIDE
from latentlab.reporting.whole_pictures import fitted

if TYPE_CHECKING:
    import PIL.Image

SIDES = (192, 160, 128, 96, 64, 48, 32)  # pixels, in the order in which they are tried
LEAST_OF_PHOTOS = 64  # pixels that all photos get; below, larger ones of some serve better
LARGEST_OF_SOME = 128  # pixels, where only some images get a thumbnail
PER_CLUSTER = 100
MOST_FILES = 6_000  # picture files that are decoded for one page
BUDGET = 8_400_000  # bytes of all thumbnails; base64 makes four thirds of it
BESIDE = 52  # bytes that a page needs beside each thumbnail: its shape and its neighbours
SHEET_SIDE = 1_920  # pixels, at most: a browser decodes such a sheet in a twentieth of a second
MOST_PER_SHEET = 2_500
MEASURED = 200  # images that are encoded to estimate the size of all
MEASURED_PIXELS = 3_000_000  # of these, at most
ROOM_FOR_ERROR = 0.96  # of the budget is planned, since the size is estimated
SMALLER = 0.85  # of the budget is planned where the estimate was wrong
QUALITY = 78  # of WebP, 0 to 100
LOSSLESS_SIDE = 16  # pixels
BACKGROUND = (255, 255, 255)

Rgb: TypeAlias = "PIL.Image.Image"  # in mode RGB
ReadPictures = Callable[[Sequence[int]], list[Rgb]]  # rows of the map -> pictures


@dataclass(frozen=True)
class MapOrder:
    """What decides which images of the map get a thumbnail.

    Attributes
    ----------
    clusters : ndarray of shape (n,), int
        Cluster of each image, -1 for none.
    distance : ndarray of shape (n,), float
        Distance to the center of its cluster.
    margin : ndarray of shape (n,), float
        How clearly it belongs there; small where it is uncertain.
    """

    clusters: np.ndarray
    distance: np.ndarray
    margin: np.ndarray


@dataclass(frozen=True)
class Atlas:
    """Sheets of thumbnails.

    Attributes
    ----------
    sheets : list of str
        WebP in base64.
    side : int
        Pixels of the square in which a thumbnail lies.
    columns, per_sheet : int
        Squares in a row of a sheet, and in a sheet.
    place : ndarray of shape (n,), int32
        Number of each image's thumbnail, -1 for an image without one.
    shapes : ndarray of shape (m, 2), uint8
        Width and height of each thumbnail in pixels; it lies at the top left of its square.
    per_cluster : int
        Thumbnails that each cluster has at least, if it has as many images.
    """

    sheets: list[str]
    side: int
    columns: int
    per_sheet: int
    place: np.ndarray
    shapes: np.ndarray
    per_cluster: int

    @property
    def is_whole(self) -> bool:
        """Whether every image has a thumbnail."""
        return bool((self.place >= 0).all())

    @property
    def note(self) -> str:
        """Which images have a thumbnail, in a sentence."""
        size = f"of {self.side} pixels a side"
        if self.is_whole:
            return f"every image of the map has a thumbnail {size}"
        shown = f"{len(self.shapes):,} of {len(self.place):,} images of the map"
        return (
            f"{shown} have a thumbnail {size}: of each cluster the nearest to its center, the most"
            " uncertain and some at random"
        )


@dataclass(frozen=True)
class AtlasPlan:
    """Which thumbnails fit into a budget.

    Attributes
    ----------
    side : int
        Pixels of a thumbnail's longer side, at most.
    rows : ndarray of shape (m,), int
        The images that get a thumbnail, in the order of the sheets.
    per_cluster : int
        As in `Atlas`.
    """

    side: int
    rows: np.ndarray
    per_cluster: int


def build_atlas(
    order: MapOrder,
    read: ReadPictures,
    budget: int = BUDGET,
    most: int | None = None,
    seed: int = 0,
    tick: Callable[[int], object] = int,
) -> Atlas:
    """Return thumbnails of the images of a map, by the rule of this module.

    Parameters
    ----------
    order : MapOrder
        The images.
    read : callable
        read(rows) -> pictures in mode RGB.
    budget : int
        Bytes of all thumbnails, before base64.
    most : int or None
        Thumbnails, at most, if not all images get one.
    seed : int
        Seed of all random choices.
    tick : callable
        Called with the number of images that are done.

    Returns
    -------
    Atlas
    """
    rng = np.random.default_rng([seed, 31])
    measured = _measured(len(order.clusters), read, rng)
    planned = budget * ROOM_FOR_ERROR
    while True:
        atlas = _drawn(plan_atlas(order, measured, planned, most, rng), order, read, tick)
        if not atlas.sheets or _bytes_of(atlas) <= budget:
            return atlas
        planned *= SMALLER


def plan_atlas(
    order: MapOrder,
    measured: Sequence[Rgb],
    budget: float,
    most: int | None,
    rng: np.random.Generator,
) -> AtlasPlan:
    """Return the size of the thumbnails, and the images that get one.

    Parameters
    ----------
    order : MapOrder
        The images.
    measured : sequence of PIL.Image.Image
        Some of them.
    budget : float
        Bytes of all thumbnails, before base64.
    most : int or None
        Thumbnails, at most.
    rng : numpy.random.Generator
        For images that are drawn at random.

    Returns
    -------
    AtlasPlan
    """
    count = len(order.clusters)
    sides = _sides(measured)
    full_side = sides[0]
    size_of = {side: _bytes_per_picture(measured, side) for side in sides}
    least = LEAST_OF_PHOTOS if full_side >= PHOTO_SIDE else 0
    limit = count if most is None else most
    for side in sides:
        if side >= least and count <= limit and size_of[side] * count <= budget:
            return AtlasPlan(side, _by_cluster(np.arange(count), order), _largest(order))

    # Not even the smallest fit for all images.
    enough = int(np.minimum(_sizes(order), PER_CLUSTER).sum())
    for side in [side for side in sides if side <= LARGEST_OF_SOME] or sides:
        affordable = min(limit, int(budget / size_of[side]))
        if affordable >= enough:
            break
    quota = _quota(_sizes(order), affordable)
    rows = choose(order, quota, rng)
    return AtlasPlan(side, _by_cluster(rows, order), quota)


def choose(order: MapOrder, quota: int, rng: np.random.Generator) -> np.ndarray:
    """Return images of each cluster: the nearest, the most uncertain, and others at random.

    Parameters
    ----------
    order : MapOrder
        The images.
    quota : int
        Images of each cluster, at most; images without a cluster count as one.
    rng : numpy.random.Generator
        Draws a third of them.

    Returns
    -------
    ndarray of int
        Rows, ascending.
    """
    chosen = [np.empty(0, np.int64)]
    for cluster in np.unique(order.clusters):
        members = np.flatnonzero(order.clusters == cluster)
        chosen.append(_choose_from(members, order, quota, rng))
    return np.sort(np.concatenate(chosen))


def _choose_from(
    members: np.ndarray, order: MapOrder, quota: int, rng: np.random.Generator
) -> np.ndarray:
    """Return some members of one cluster."""
    if len(members) <= quota:
        return members
    third = quota // 3
    nearest = members[np.argsort(order.distance[members], kind="stable")][:third]
    rest = np.setdiff1d(members, nearest)
    uncertain = rest[np.argsort(order.margin[rest], kind="stable")][:third]
    rest = np.setdiff1d(rest, uncertain)
    drawn = rng.choice(rest, quota - 2 * third, replace=False)
    return np.concatenate([nearest, uncertain, drawn])


def _sizes(order: MapOrder) -> np.ndarray:
    """Return the number of images of each cluster that has any."""
    return np.unique(order.clusters, return_counts=True)[1]


def _largest(order: MapOrder) -> int:
    return int(_sizes(order).max(initial=0))


def _quota(sizes: np.ndarray, total: int) -> int:
    """Return the largest number of images of each cluster that keeps a number of all.

    >>> _quota(np.array([2, 10, 10]), 12)
    5
    """
    low, high = 0, int(sizes.max(initial=0))
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(sizes, middle).sum() <= total:
            low = middle
        else:
            high = middle - 1
    return low


def _by_cluster(rows: np.ndarray, order: MapOrder) -> np.ndarray:
    return rows[np.argsort(order.clusters[rows], kind="stable")]


def _measured(count: int, read: ReadPictures, rng: np.random.Generator) -> list[Rgb]:
    rows = np.sort(rng.choice(count, min(MEASURED, count), replace=False))
    return read(rows.tolist())


def _sides(pictures: Sequence[Rgb]) -> list[int]:
    """Return the sizes that can be tried, the largest first; the first is that of the pictures."""
    full_side = min(SIDES[0], max(max(picture.size) for picture in pictures))
    return sorted({full_side, *(side for side in SIDES if side < full_side)}, reverse=True)


def _bytes_per_picture(pictures: Sequence[Rgb], side: int) -> float:
    """Return the bytes that a thumbnail takes in a sheet, about."""
    some = pictures[: max(20, MEASURED_PIXELS // side**2)]
    columns = math.ceil(math.sqrt(len(some)))
    sheet = _sheet(_made_small(some, side), side, columns)
    return len(_encoded(sheet, side)) / len(some) + BESIDE


def _bytes_of(atlas: Atlas) -> int:
    """Return the bytes of all thumbnails, before base64."""
    return sum(map(len, atlas.sheets)) * 3 // 4 + BESIDE * len(atlas.shapes)


def _drawn(
    plan: AtlasPlan, order: MapOrder, read: ReadPictures, tick: Callable[[int], object]
) -> Atlas:
    """Return the thumbnails of a plan."""
    per_sheet = min(MOST_PER_SHEET, (SHEET_SIDE // plan.side) ** 2)
    columns = max(1, math.ceil(math.sqrt(min(len(plan.rows), per_sheet))))
    shapes = np.empty((len(plan.rows), 2), np.uint8)
    sheets = []
    for start in range(0, len(plan.rows), per_sheet):
        pictures = _made_small(read(plan.rows[start : start + per_sheet].tolist()), plan.side)
        shapes[start : start + len(pictures)] = [picture.size for picture in pictures]
        encoded = _encoded(_sheet(pictures, plan.side, columns), plan.side)
        sheets.append(base64.b64encode(encoded).decode())
        tick(start + len(pictures))
    place = np.full(len(order.clusters), -1, np.int32)
    place[plan.rows] = np.arange(len(plan.rows))
    return Atlas(sheets, plan.side, columns, per_sheet, place, shapes, plan.per_cluster)


def _made_small(pictures: Sequence[Rgb], side: int) -> list[Rgb]:
    return [fitted(picture, side) for picture in pictures]


def _sheet(pictures: Sequence[Rgb], side: int, columns: int) -> Rgb:
    """Return small pictures in rows, each at the top left of its square."""
    from PIL import Image

    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * side, rows * side), BACKGROUND)
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * side, number // columns * side))
    return sheet


def _encoded(sheet: Rgb, side: int) -> bytes:
    """Return a sheet as WebP."""
    file = io.BytesIO()
    # The blocks of lossy WebP are as large as the smallest thumbnails.
    sheet.save(file, format="webp", lossless=side <= LOSSLESS_SIDE, quality=QUALITY, method=2)
    return file.getvalue()
