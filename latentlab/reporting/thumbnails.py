"""Small pictures inside a page: sprite sheets of many thumbnails for the map, single ones for the galleries.

The sampling rule of the map's thumbnails: every image of the map gets one of 32 pixels a side; where all together would be
larger than the budget, of 24, 20, then 16; and where even these would be, as many images as fit, drawn at random. The budget
is `BUDGET`, or what the rest of the page leaves of 15 MB.
"""

import base64
import io
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from latentlab.data.images import as_picture

SIDES = (32, 24, 20, 16)
BUDGET = 7_200_000  # bytes of all sheets; base64 makes four thirds of it
PER_SHEET = 2500  # a page decodes one sheet at a time, when it first needs it
TRIED = 400  # images whose size as sheet is measured to choose the side
THUMBNAIL_SIDE = 64
QUALITY = 60
CHUNK = 500  # images that are resized together


class Atlas(NamedTuple):
    """Sprite sheets.

    Attributes
    ----------
    sheets : list of str
        WebP in base64, each `columns` thumbnails wide; thumbnail number i is in sheet i // PER_SHEET.
    side, columns : int
        Pixels of a thumbnail, thumbnails in a row.
    place : ndarray of shape (n,), int32
        Number of each image's thumbnail, -1 where it has none.
    """

    sheets: list[str]
    side: int
    columns: int
    place: np.ndarray

    @property
    def note(self) -> str:
        """Which images have a thumbnail, in a sentence."""
        shown = int((self.place >= 0).sum())
        which = (
            "every image"
            if shown == len(self.place)
            else f"{shown:,} of {len(self.place):,} images, drawn at random,"
        )
        return f"{which} of the map has a thumbnail of {self.side} pixels a side"


def build(
    count: int,
    read: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
    budget: int = BUDGET,
    tick: Callable[[int], Any] = int,
) -> Atlas:
    """Make the sheets of `count` images by the rule above.

    Parameters
    ----------
    read : callable
        read(positions) -> uint8 ndarray (m, height, width, channels).
    tick : callable
        Told how many images are done.
    """
    side, shown = plan(count, read, seed, budget)
    columns = math.ceil(math.sqrt(min(len(shown), PER_SHEET)))
    place = np.full(count, -1, np.int32)
    place[shown] = np.arange(len(shown))
    sheets = []
    for start in range(0, len(shown), PER_SHEET):
        sheets.append(
            base64.b64encode(
                _webp(sheet(read(shown[start : start + PER_SHEET]), side, columns))
            ).decode()
        )
        tick(start + PER_SHEET)
    return Atlas(sheets, side, columns, place)


def plan(
    count: int, read: Callable[[np.ndarray], np.ndarray], seed: int = 0, budget: int = BUDGET
) -> tuple[int, np.ndarray]:
    """Return the side of the thumbnails, and the positions of the images that get one, in order."""
    rng = np.random.default_rng([seed, 31])
    tried = read(np.sort(rng.choice(count, min(TRIED, count), replace=False)))
    each = 0.0
    for side in SIDES:
        each = len(_webp(sheet(tried, side, 20))) / len(tried)
        if each * count <= budget:
            return side, np.arange(count)
    return SIDES[-1], np.sort(rng.choice(count, min(count, int(budget / each)), replace=False))


def sheet(images: np.ndarray, side: int, columns: int) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) as thumbnails in rows of `columns`, on white: uint8 (rows * side, columns * side, 3)."""
    rows = math.ceil(len(images) / columns)
    tiles = np.full((rows * columns, side, side, 3), 255, np.uint8)
    for start in range(0, len(images), CHUNK):
        small = shrink(images[start : start + CHUNK], side)
        tiles[start : start + len(small)] = small
    return (
        tiles.reshape(rows, columns, side, side, 3)
        .swapaxes(1, 2)
        .reshape(rows * side, columns * side, 3)
    )


def shrink(images: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 images (n, height, width, channels) as uint8 (n, side, side, 3): the longer side fits, the rest is black."""
    n, height, width, _ = images.shape
    tall, wide = (max(1, round(length * side / max(height, width))) for length in (height, width))
    small = images.astype(np.float32)
    if (tall, wide) != (height, width):
        small = np.einsum("ih,nhwc->niwc", _resampling(height, tall), small, optimize=True)
        small = np.einsum("jw,niwc->nijc", _resampling(width, wide), small, optimize=True)
    square = np.zeros((n, side, side, 3), np.uint8)
    top, left = (side - tall) // 2, (side - wide) // 2
    square[:, top : top + tall, left : left + wide] = small.round().clip(
        0, 255
    )  # grey fills all three channels
    return square


def _resampling(length: int, wanted: int) -> np.ndarray:
    """Return the weights, float32 (wanted, length), of Pillow's resizing of one axis: what it makes of the unit vectors."""
    from PIL import Image

    smooth = Image.Resampling.NEAREST if wanted > length else Image.Resampling.LANCZOS
    return np.asarray(
        Image.fromarray(np.eye(length, dtype=np.float32)).resize((length, wanted), smooth)
    )


def thumbnail(image: np.ndarray) -> str:
    """Return one uint8 image (height, width, channels), at most 64 pixels a side, as a data URI."""
    from PIL import Image

    picture = as_picture(image).convert("RGB")
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    return data_uri(np.asarray(picture), quality=85)


def data_uri(pixels: np.ndarray, quality: int = 90) -> str:
    """Return uint8 pixels (height, width, 3) as a WebP data URI."""
    return "data:image/webp;base64," + base64.b64encode(_webp(pixels, quality)).decode()


def _webp(pixels: np.ndarray, quality: int = QUALITY) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="webp", quality=quality, method=2)
    return buffer.getvalue()
