"""Thumbnails: the whole picture, upright and small, as the bytes of a WebP file."""

import io
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import DataError

if TYPE_CHECKING:
    import PIL.Image

SIDE = 192  # pixels of the longer side, at most
QUALITY = 75  # of WebP, 0 to 100: 6 kB for a photo
METHOD = 0  # of WebP, 0 to 6; the others take up to four times as long for a fifth fewer bytes
LOSSLESS_SIDE = 32  # pixels; loss would show on pictures so small, and saves a kilobyte only


def encode(picture: "PIL.Image.Image") -> bytes:
    """Return the thumbnail of a picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        An upright picture in mode RGB or L. The longer side is brought to `SIDE`, the aspect
        ratio is kept, and a smaller picture stays as it is.

    Returns
    -------
    bytes
        A WebP file.
    """
    from PIL import Image

    shape = thumbnail_shape(*picture.size)
    if shape != picture.size:
        picture = picture.resize(shape, Image.Resampling.HAMMING, reducing_gap=3.0)
    file = io.BytesIO()
    if max(shape) <= LOSSLESS_SIDE:
        picture.save(file, "WEBP", lossless=True, method=0)
    else:
        picture.save(file, "WEBP", quality=QUALITY, method=METHOD)
    return file.getvalue()


def thumbnail_shape(width: int, height: int) -> tuple[int, int]:
    """Return width and height of the thumbnail of a picture, in pixels.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.

    Examples
    --------
    >>> thumbnail_shape(4000, 3000), thumbnail_shape(28, 28)
    ((192, 144), (28, 28))
    """
    longer = max(width, height)
    if longer <= SIDE:
        return width, height
    return max(1, round(width * SIDE / longer)), max(1, round(height * SIDE / longer))


def decode(thumbnail: bytes) -> np.ndarray:
    """Return the pixels of a thumbnail.

    Parameters
    ----------
    thumbnail : bytes
        What `encode` returned.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        Its pixels, in colour.

    Raises
    ------
    DataError
        If the bytes are damaged.
    """
    return np.array(_opened(thumbnail), dtype=np.uint8)


def on_square(thumbnail: bytes, side: int, fill: int = 255) -> np.ndarray:
    """Return a thumbnail in the middle of a square, for grids.

    Parameters
    ----------
    thumbnail : bytes
        What `encode` returned.
    side : int
        Height and width of the square in pixels; the longer side of the thumbnail fills it.
    fill : int
        Brightness of the bars beside a picture that is not square, 0 (black) to 255 (white).

    Returns
    -------
    ndarray of shape (side, side, 3), uint8
        The square.

    Raises
    ------
    DataError
        If the bytes are damaged.
    """
    return _padded(_opened(thumbnail), side, fill)


def _padded(picture: "PIL.Image.Image", side: int, fill: int) -> np.ndarray:
    from PIL import Image, ImageOps

    colour = (fill, fill, fill)
    method = Image.Resampling.BICUBIC
    return np.array(ImageOps.pad(picture, (side, side), method, colour), dtype=np.uint8)


def _opened(thumbnail: bytes) -> "PIL.Image.Image":
    from PIL import Image

    try:
        with Image.open(io.BytesIO(thumbnail), formats=["WEBP"]) as picture:
            return picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception
        raise DataError(
            f"a thumbnail of {len(thumbnail)} bytes is damaged",
            hint="Embed again into another `run`.",
        ) from error
