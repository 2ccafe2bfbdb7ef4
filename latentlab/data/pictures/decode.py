"""Decode pictures in threads. A picture that cannot be read gives a reason instead of an error."""

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from latentlab import backend
from latentlab.config import WHOLE, DataOptions
from latentlab.data.originals import Original, Picture
from latentlab.data.pictures.deep_pictures import LoadedPicture, load
from latentlab.data.pictures.picture_faults import (
    NO_PICTURE,
    NOT_DECODED,
    NOT_OPENED,
    TOO_LARGE,
    NotReadableError,
    too_many_pixels,
)
from latentlab.data.pictures.picture_opening import file_of, open_image
from latentlab.data.pictures.resizing import resize, upright
from latentlab.data.value_range import ValueRange

if TYPE_CHECKING:
    import PIL.Image

Decoded = TypeVar("Decoded")
Entry = TypeVar("Entry", Picture | None, Original)

DEFAULT_SIZE = 32  # pixels; pictures of a source have no common size
MAX_PIXELS = 89_478_485  # of one picture; Pillow's own limit
MARGIN = 2  # a JPEG is decoded at no less than this many times the size that is needed
PARTS = (8, 4, 2)  # of its size, at which a JPEG can be decoded
THREADS = 4  # that wait for files more than they compute
MOST_THREADS = 16  # that decode
CHUNK = 512  # pictures
CHUNK_BYTES = 64 << 20  # of encoded pictures that wait for a thread
BYTES_PER_PIXEL = 8  # more than any uncompressed format uses
LARGE = 16_000_000  # pixels; larger pictures are decoded one at a time, to spare memory

PILLOW_MODULES = r"PIL\."  # pattern of the modules whose warnings are ignored

_large_picture = threading.Lock()


@dataclass(frozen=True)
class PictureForm:
    """The form into which all pictures are brought.

    Attributes
    ----------
    size : int
        Height and width in pixels.
    rule : {"crop", "pad", "stretch"}
        See `latentlab.data.pictures.resizing.resize`.
    channels : int
        3 for RGB, 1 for grey.
    max_pixels : int
        Larger pictures are not decoded.
    grey : bool
        Whether pictures become grey before anything else, for `picture_decoding` only: with three
        channels the grey one is repeated.
    value_range : ValueRange or None
        The scale of numbers beyond 8 bits; None for that of each number format.
    drafts : bool
        Whether `decode` reads a JPEG at a part of its size where twice `size` is left.
    """

    size: int = DEFAULT_SIZE
    rule: str = "crop"
    channels: int = 3
    max_pixels: int = MAX_PIXELS
    grey: bool = False
    value_range: ValueRange | None = None
    drafts: bool = False

    @classmethod
    def of(cls, data: DataOptions, size: int | None) -> "PictureForm":
        """Return the form that the options of a data set ask for.

        Parameters
        ----------
        data : DataOptions
            The options.
        size : int or None
            Height and width in pixels; None is `DEFAULT_SIZE`.
        """
        return cls(
            size=size or DEFAULT_SIZE,
            rule=data.resize,
            channels=1 if data.grey else 3,
            max_pixels=data.max_pixels or MAX_PIXELS,
            value_range=ValueRange.of_text(data.value_range),
            drafts=data.decoding != WHOLE,
        )


def decode(picture: Picture, form: PictureForm) -> np.ndarray | str:
    """Decode a picture.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    form : PictureForm
        The form of the result.

    Returns
    -------
    ndarray of shape (size, size, channels), uint8, or str
        The pixels, or the reason why the picture cannot be read.
    """

    def pixels(image: "PIL.Image.Image") -> np.ndarray:
        return resize(image, form.size, form.rule, form.channels)

    def draft(image: "PIL.Image.Image") -> None:
        if form.drafts:
            read_part(image, part_of(image.width, image.height, form))

    return opened(picture, pixels, form.max_pixels, draft, form.value_range)


def part_of(width: int, height: int, form: PictureForm) -> int:
    """Return by which factor a JPEG may be smaller when nothing but its pixels is needed.

    Parameters
    ----------
    width, height : int
        Its size in pixels.
    form : PictureForm
        The form of the result.

    Returns
    -------
    {1, 2, 4, 8}
        The largest factor that keeps `MARGIN` times the pixels per side that are needed.

    Examples
    --------
    >>> part_of(348, 348, PictureForm(size=32)), part_of(348, 348, PictureForm(size=96))
    (4, 1)
    """
    decisive = max(width, height) if form.rule == "pad" else min(width, height)
    return largest_part(decisive // (MARGIN * form.size))


def largest_part(enough: int) -> int:
    """Return the largest factor, of those that decoders of JPEG know, that is not above another.

    Parameters
    ----------
    enough : int
        By which factor a picture may be smaller.
    """
    return next((part for part in PARTS if part <= enough), 1)


def read_part(image: "PIL.Image.Image", part: int) -> bool:
    """Let a JPEG be decoded at a part of its size; return whether it will be.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture whose header has been read.
    part : {1, 2, 4, 8}
        By which factor it is to be smaller.
    """
    if part == 1 or image.format not in ("JPEG", "MPO"):
        return False
    image.draft(None, (image.width // part, image.height // part))
    return True


def decode_whole(
    picture: Picture,
    max_pixels: int = MAX_PIXELS,
    value_range: ValueRange | None = None,
) -> "PIL.Image.Image | str":
    """Decode a picture in its full size, upright and in colour.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    max_pixels : int
        A larger picture is not decoded.
    value_range : ValueRange or None
        The scale of numbers beyond 8 bits.

    Returns
    -------
    PIL.Image.Image or str
        The picture, or the reason why it cannot be read.
    """

    def colours(image: "PIL.Image.Image") -> "PIL.Image.Image":
        return upright(image, channels=3).copy()  # `image` itself is closed

    with pillow_limits_off():
        return opened(picture, colours, max_pixels, value_range=value_range)


def decode_all(pictures: Iterable[Picture | None], form: PictureForm) -> Iterator[np.ndarray | str]:
    """Decode pictures in threads, at most `CHUNK` pictures or `CHUNK_BYTES` ahead.

    Parameters
    ----------
    pictures : iterable of Path, bytes, Page or None
        Picture files, their contents or pages of them; None for a missing picture.
    form : PictureForm
        The form of the results.

    Yields
    ------
    ndarray of shape (size, size, channels), uint8, or str
        Pixels or a reason, in the order of the pictures.
    """
    largest = BYTES_PER_PIXEL * form.max_pixels
    decode_one = functools.partial(_decode_any, form=form, largest=largest)
    with pillow_limits_off(), ThreadPoolExecutor(thread_count()) as pool:
        for chunk in chunks(pictures):
            yield from pool.map(decode_one, chunk)


def thread_count() -> int:
    """Return the number of threads that decode: one per core, between 2 and `MOST_THREADS`."""
    return min(max(backend.count_processors(), 2), MOST_THREADS)


def chunks(pictures: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield pictures in lists of at most `CHUNK` pictures and about `CHUNK_BYTES`.

    Parameters
    ----------
    pictures : iterable of Path, bytes, ndarray or None
        Picture files or their contents, pixels, or None for a missing picture.

    Yields
    ------
    list
        The next pictures; the last list may be empty.
    """
    chunk: list[Entry] = []
    waiting = 0  # bytes
    for picture in pictures:
        chunk.append(picture)
        waiting += len(picture) if isinstance(picture, bytes) else 0  # pages share their file
        if len(chunk) == CHUNK or waiting > CHUNK_BYTES:
            yield chunk
            chunk = []
            waiting = 0
    yield chunk


def _decode_any(picture: Picture | None, form: PictureForm, largest: int) -> np.ndarray | str:
    if picture is None:
        return NO_PICTURE
    return too_many_bytes(picture, largest) or decode(picture, form)


def too_many_bytes(picture: Picture, largest: int) -> str:
    """Return why a picture is not even opened; "" if it is.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    largest : int
        Bytes that the largest picture may need.
    """
    if isinstance(picture, bytes) and len(picture) > largest:
        size = len(picture)
        return f"{TOO_LARGE}: it has {size} bytes, more than a picture of the largest size needs"
    return ""


def opened(
    picture: Picture,
    convert: Callable[["PIL.Image.Image"], Decoded],
    max_pixels: int,
    before_load: Callable[["PIL.Image.Image"], object] = id,
    value_range: ValueRange | None = None,
) -> Decoded | str:
    """Open a picture and convert it; it may run in threads within `pillow_limits_off`.

    Parameters
    ----------
    picture : Path, bytes or Page
        A picture file, its content, or a page of one.
    convert : callable
        convert(picture) -> result, once the picture is decoded; it has 8 bits.
    max_pixels : int
        A larger picture is not decoded.
    before_load : callable
        before_load(picture), while only its header has been read; it may choose to decode a
        smaller version.
    value_range : ValueRange or None
        The scale of numbers beyond 8 bits.

    Returns
    -------
    object or str
        The result, or the reason why the picture cannot be read.
    """

    def convert_eight_bits(loaded: LoadedPicture) -> Decoded:
        return convert(loaded.eight_bits(value_range))

    return opened_deep(picture, convert_eight_bits, max_pixels, before_load)


def opened_deep(
    picture: Picture,
    convert: Callable[[LoadedPicture], Decoded],
    max_pixels: int,
    before_load: Callable[["PIL.Image.Image"], object] = id,
) -> Decoded | str:
    """Open a picture in full depth and convert it.

    Parameters
    ----------
    picture : Path or bytes
        See `opened`.
    convert : callable
        convert(loaded picture) -> result.
    max_pixels : int
        See `opened`.
    before_load : callable
        See `opened`.

    Returns
    -------
    object or str
        The result, or the reason why the picture cannot be read.
    """
    try:
        # The size is in the header: it is known before anything is decoded.
        with open_image(picture, max_pixels) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                return too_many_pixels(pixels, max_pixels)
            before_load(image)
            open_again = functools.partial(open_image, picture, max_pixels)
            # Threads must not hold several large pictures at once.
            with _large_picture if _is_large(image, pixels) else contextlib.nullcontext():
                return convert(load(image, open_again))
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception
        return reason_of(error, picture)


def _is_large(image: "PIL.Image.Image", pixels: int) -> bool:
    """Return whether decoding takes much memory; progressive JPEG takes it for every size."""
    is_progressive = "progressive" in image.info
    return (pixels if is_progressive else image.width * image.height) > LARGE


def reason_of(error: Exception, picture: Picture) -> str:
    """Return in one line why a picture cannot be read, without its path.

    Parameters
    ----------
    error : Exception
        What was raised.
    picture : Path, bytes or Page
        The picture.

    Returns
    -------
    str
        What stands before the first ":" is the same for all pictures with such a fault.
    """
    from PIL import UnidentifiedImageError

    if isinstance(error, NotReadableError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return f"{NOT_DECODED}: its header is damaged"
    file = file_of(picture)
    text = str(error)
    if isinstance(file, Path):
        text = text.replace(str(file), "file")
    fault = NOT_OPENED if _is_refusal(error) else NOT_DECODED
    return f"{fault}: {type(error).__name__}: {' '.join(text.split())}"[:200]


def _is_refusal(error: Exception) -> bool:
    """Return whether the system, and not a decoder, refuses to read a file."""
    return isinstance(error, OSError) and error.errno is not None


class _PillowLimits:
    """Pillow's limit of pixels and its warnings, switched off while anything is decoded.

    Both hold for the whole process. Several decodings may begin and end in any order, so that a
    counter says when the last one has ended, and only a filter of our own is added and removed:
    `warnings.catch_warnings` would bring back what others have changed meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: int | None = None

    def switch_off(self) -> None:
        """Begin a decoding."""
        from PIL import Image

        with self._lock:
            if self._users == 0:
                Image.init()  # or else Pillow would look for more formats while threads run
                self._limit = Image.MAX_IMAGE_PIXELS
                Image.MAX_IMAGE_PIXELS = None
                # Pillow warns about odd metadata, which say nothing about the pixels.
                warnings.filterwarnings("ignore", module=PILLOW_MODULES)
            self._users += 1

    def switch_on(self) -> None:
        """End a decoding."""
        from PIL import Image

        with self._lock:
            self._users -= 1
            if self._users == 0:
                Image.MAX_IMAGE_PIXELS = self._limit
                _remove_filter()


def _remove_filter() -> None:
    for entry in warnings.filters:
        pattern = getattr(entry[3], "pattern", entry[3])
        if pattern == PILLOW_MODULES:
            warnings.filters.remove(entry)  # type: ignore[attr-defined]
            return


_limits = _PillowLimits()


@contextlib.contextmanager
def pillow_limits_off() -> Iterator[None]:
    """Leave the limit of pixels to `opened`, since Pillow's holds for the whole process."""
    _limits.switch_off()
    try:
        yield
    finally:
        _limits.switch_on()
