"""Pictures of more than 8 bits a number: their numbers, and the 8 bits that are made of them.

Pillow opens grey pictures of 16 and 32 bits as they are. Of colours with 16 bits it keeps the upper
8 alone. The lower 8 come from a second reading of the same file, in which Pillow is told that the
bytes of each number stand the other way round.
"""

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.pictures.picture_faults import NotReadableError
from latentlab.data.pictures.plain_tiff import NUMBERS
from latentlab.data.value_range import ValueRange, full_scale

if TYPE_CHECKING:
    import PIL.Image

ORIENTATION = 0x0112  # tag of EXIF
_SAMPLE_FORMAT = 339  # tag of TIFF
_IS_SIGNED = 2
SIGNED, FLOATING = "signed", "floating-point"
GREY_AND_ALPHA = "LA;16B"
# How Pillow unpacks colours of 16 bits, and what unpacks their other bytes.
_OTHER_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B",
    GREY_AND_ALPHA: "RGBA",  # four bytes of a pixel: two of its brightness, two of its alpha
}


def depth(image: "PIL.Image.Image") -> str:
    """Return of what a picture is, by its header; "" for 8 bits.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture that has been opened, loaded or not.

    Returns
    -------
    {"", "16-bit", "32-bit", "64-bit", "signed", "floating-point"}
    """
    if NUMBERS in image.info:
        return _depth_of(image.info[NUMBERS].dtype)
    if image.mode.startswith("I;16") or needs_other_bytes(image):
        return "16-bit"
    if image.mode == "F":
        return FLOATING
    if _is_signed(image):
        return SIGNED
    return "32-bit" if image.mode == "I" else ""


def _depth_of(dtype: np.dtype) -> str:
    if dtype.kind == "f":
        return FLOATING
    return SIGNED if dtype.kind == "i" else f"{dtype.itemsize * 8}-bit"


def needs_other_bytes(image: "PIL.Image.Image") -> bool:
    """Return whether loading a picture drops the lower half of its numbers.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture that has been opened and not loaded.
    """
    return _raw_mode(image) in _OTHER_BYTES


def read_other_bytes(image: Any) -> np.ndarray:
    """Return the bytes of a picture that Pillow drops.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture, opened a second time and not loaded; it is of no other use afterwards.

    Returns
    -------
    ndarray of shape (height, width, channels), uint8
    """
    image.tile = [_with_other_bytes(tile) for tile in image.tile]
    return np.asarray(image)


@dataclass(frozen=True)
class LoadedPicture:
    """A picture that has been loaded, with what Pillow forgets or drops meanwhile.

    Attributes
    ----------
    image : PIL.Image.Image
        The picture.
    depth : str
        See `depth`.
    raw_mode : str
        How it was unpacked.
    other_bytes : ndarray of shape (height, width, channels), uint8, or None
        What Pillow has dropped, see `read_other_bytes`.
    """

    image: "PIL.Image.Image"
    depth: str
    raw_mode: str = ""
    other_bytes: np.ndarray | None = None

    def numbers(self) -> np.ndarray:
        """Return the numbers in full depth, (height, width) or (height, width, channels)."""
        if NUMBERS in self.image.info:
            return np.asarray(self.image.info[NUMBERS])
        values = np.asarray(self.image)
        if self.other_bytes is not None:
            return self._joined(values, self.other_bytes)
        if self.depth == SIGNED and values.dtype == np.uint8:
            return values.view(np.int8)
        if self.raw_mode.startswith("I;32") and "S" not in self.raw_mode:
            return values.view(np.uint32)
        return values

    def _joined(self, values: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return numbers of 16 bits made of their two halves."""
        if self.raw_mode != GREY_AND_ALPHA:
            return values.astype(np.uint16) * 256 + others
        wide = others.astype(np.uint16)
        grey, alpha = wide[..., 0] * 256 + wide[..., 1], wide[..., 2] * 256 + wide[..., 3]
        return np.dstack([grey, grey, grey, alpha])

    def eight_bits(self, value_range: ValueRange | None) -> "PIL.Image.Image":
        """Return the picture in 8 bits; one that is like that already as it is.

        Parameters
        ----------
        value_range : ValueRange or None
            The scale of the set; None for that of the number format.

        Raises
        ------
        NotReadableError
            If numbers are not finite.
        ValueError
            If they are of no known scale.
        """
        if self.depth:
            return as_eight_bits(self.image, self.numbers(), value_range)
        if value_range is not None and value_range.holds_for_bytes:
            return stretched(self.image, value_range)
        return self.image


def load(
    image: "PIL.Image.Image", open_again: Callable[[], AbstractContextManager["PIL.Image.Image"]]
) -> LoadedPicture:
    """Load an opened picture in full depth.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture.
    open_again : callable
        open_again() -> the same picture, opened anew.

    Returns
    -------
    LoadedPicture
    """
    loaded = LoadedPicture(image, depth(image), _raw_mode(image))
    is_half = needs_other_bytes(image)
    image.load()
    if not is_half:
        return loaded
    with open_again() as twin:
        return replace(loaded, other_bytes=read_other_bytes(twin))


def as_eight_bits(
    image: "PIL.Image.Image", numbers: np.ndarray, value_range: ValueRange | None
) -> "PIL.Image.Image":
    """Return a picture of 8 bits made of the numbers of a deeper one.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture; its orientation is kept.
    numbers : ndarray of shape (height, width) or (height, width, channels)
        Its numbers; of four channels the last one is alpha.
    value_range : ValueRange or None
        The scale; None for that of the format.

    Raises
    ------
    NotReadableError
        If numbers are not finite.
    ValueError
        If they are of no known scale.
    """
    from PIL import Image

    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise NotReadableError("numbers that are not finite")
    scaled = full_scale if value_range is None else value_range.to_bytes
    if numbers.ndim == 3 and numbers.shape[2] == 4:
        colours = scaled(numbers[..., :3])
        white = 1 if numbers.dtype.kind == "f" else np.iinfo(numbers.dtype).max
        pixels = np.dstack([colours, ValueRange(0, float(white)).to_bytes(numbers[..., 3])])
    else:
        pixels = scaled(numbers)
    picture = Image.fromarray(pixels)
    exif = image.getexif()
    if exif.get(ORIENTATION, 1) != 1:
        orientation = Image.Exif()
        orientation[ORIENTATION] = exif[ORIENTATION]
        picture.info["exif"] = orientation.tobytes()
    return picture


def stretched(image: "PIL.Image.Image", value_range: ValueRange) -> "PIL.Image.Image":
    """Return a picture of 8 bits whose numbers are on a scale of their own, such as a mask.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture of 8 bits; its alpha stays as it is.
    value_range : ValueRange
        The scale.
    """
    image = _with_plain_bands(image)
    table = value_range.to_bytes(np.arange(256, dtype=np.uint16)).tolist()
    same = list(range(256))
    tables = [same if band == "A" else table for band in image.getbands()]
    return image.point(list(itertools.chain(*tables)))


def _with_plain_bands(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Return a picture of 8 bits of any mode in L, LA, RGB or RGBA."""
    has_key = "transparency" in image.info
    if image.mode in ("L", "LA", "RGB", "RGBA") and not has_key:
        return image
    return image.convert("RGBA" if "A" in image.getbands() or has_key else "RGB")


def _raw_mode(image: Any) -> str:
    """Return how Pillow will unpack an opened picture; "" if it does not say."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    args = tiles[0][3]
    if isinstance(args, str):
        return args
    mode = args[0] if args else ""
    return mode if isinstance(mode, str) else ""


def _with_other_bytes(tile: Any) -> Any:
    args = tile[3]
    if isinstance(args, str):
        return tile._replace(args=_OTHER_BYTES[args])
    return tile._replace(args=(_OTHER_BYTES[args[0]], *args[1:]))


def _is_signed(image: Any) -> bool:
    return _IS_SIGNED in _tag(image, _SAMPLE_FORMAT)


def _tag(image: Any, number: int) -> tuple[int, ...]:
    """Return the values of a tag of a TIFF; none for other formats."""
    tags = getattr(image, "tag_v2", None)
    value = () if tags is None else tags.get(number, ())
    return value if isinstance(value, tuple) else (value,)
