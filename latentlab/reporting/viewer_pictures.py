"""Images of a run as files for the browser.

Every picture is decoded and encoded anew, so that the browser gets none of a file's own bytes.
"""

import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.images import ImageSet
from latentlab.data.pictures.resizing import as_picture
from latentlab.errors import LatentlabError

if TYPE_CHECKING:
    import PIL.Image

LARGEST_PNG = 1_000_000  # pixels; as JPEG, larger pictures take a tenth of the time and bytes
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes
    ----------
    content : bytes
        The file.
    media_type : str
        "image/png" or "image/jpeg".
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
    are_stored : bool
        The run stores the images itself: they are shown where an original cannot be read.
    """

    def __init__(self, images: ImageSet, data: DataOptions, are_stored: bool = False) -> None:
        self._images = images
        self._data = data
        self._are_stored = are_stored
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
            if not self._are_stored:
                raise
            return None

    def _read(self, position: int) -> "PIL.Image.Image":
        return as_picture(self._images.read(np.array([position]))[0])


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
