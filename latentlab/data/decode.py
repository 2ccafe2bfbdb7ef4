"""Decode pictures in threads. A picture that cannot be read gives a reason instead of an error."""

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.deep_pictures import LoadedPicture, load
from latentlab.data.resizing import resize, upright
from latentlab.data.value_range import ValueRange

if TYPE_CHECKING:
    import PIL.Image

Decoded = TypeVar("Decoded")
Entry = TypeVar("Entry", Path | bytes | None, Path | bytes | np.ndarray | None)

DEFAULT_SIZE = 32  # pixels; pictures of a source have no common size
MAX_PIXELS = 89_478_485  # of one picture; Pillow's own limit
THREADS = 4
CHUNK = 512  # pictures
CHUNK_BYTES = 256 << 20  # of encoded pictures that wait for a thread
BYTES_PER_PIXEL = 8  # more than any uncompressed format uses
LARGE = 16_000_000  # pixels; larger pictures are decoded one at a time, to spare memory
# Formats that are not listed are not tried: EPS, for example, would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")

NO_PICTURE = "no picture here"
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
        See `latentlab.data.resizing.resize`.
    channels : int
        3 for RGB, 1 for grey.
    max_pixels : int
        Larger pictures are not decoded.
    grey : bool
        Whether pictures become grey before anything else, for `picture_decoding` only: with three
        channels the grey one is repeated.
    value_range : ValueRange or None
        The scale of numbers beyond 8 bits; None for that of each number format.
    """

    size: int = DEFAULT_SIZE
    rule: str = "crop"
    channels: int = 3
    max_pixels: int = MAX_PIXELS
    grey: bool = False
    value_range: ValueRange | None = None

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
        )


def decode(picture: Path | bytes, form: PictureForm) -> np.ndarray | str:
    """Decode a picture.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
    form : PictureForm
        The form of the result.

    Returns
    -------
    ndarray of shape (size, size, channels), uint8, or str
        The pixels, or the reason why the picture cannot be read.
    """

    def pixels(image: "PIL.Image.Image") -> np.ndarray:
        return resize(image, form.size, form.rule, form.channels)

    return opened(picture, pixels, form.max_pixels, value_range=form.value_range)


def decode_whole(
    picture: Path | bytes,
    max_pixels: int = MAX_PIXELS,
    value_range: ValueRange | None = None,
) -> "PIL.Image.Image | str":
    """Decode a picture in its full size, upright and in colour.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
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


def decode_all(
    pictures: Iterable[Path | bytes | None], form: PictureForm
) -> Iterator[np.ndarray | str]:
    """Decode pictures in threads, at most `CHUNK` pictures or `CHUNK_BYTES` ahead.

    Parameters
    ----------
    pictures : iterable of Path, bytes or None
        Picture files or their contents; None for a missing picture.
    form : PictureForm
        The form of the results.

    Yields
    ------
    ndarray of shape (size, size, channels), uint8, or str
        Pixels or a reason, in the order of the pictures.
    """
    largest = BYTES_PER_PIXEL * form.max_pixels
    decode_one = functools.partial(_decode_any, form=form, largest=largest)
    with pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        for chunk in chunks(pictures):
            yield from pool.map(decode_one, chunk)


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
        waiting += len(picture) if isinstance(picture, bytes) else 0
        if len(chunk) == CHUNK or waiting > CHUNK_BYTES:
            yield chunk
            chunk = []
            waiting = 0
    yield chunk


def _decode_any(picture: Path | bytes | None, form: PictureForm, largest: int) -> np.ndarray | str:
    if picture is None:
        return NO_PICTURE
    return too_many_bytes(picture, largest) or decode(picture, form)


def too_many_bytes(picture: Path | bytes, largest: int) -> str:
    """Return why a picture is not even opened; "" if it is.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
    largest : int
        Bytes that the largest picture may need.
    """
    if isinstance(picture, bytes) and len(picture) > largest:
        return f"it has {len(picture)} bytes, more than a picture of the largest size needs"
    return ""


def opened(
    picture: Path | bytes,
    convert: Callable[["PIL.Image.Image"], Decoded],
    max_pixels: int,
    before_load: Callable[["PIL.Image.Image"], object] = id,
    value_range: ValueRange | None = None,
) -> Decoded | str:
    """Open a picture and convert it; it may run in threads within `pillow_limits_off`.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
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
    picture: Path | bytes,
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
    from PIL import Image

    try:
        if isinstance(picture, Path) and not picture.is_file():
            return "it is no regular file"
        Image.init()
        _check_png(picture)
        # The size is in the header: it is known before anything is decoded.
        with Image.open(_stream(picture), formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                return (
                    f"it has {pixels} pixels, more than {max_pixels}; "
                    "if you trust it, raise `max_pixels`"
                )
            before_load(image)
            # Threads must not hold several large pictures at once.
            with _large_picture if _is_large(image, pixels) else contextlib.nullcontext():
                return convert(load(image, functools.partial(_open_again, picture, image.tell())))
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception
        return reason_of(error, picture)


def _open_again(picture: Path | bytes, page: int) -> "PIL.Image.Image":
    from PIL import Image

    image = Image.open(_stream(picture), formats=FORMATS)
    if page:
        image.seek(page)
    return image


def _is_large(image: "PIL.Image.Image", pixels: int) -> bool:
    """Return whether decoding takes much memory; progressive JPEG takes it for every size."""
    is_progressive = "progressive" in image.info
    return (pixels if is_progressive else image.width * image.height) > LARGE


def reason_of(error: Exception, picture: Path | bytes) -> str:
    """Return in one line why a picture cannot be read, without its path.

    Parameters
    ----------
    error : Exception
        What was raised.
    picture : Path or bytes
        The picture.
    """
    text = str(error)
    if isinstance(picture, Path):
        text = text.replace(str(picture), "file")
    return f"{type(error).__name__}: {' '.join(text.split())}"[:200]


def _stream(picture: Path | bytes) -> Any:
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture


def _check_png(picture: Path | bytes) -> None:
    """Compare the checksums of a PNG, which Pillow's decoder skips; other formats have none."""
    from PIL import Image

    if _head(picture) == b"\x89PNG":
        with Image.open(_stream(picture), formats=["PNG"]) as image:
            image.verify()


def _head(picture: Path | bytes) -> bytes:
    if isinstance(picture, bytes):
        return picture[:4]
    with picture.open("rb") as file:
        return file.read(4)


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
