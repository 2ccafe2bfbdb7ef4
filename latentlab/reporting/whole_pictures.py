"""The images of a run as whole pictures, each in its own shape: what pages make thumbnails of.

They are the thumbnails that the run stores, else the picture files, else the images as the network
sees them.
"""

import io
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.images import ImageSet
from latentlab.data.originals import Picture
from latentlab.data.pictures.decode import PictureForm, pillow_limits_off
from latentlab.data.pictures.picture_decoding import DecodedPicture, decode_picture
from latentlab.data.pictures.picture_pass import thread_count
from latentlab.data.pictures.resizing import as_picture
from latentlab.encoders.stored_pictures import StoredPictures, StoredThumbnails
from latentlab.errors import LatentlabError
from latentlab.progress import log
from latentlab.reporting.clustering_summary import ClusteringSummary

if TYPE_CHECKING:
    import PIL.Image

FEWEST_PIXELS = 32  # of the form that is decoded beside a thumbnail, and not used


class WholePictures:
    """Reads images of a run as pictures; safe for threads.

    Parameters
    ----------
    images : ImageSet
        The images, as a page shows them.
    data : DataOptions
        The options that they were opened with.
    stored : StoredThumbnails or None
        The thumbnails that the run stores.
    """

    def __init__(
        self,
        images: ImageSet,
        data: DataOptions,
        stored: StoredThumbnails | None,
    ) -> None:
        self._images = images
        self._data = data
        self._stored = stored
        self._reads_files = stored is None and images.source is not None
        self._lock = threading.Lock()  # sources need not be safe for threads

    @classmethod
    def of(cls, summary: ClusteringSummary) -> "WholePictures":
        """Return the pictures of the images of a clustering.

        Parameters
        ----------
        summary : ClusteringSummary
            The clustering.
        """
        stored = StoredPictures(summary.run.path)
        thumbnails = stored.thumbnails() if stored.are_there else None
        data = summary.run.config.data or DataOptions()
        return cls(summary.images, data, thumbnails)

    @property
    def reads_files(self) -> bool:
        """Whether picture files are decoded, which takes long for very many."""
        return self._reads_files

    def read(self, positions: Sequence[int]) -> "list[PIL.Image.Image]":
        """Return images as pictures in mode RGB; of files and thumbnails at most 192 pixels a side.

        Parameters
        ----------
        positions : sequence of int
            Positions of the images in the run.
        """
        if self._stored is not None:
            in_order = self._read_all_stored(positions)
        elif self._reads_files:
            in_order = self._read_files(positions)
        else:
            return self._read_pixels(positions)
        return [
            picture or self._read_pixels([position])[0]
            for position, picture in zip(positions, in_order, strict=True)
        ]

    def _read_pixels(self, positions: Sequence[int]) -> "list[PIL.Image.Image]":
        with self._lock:
            pixels = self._images.read(np.asarray(positions, np.int64))
        return [as_picture(image).convert("RGB") for image in pixels]

    def _read_all_stored(self, positions: Sequence[int]) -> "list[PIL.Image.Image | None]":
        """Return stored thumbnails; None for images without one."""
        if len(positions) == 1:
            return [self._read_stored(int(positions[0]))]
        with ThreadPoolExecutor(thread_count()) as threads:
            return list(threads.map(self._read_stored, map(int, positions)))

    def _read_stored(self, position: int) -> "PIL.Image.Image | None":
        """Return a stored thumbnail; None for an image without one."""
        with self._lock:
            content = None if self._stored is None else self._stored.read(position)
        return None if content is None else opened(content)

    def _read_files(self, positions: Sequence[int]) -> "list[PIL.Image.Image | None]":
        """Return the pictures of files, made small; None for those that cannot be read."""
        source = self._images.source
        try:
            with self._lock:
                files = [source(int(position)) for position in positions] if source else []
        except LatentlabError as error:
            self._reads_files = False
            log.info("pictures are shown as the run has them, since files are missing: %s", error)
            files = []
        if not files:
            return [None] * len(positions)
        form = replace(PictureForm.of(self._data, FEWEST_PIXELS), grey=False, channels=3)

        def small(file: Picture) -> "PIL.Image.Image | None":
            return _thumbnail_of(decode_picture(file, form, True))

        with pillow_limits_off():
            if len(files) == 1:
                return [small(files[0])]
            with ThreadPoolExecutor(thread_count()) as threads:
                return list(threads.map(small, files))


def _thumbnail_of(decoded: DecodedPicture | str) -> "PIL.Image.Image | None":
    """Return the small picture of a decoded one; None if it could not be read."""
    if isinstance(decoded, str) or decoded.thumbnail is None:
        return None
    return opened(decoded.thumbnail)


def fitted(picture: "PIL.Image.Image", side: int) -> "PIL.Image.Image":
    """Return a picture whose longer side has at most some pixels; a smaller one stays as it is.

    Parameters
    ----------
    picture : PIL.Image.Image
        A picture of mode RGB or L.
    side : int
        Pixels of the longer side, at most.
    """
    from PIL import Image

    if max(picture.size) <= side:
        return picture
    width, height = fitted_size(*picture.size, side)
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return width and height of a picture that was made to fit into a square.

    Parameters
    ----------
    width, height : int
        Size of the picture in pixels.
    side : int
        Pixels of the square.

    Examples
    --------
    >>> fitted_size(400, 300, 128), fitted_size(28, 20, 128)
    ((128, 96), (28, 20))
    """
    longer = max(width, height)
    if longer <= side:
        return width, height
    return max(1, round(width * side / longer)), max(1, round(height * side / longer))


def opened(content: bytes) -> "PIL.Image.Image":
    """Return a WebP file that latentlab has made as a picture of mode RGB.

    Parameters
    ----------
    content : bytes
        The file.
    """
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["WEBP"]) as picture:
        return picture.convert("RGB")
