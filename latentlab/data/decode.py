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
from latentlab.data.resizing import resize, upright

if TYPE_CHECKING:
    import PIL.Image

Decoded = TypeVar("Decoded")

DEFAULT_SIZE = 32  # pixels; pictures of a source have no common size
MAX_PIXELS = 89_478_485  # of one picture; Pillow's own limit
THREADS = 4
CHUNK = 512  # pictures
CHUNK_BYTES = 256 << 20  # of encoded pictures that wait for a thread
BYTES_PER_PIXEL = 8  # more than any uncompressed format uses
LARGE = 16_000_000  # pixels; larger pictures are decoded one at a time, to spare memory
# Formats that are not listed are not tried: EPS, for example, would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")

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
    """

    size: int = DEFAULT_SIZE
    rule: str = "crop"
    channels: int = 3
    max_pixels: int = MAX_PIXELS

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

    return _decoded(picture, pixels, form.max_pixels)


def decode_whole(picture: Path | bytes, max_pixels: int = MAX_PIXELS) -> "PIL.Image.Image | str":
    """Decode a picture in its full size, upright and in colour.

    It must not run in several threads: it switches Pillow's limits off for the whole process.

    Parameters
    ----------
    picture : Path or bytes
        A picture file or its content.
    max_pixels : int
        A larger picture is not decoded.

    Returns
    -------
    PIL.Image.Image or str
        The picture, or the reason why it cannot be read.
    """

    def colours(image: "PIL.Image.Image") -> "PIL.Image.Image":
        return upright(image, channels=3)

    with _pillow_limits_off():
        return _decoded(picture, colours, max_pixels)


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
    with _pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        for chunk in _chunks(pictures):
            yield from pool.map(decode_one, chunk)


def _chunks(pictures: Iterable[Path | bytes | None]) -> Iterator[list[Path | bytes | None]]:
    chunk: list[Path | bytes | None] = []
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
        return "no picture here"
    if isinstance(picture, bytes) and len(picture) > largest:
        size = len(picture)
        return f"it has {size} bytes, more than a picture of the largest size needs"
    return decode(picture, form)


def _decoded(
    picture: Path | bytes, convert: Callable[["PIL.Image.Image"], Decoded], max_pixels: int
) -> Decoded | str:
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
            # Threads must not hold several large pictures at once.
            with _large_picture if pixels > LARGE else contextlib.nullcontext():
                image.load()
                return convert(image)
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception
        return _reason(error, picture)


def _reason(error: Exception, picture: Path | bytes) -> str:
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


@contextlib.contextmanager
def _pillow_limits_off() -> Iterator[None]:
    """Leave the limit of pixels to `decode`, since Pillow's holds for the whole process."""
    from PIL import Image

    Image.init()  # or else Pillow would look for more formats while threads run
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        # Pillow warns about pictures that `decode` refuses anyway.
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
