"""Small pictures inside a page: sprite sheets of thumbnails for the map, single ones for galleries.

Every image of the map gets a thumbnail of 32 pixels a side, or of 96 if the images are large. If
all of them exceed the budget, they have 64, 48, 32, 24, 20, then 16 pixels. If even those exceed
it, as many images as fit are drawn at random. The budget is `BUDGET`, or what the rest of the page
leaves of 15 MB. The pictures of galleries have 96, 64, 48 or 32 pixels by the same rule, with a
budget of their own.
"""

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.data.pictures.resizing import as_picture

SIDES = (32, 24, 20, 16)  # pixels, in the order in which they are tried
LARGE_SIDES = (96, 64, 48)  # tried before, if the images have at least PHOTO_SIDE pixels
TILE_BUDGET = 4_500_000  # bytes of all single thumbnails
TILES_MEASURED = 32
BUDGET = 7_200_000  # bytes of all sheets; base64 makes four thirds of it
PER_SHEET = 2500  # a page decodes one sheet at a time, when it first needs it
MEASURED = 400  # images that are encoded to estimate the size of all
THUMBNAIL_SIDE = 64
PHOTO_SIDE = 65  # images of at least as many pixels a side are shown larger, and smoothly
QUALITY = 60  # of WebP
TILE_QUALITY = 85
CHUNK = 500  # images that are resized together

ReadImages = Callable[[np.ndarray], np.ndarray]  # positions -> uint8 (m, height, width, channels)


@dataclass(frozen=True)
class Atlas:
    """Sprite sheets of thumbnails.

    Attributes
    ----------
    sheets : list of str
        WebP in base64. Thumbnail number i is in sheet i // PER_SHEET.
    side : int
        Pixels of a thumbnail.
    columns : int
        Thumbnails in a row of a sheet.
    place : ndarray of shape (n,), int32
        Number of each image's thumbnail, -1 for an image without one.
    shapes : ndarray of shape (m, 2), uint8
        Width and height of each thumbnail in pixels; it lies at the top left of its square.
    """

    sheets: list[str]
    side: int
    columns: int
    place: np.ndarray
    shapes: np.ndarray

    @property
    def note(self) -> str:
        """Which images have a thumbnail, in a sentence."""
        shown = int((self.place >= 0).sum())
        total = len(self.place)
        which = "every image"
        if shown < total:
            which = f"{shown:,} of {total:,} images, drawn at random,"
        return f"{which} of the map has a thumbnail of {self.side} pixels a side"


@dataclass(frozen=True)
class AtlasPlan:
    """Which thumbnails fit into the budget.

    Attributes
    ----------
    side : int
        Pixels of a thumbnail.
    positions : ndarray of shape (m,), int
        The images that get a thumbnail, in order.
    """

    side: int
    positions: np.ndarray


def build_atlas(
    count: int,
    read: ReadImages,
    seed: int = 0,
    budget: int = BUDGET,
    tick: Callable[[int], object] = int,
) -> Atlas:
    """Return the sprite sheets of images, by the rule of this module.

    Parameters
    ----------
    count : int
        Number of images.
    read : callable
        read(positions) -> uint8 ndarray of shape (m, height, width, channels).
    seed : int
        Seed of all random choices.
    budget : int
        Bytes of all sheets before base64.
    tick : callable
        Called with the number of images that are done.

    Returns
    -------
    Atlas
    """
    plan = plan_atlas(count, read, seed, budget)
    columns = math.ceil(math.sqrt(min(len(plan.positions), PER_SHEET)))
    place = np.full(count, -1, np.int32)
    place[plan.positions] = np.arange(len(plan.positions))
    sheets = []
    shapes = np.empty((len(plan.positions), 2), np.uint8)
    for start in range(0, len(plan.positions), PER_SHEET):
        images = read(plan.positions[start : start + PER_SHEET])
        encoded = _webp(sprite_sheet(images, plan.side, columns))
        sheets.append(base64.b64encode(encoded).decode())
        shapes[start : start + len(images)] = _shrunk_shape(images, plan.side)[::-1]
        tick(start + len(images))
    return Atlas(sheets, plan.side, columns, place, shapes)


def plan_atlas(count: int, read: ReadImages, seed: int = 0, budget: int = BUDGET) -> AtlasPlan:
    """Return the size of the thumbnails, and the images that get one.

    Parameters
    ----------
    count : int
        Number of images.
    read : callable
        read(positions) -> uint8 ndarray of shape (m, height, width, channels).
    seed : int
        Seed of the images that are measured or drawn.
    budget : int
        Bytes of all sheets before base64.

    Returns
    -------
    AtlasPlan
    """
    rng = np.random.default_rng([seed, 31])
    measured = read(np.sort(rng.choice(count, min(MEASURED, count), replace=False)))
    # The largest thumbnails that fit, estimated by those of some images.
    bytes_per_image = 0.0
    for side in (*_large_sides(measured), *SIDES):
        bytes_per_image = len(_webp(sprite_sheet(measured, side, 20))) / len(measured)
        if bytes_per_image * count <= budget:
            return AtlasPlan(side, np.arange(count))
    # Not even the smallest fit for all images.
    affordable = min(count, int(budget / bytes_per_image))
    return AtlasPlan(SIDES[-1], np.sort(rng.choice(count, affordable, replace=False)))


def sprite_sheet(images: np.ndarray, side: int, columns: int) -> np.ndarray:
    """Return images as thumbnails in rows, on white.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
    side : int
        Pixels of a thumbnail.
    columns : int
        Thumbnails in a row.

    Returns
    -------
    ndarray of shape (rows * side, columns * side, 3), uint8
    """
    rows = math.ceil(len(images) / columns)
    tiles = np.full((rows * columns, side, side, 3), 255, np.uint8)
    for start in range(0, len(images), CHUNK):
        small = shrink(images[start : start + CHUNK], side)
        tiles[start : start + len(small)] = small
    grid = tiles.reshape(rows, columns, side, side, 3)
    return grid.swapaxes(1, 2).reshape(rows * side, columns * side, 3)


def shrink(images: np.ndarray, side: int) -> np.ndarray:
    """Return images at the top left of squares: the longer side fits, the rest is black.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
    side : int
        Pixels of a square.

    Returns
    -------
    ndarray of shape (n, side, side, 3), uint8
    """
    n, height, width, _ = images.shape
    small_height, small_width = _shrunk_shape(images, side)
    small = images.astype(np.float32)
    if (small_height, small_width) != (height, width):
        rows = _resampling(height, small_height)
        columns = _resampling(width, small_width)
        small = np.einsum("ih,nhwc->niwc", rows, small, optimize=True)
        small = np.einsum("jw,niwc->nijc", columns, small, optimize=True)
    # A grey image fills all three channels.
    square = np.zeros((n, side, side, 3), np.uint8)
    square[:, :small_height, :small_width] = small.round().clip(0, 255)
    return square


def _shrunk_shape(images: np.ndarray, side: int) -> tuple[int, int]:
    """Return height and width with which images fit into a square."""
    _, height, width, _ = images.shape
    longer = max(height, width)
    return max(1, round(height * side / longer)), max(1, round(width * side / longer))


def thumbnail(image: np.ndarray, side: int = THUMBNAIL_SIDE) -> str:
    """Return an image as a data URI.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels), uint8
    side : int
        At most as many pixels a side.

    Returns
    -------
    str
    """
    return data_uri(_shrunk(image, side), quality=TILE_QUALITY)


def tile_side(count: int, images: np.ndarray) -> int:
    """Return the size of single thumbnails: the largest with which all of them fit.

    Parameters
    ----------
    count : int
        Number of thumbnails.
    images : ndarray of shape (n, height, width, channels), uint8
        Some of the images, at least one.

    Returns
    -------
    int
        Pixels a side.
    """
    sides = _large_sides(images)
    if not sides:
        return THUMBNAIL_SIDE
    for side in sides:
        sizes = [len(_webp(_shrunk(image, side), TILE_QUALITY)) for image in images]
        if np.mean(sizes) * count <= TILE_BUDGET:
            return side
    return SIDES[0]


def _large_sides(images: np.ndarray) -> list[int]:
    """Return the sizes that only large images have, the largest first."""
    side = max(images.shape[1:3])
    return [large for large in LARGE_SIDES if large <= side] if side >= PHOTO_SIDE else []


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image as RGB pixels, at most `side` pixels a side."""
    from PIL import Image

    picture = as_picture(image).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def data_uri(pixels: np.ndarray, quality: int = 90) -> str:
    """Return pixels as a WebP data URI.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
    quality : int
        Quality of WebP, 0 to 100.

    Returns
    -------
    str
    """
    return "data:image/webp;base64," + base64.b64encode(_webp(pixels, quality)).decode()


def _resampling(length: int, wanted: int) -> np.ndarray:
    """Return the weights, float32 (wanted, length), of Pillow's resizing along one axis.

    They are the rows of a resized identity matrix.
    """
    from PIL import Image

    method = Image.Resampling.NEAREST if wanted > length else Image.Resampling.LANCZOS
    identity = Image.fromarray(np.eye(length, dtype=np.float32))
    return np.asarray(identity.resize((length, wanted), method))


def _webp(pixels: np.ndarray, quality: int = QUALITY) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="webp", quality=quality, method=2)
    return buffer.getvalue()
