"""Single small pictures, and a sheet of them for TensorBoard's projector.

The thumbnails of a page are in `latentlab.reporting.atlas`.
"""

import base64
import io
import math

import numpy as np

from latentlab.data.pictures.resizing import as_picture

THUMBNAIL_SIDE = 64
PHOTO_SIDE = 65  # images of at least as many pixels a side are shown larger, and smoothly
QUALITY = 60  # of WebP
TILE_QUALITY = 85
CHUNK = 500  # images that are resized together


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
    """Return images as squares: the longer side fits, the rest is black.

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
    small_height = max(1, round(height * side / max(height, width)))
    small_width = max(1, round(width * side / max(height, width)))
    small = images.astype(np.float32)
    if (small_height, small_width) != (height, width):
        rows = _resampling(height, small_height)
        columns = _resampling(width, small_width)
        small = np.einsum("ih,nhwc->niwc", rows, small, optimize=True)
        small = np.einsum("jw,niwc->nijc", columns, small, optimize=True)
    # A grey image fills all three channels.
    square = np.zeros((n, side, side, 3), np.uint8)
    top = (side - small_height) // 2
    left = (side - small_width) // 2
    inside = square[:, top : top + small_height, left : left + small_width]
    inside[:] = small.round().clip(0, 255)
    return square


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
