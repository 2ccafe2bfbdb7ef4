"""One decoding of a picture for all that a run needs of it: pixels, a small version, a thumbnail.

JPEG pictures are decoded at a half, quarter or eighth of their size where that leaves at least
twice the pixels that are needed per side. Bicubic resizing of that differs from resizing the full
picture by about one grey level, and a photo of 12 megapixels takes a fifth of the time.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from latentlab.data.originals import Original
from latentlab.data.pictures import thumbnails
from latentlab.data.pictures.decode import (
    BYTES_PER_PIXEL,
    MARGIN,
    PictureForm,
    largest_part,
    opened,
    part_of,
    read_part,
    too_many_bytes,
)
from latentlab.data.pictures.picture_faults import NO_PICTURE
from latentlab.data.pictures.resizing import ORIENTATION, as_picture, to_square, upright

if TYPE_CHECKING:
    import PIL.Image

SMALL_SIZE = 32  # pixels; height and width of the small version
ON_ITS_SIDE = (5, 6, 7, 8)  # orientations in which width and height change places


@dataclass(frozen=True)
class DecodedPicture:
    """What a run needs of one picture.

    Attributes
    ----------
    pixels : ndarray of shape (size, size, channels), uint8
        The picture in the form that was asked for.
    small : ndarray of shape (32, 32, 3), uint8
        The same form at 32x32 pixels, grey repeated.
    thumbnail : bytes or None
        The whole picture, upright, see `latentlab.data.pictures.thumbnails`; None if none was
        wanted.
    width, height : int
        Size of the upright picture in pixels.
    """

    pixels: np.ndarray
    small: np.ndarray
    thumbnail: bytes | None
    width: int
    height: int


def decode_picture(
    original: Original, form: PictureForm, with_thumbnail: bool
) -> DecodedPicture | str:
    """Decode a picture once, for all forms; it may run in threads within `pillow_limits_off`.

    Parameters
    ----------
    original : Path, bytes, Page, ndarray or None
        A picture file, its content, a page of one, or uint8 pixels of shape (height, width,
        channels).
    form : PictureForm
        The form of `pixels`.
    with_thumbnail : bool
        Whether to make a thumbnail.

    Returns
    -------
    DecodedPicture or str
        The picture, or the reason why it cannot be read.
    """
    decoding = _Decoding(form)

    def all_forms(picture: "PIL.Image.Image") -> DecodedPicture:
        return decoding.all_forms(picture, with_thumbnail)

    if original is None:
        return NO_PICTURE
    if isinstance(original, np.ndarray):
        return all_forms(as_picture(original))
    refusal = too_many_bytes(original, BYTES_PER_PIXEL * form.max_pixels)
    return refusal or opened(
        original, all_forms, form.max_pixels, decoding.before_load, form.value_range
    )


def decode_pixels(original: Original, form: PictureForm) -> np.ndarray | str:
    """Return the `pixels` of `decode_picture` alone, or the reason why there are none.

    Parameters
    ----------
    original : Path, bytes, Page, ndarray or None
        See `decode_picture`.
    form : PictureForm
        The form of the result.

    Returns
    -------
    ndarray of shape (size, size, channels), uint8, or str
        The pixels or the reason.
    """
    decoding = _Decoding(form)
    if original is None:
        return NO_PICTURE
    if isinstance(original, np.ndarray):
        return decoding.pixels(as_picture(original))
    refusal = too_many_bytes(original, BYTES_PER_PIXEL * form.max_pixels)
    return refusal or opened(
        original, decoding.pixels, form.max_pixels, decoding.before_load, form.value_range
    )


def draft_scale(width: int, height: int, form: PictureForm) -> int:
    """Return by which factor a JPEG may be smaller when it is decoded.

    Parameters
    ----------
    width, height : int
        Its size in pixels.
    form : PictureForm
        What is needed of it, beside a thumbnail.

    Returns
    -------
    {1, 2, 4, 8}
        The largest factor that keeps `MARGIN` times the pixels per side that are needed.

    Examples
    --------
    >>> draft_scale(4000, 3000, PictureForm(size=224)), draft_scale(400, 300, PictureForm(size=224))
    (4, 1)
    """
    of_pixels = part_of(width, height, replace(form, size=max(form.size, SMALL_SIZE)))
    return min(of_pixels, largest_part(max(width, height) // (MARGIN * thumbnails.SIDE)))


class _Decoding:
    """The steps of decoding one picture."""

    def __init__(self, form: PictureForm) -> None:
        self._form = form
        self._full_size: tuple[int, int] | None = None  # None if the size is not changed

    def before_load(self, picture: "PIL.Image.Image") -> None:
        """Let a JPEG be decoded at a smaller size if that is enough."""
        width, height = picture.size
        if read_part(picture, draft_scale(width, height, self._form)):
            self._full_size = (width, height)

    def pixels(self, picture: "PIL.Image.Image") -> np.ndarray:
        """Return the pixels in the form that is asked for."""
        form = self._form
        square = to_square(self._upright(picture), form.size, form.rule)
        return _as_pixels(square, form.channels)

    def all_forms(self, picture: "PIL.Image.Image", with_thumbnail: bool) -> DecodedPicture:
        """Return all that a run needs."""
        form = self._form
        whole = self._upright(picture)
        square = to_square(whole, form.size, form.rule)
        width, height = self._size(picture, whole)
        thumbnail = None
        if with_thumbnail:
            is_all = whole.width == whole.height >= form.size >= thumbnails.SIDE
            thumbnail = self._thumbnail(picture, square if is_all else whole)
        return DecodedPicture(
            pixels=_as_pixels(square, form.channels),
            small=_as_pixels(self._small(whole, square), 3),
            thumbnail=thumbnail,
            width=width,
            height=height,
        )

    def _small(self, whole: "PIL.Image.Image", square: "PIL.Image.Image") -> "PIL.Image.Image":
        if self._form.size < 2 * SMALL_SIZE:
            return to_square(whole, SMALL_SIZE, self._form.rule)
        # The square is in the right form already, and there is less of it. With a gap most of it
        # is averaged in blocks first, in half the time.
        from PIL import Image

        shape = (SMALL_SIZE, SMALL_SIZE)
        return square.resize(shape, Image.Resampling.BICUBIC, reducing_gap=2.0)

    def _upright(self, picture: "PIL.Image.Image") -> "PIL.Image.Image":
        return upright(picture, 1 if self._form.grey else self._form.channels)

    def _thumbnail(self, picture: "PIL.Image.Image", whole: "PIL.Image.Image") -> bytes:
        """Return the thumbnail, which keeps colours that the form leaves out."""
        return thumbnails.encode(whole if whole.mode == "RGB" else upright(picture, 3))

    def _size(self, picture: "PIL.Image.Image", whole: "PIL.Image.Image") -> tuple[int, int]:
        """Return width and height of the upright picture as it is in its file."""
        if self._full_size is None:
            return whole.size
        width, height = self._full_size
        if picture.getexif().get(ORIENTATION) in ON_ITS_SIDE:
            return height, width
        return width, height


def _as_pixels(picture: "PIL.Image.Image", channels: int) -> np.ndarray:
    """Return the pixels of a picture; a single channel is repeated if more are wanted."""
    pixels = np.asarray(picture, dtype=np.uint8).reshape(picture.height, picture.width, -1)
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)
