"""Images of a run as files for the browser.

Every picture is decoded and encoded anew, so that the browser gets none of a file's own bytes.
"""

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.images import ImageSet
from latentlab.data.pictures.resizing import as_picture
from latentlab.encoders.stored_pictures import SIDE, StoredThumbnails
from latentlab.errors import LatentlabError
from latentlab.reporting import viewer_sheets
from latentlab.reporting.whole_pictures import WholePictures, fitted

if TYPE_CHECKING:
    import PIL.Image

LARGEST_PNG = 1_000_000  # pixels; as JPEG, larger pictures take a tenth of the time and bytes
JPEG_QUALITY = 95
WEBP_QUALITY = 85
LOSSLESS_SIDE = 64  # pixels; loss would show in so small a picture, and saves little


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes
    ----------
    content : bytes
        The file.
    media_type : str
        "image/png", "image/jpeg" or "image/webp".
    """

    content: bytes
    media_type: str


class PictureReader:
    """Reads images of a run, one at a time.

    Parameters
    ----------
    images : ImageSet
        The images.
    data : DataOptions
        The options that they were opened with.
    stored : StoredThumbnails or None
        The thumbnails that the run stores: they are shown where an original cannot be read.
    """

    def __init__(
        self, images: ImageSet, data: DataOptions, stored: StoredThumbnails | None = None
    ) -> None:
        self._images = images
        self._data = data
        self._stored = stored
        self._whole = WholePictures(images, data, stored)
        self._shows_pixels = stored is None and images.source is None
        self._lock = threading.Lock()  # sources need not be safe for threads

    def image(self, position: int) -> Picture | None:
        """Return the image at a position as the run has it; None if there is none.

        Parameters
        ----------
        position : int
            Position of the image in the run.

        Returns
        -------
        Picture or None
        """
        if not 0 <= position < len(self._images):
            return None
        with self._lock:
            picture = self._read(position)
        return encode_picture(picture)

    def thumb(self, position: int, side: int) -> Picture | None:
        """Return the whole picture of an image in the size that is asked for.

        Parameters
        ----------
        position : int
            Position of the image in the run.
        side : int
            Pixels of the longer side; a smaller picture stays as it is.

        Returns
        -------
        Picture or None
            None if there is no image at this position.

        Raises
        ------
        DataError
            If the images are gone or damaged.
        """
        if not 0 <= position < len(self._images):
            return None
        return encode_small(self._thumb(position, side))

    def _thumb(self, position: int, side: int) -> "PIL.Image.Image":
        picture = self._large(position) if side > SIDE else None
        return fitted(picture or self._whole.read([position])[0], side)

    def sheet(self, positions: Sequence[int], side: int) -> bytes | None:
        """Return the whole pictures of many images in one file.

        Parameters
        ----------
        positions : sequence of int
            Positions of the images in the run, at least one.
        side : int
            Pixels of the longer side of each; a smaller picture stays as it is.

        Returns
        -------
        bytes or None
            See `latentlab.reporting.viewer_sheets`. None if there is no image at a position.

        Raises
        ------
        ConfigError
            If the pictures have too many pixels together.
        DataError
            If the images are gone or damaged.
        """
        if not all(0 <= position < len(self._images) for position in positions):
            return None
        pixels = max(self._images.image_shape[:2])
        viewer_sheets.check_pixels(
            len(positions), min(side, pixels) if self._shows_pixels else side
        )
        return viewer_sheets.to_sheet(self._tiles(positions, side))

    def _tiles(self, positions: Sequence[int], side: int) -> Sequence[np.ndarray | None]:
        """Return the pixels of pictures; None for those that cannot be read."""
        if self._shows_pixels and max(self._images.image_shape[:2]) <= side:
            with self._lock:
                return list(self._images.read(np.asarray(positions, np.int64)))
        if side > SIDE:
            return [self._tile(position, side) for position in positions]
        try:
            pictures = self._whole.read(positions)
        except LatentlabError:  # of one of them; the others are shown
            return [self._tile(position, side) for position in positions]
        return [np.asarray(fitted(picture, side)) for picture in pictures]

    def _tile(self, position: int, side: int) -> np.ndarray | None:
        try:
            return np.asarray(self._thumb(position, side))
        except LatentlabError:
            return None

    def _large(self, position: int) -> "PIL.Image.Image | None":
        """Return the picture of an image in its full size; None if it was made of no file."""
        try:
            with self._lock:
                return opening.open_picture(self._images, position, self._data)
        except LatentlabError:
            return None

    def original(self, position: int) -> Picture | None:
        """Return the picture that an image was made of; the image itself if there is no file.

        The stored image stands in for a file that is gone, if there is one.

        Parameters
        ----------
        position : int
            Position of the image in the run.

        Returns
        -------
        Picture or None
            None if there is no image at this position.

        Raises
        ------
        DataError
            If the file is gone or damaged.
        """
        if not 0 <= position < len(self._images):
            return None
        with self._lock:
            picture = self._open_original(position)
            if picture is None:
                picture = self._read(position)
        return encode_picture(picture)

    def _open_original(self, position: int) -> "PIL.Image.Image | None":
        """Return the picture of an image; None if the image itself is to be shown."""
        try:
            return opening.open_picture(self._images, position, self._data)
        except LatentlabError:
            if self._stored is None:
                raise
            return None

    def _read(self, position: int) -> "PIL.Image.Image":
        return as_picture(self._images.read(np.array([position]))[0])


def encode_small(picture: "PIL.Image.Image") -> Picture:
    """Return a small picture as WebP, without loss if it has few pixels.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture, of mode RGB.

    Returns
    -------
    Picture
    """
    buffer = io.BytesIO()
    is_tiny = max(picture.size) <= LOSSLESS_SIDE
    picture.save(buffer, format="webp", lossless=is_tiny, quality=WEBP_QUALITY, method=0)
    return Picture(buffer.getvalue(), "image/webp")


def encode_picture(picture: "PIL.Image.Image") -> Picture:
    """Return a picture as PNG, or as JPEG if it is large.

    Parameters
    ----------
    picture : PIL.Image.Image
        The picture.

    Returns
    -------
    Picture
    """
    buffer = io.BytesIO()
    if picture.width * picture.height > LARGEST_PNG:
        picture.save(buffer, format="jpeg", quality=JPEG_QUALITY)
        return Picture(buffer.getvalue(), "image/jpeg")
    picture.save(buffer, format="png")
    return Picture(buffer.getvalue(), "image/png")
