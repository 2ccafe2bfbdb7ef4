"""Decode many pictures into one uint8 array: in threads, each failure kept with its reason instead of raised."""

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import common
from latentlab.data.images import ImageSet, Unreadable, from_array, resize, upright
from latentlab.errors import DataError

if TYPE_CHECKING:
    import PIL.Image

Made = TypeVar("Made")

THREADS = 4
CHUNK = 512
CHUNK_BYTES = 256 << 20  # of pictures that wait, still compressed, to be decoded
BYTES_PER_PIXEL = 8  # more than any uncompressed format uses
LARGE = 16_000_000  # pixels; larger pictures are decoded one at a time, so that memory does not hold four of them
FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "TIFF",
    "WEBP",
    "AVIF",
    "JPEG2000",
    "PPM",
)  # EPS, for one, would start another program

_one_large = threading.Lock()


def decode(
    source: Path | bytes, size: int, rule: str, channels: int, max_pixels: int = common.MAX_PIXELS
) -> np.ndarray | str:
    """Return one picture as uint8 (size, size, channels), or the reason why it cannot be read."""
    return _decoded(source, lambda image: resize(image, size, rule, channels), max_pixels)


def decode_whole(
    source: Path | bytes, max_pixels: int = common.MAX_PIXELS
) -> "PIL.Image.Image | str":
    """Return one picture upright, in colour and in its full size, or the reason why it cannot be read.

    Not for threads: Pillow's limits are switched off for the process meanwhile.
    """
    with _pillow_limits_off():
        return _decoded(source, lambda image: upright(image, channels=3), max_pixels)


def _decoded(
    source: Path | bytes, make: Callable[["PIL.Image.Image"], Made], max_pixels: int
) -> Made | str:
    from PIL import Image

    try:
        if isinstance(source, Path) and not source.is_file():
            return "it is no regular file"
        Image.init()
        _check_png(source)
        with Image.open(_stream(source), formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                return f"it has {pixels} pixels, more than {max_pixels}; if you trust it, raise --max-pixels"
            with _one_large if pixels > LARGE else contextlib.nullcontext():
                image.load()
                return make(image)
    except Exception as error:  # Pillow's decoders raise nearly every kind: OSError, SyntaxError, struct.error, ValueError, ...
        said = str(error).replace(str(source), "file") if isinstance(source, Path) else str(error)
        return f"{type(error).__name__}: {' '.join(said.split())}"[:200]


def _stream(source: Path | bytes) -> Any:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _check_png(source: Path | bytes) -> None:
    """Compare the checksums of a PNG, which Pillow's decoder passes over; other formats have none."""
    from PIL import Image

    if _head(source) == b"\x89PNG":
        with Image.open(_stream(source), formats=["PNG"]) as image:
            image.verify()


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:4]
    with source.open("rb") as file:
        return file.read(4)


@contextlib.contextmanager
def _pillow_limits_off() -> Iterator[None]:
    """Leave the limit of pixels to `decode`: Pillow's is one for the whole process. Warnings are about pictures that are refused."""
    from PIL import Image

    Image.init()  # Pillow looks for further formats of its own accord only where it is told none
    kept = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def collect(
    name: str,
    count: int,
    items: Iterable[tuple[str, Path | bytes | None]],
    make_splits: Callable[[np.ndarray], np.ndarray],
    options: DataOptions,
    source: Callable[[int], Path | bytes] | None = None,
) -> ImageSet:
    """Decode `count` pictures and make an ImageSet of those that can be read.

    Parameters
    ----------
    items : iterable of (id, source)
        Path or bytes of each picture; None where there is none.
    make_splits : callable
        make_splits(kept) -> split of each kept picture; kept are positions among the items.
    source : callable or None
        source(position) -> path or bytes of one item, once more.

    Raises
    ------
    DataError
        If none can be read.
    """
    size = options.size or common.DEFAULT_SIZE
    channels = 1 if options.grey else 3
    images = common.allocate((count, size, size, channels))
    ids: list[str] = []
    kept: list[int] = []
    bad: list[Unreadable] = []
    limit = options.max_pixels or common.MAX_PIXELS
    decode_one = functools.partial(
        decode, size=size, rule=options.resize, channels=channels, max_pixels=limit
    )
    with _pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        for position, (identity, result) in enumerate(
            _results(pool, items, decode_one, BYTES_PER_PIXEL * limit)
        ):
            if isinstance(result, str):
                bad.append(Unreadable(identity, result))
            else:
                images[len(ids)] = result
                ids.append(identity)
                kept.append(position)
    if not ids:
        raise DataError(
            f"{name}: none of the {count} images can be read; the first, {bad[0].path}: {bad[0].reason}."
        )
    again = None if source is None else lambda index: source(kept[index])
    return from_array(name, images[: len(ids)], make_splits(np.array(kept)), ids, tuple(bad), again)


def _results(
    pool: ThreadPoolExecutor,
    items: Iterable,
    decode_one: Callable[..., np.ndarray | str],
    largest: int,
) -> Iterable[tuple[str, np.ndarray | str]]:
    """Yield (id, picture or reason) in order, at most `CHUNK` pictures, or `CHUNK_BYTES`, ahead."""

    def one(item: tuple[str, Path | bytes | None]) -> tuple[str, np.ndarray | str]:
        return item[0], "no picture here" if item[1] is None else decode_one(item[1])

    chunk: list = []
    waiting = 0
    for identity, source in items:
        if isinstance(source, bytes) and len(source) > largest:
            yield from pool.map(one, chunk)
            chunk, waiting = [], 0
            yield (
                identity,
                f"it has {len(source)} bytes, more than a picture of the largest size needs",
            )
            continue
        chunk.append((identity, source))
        waiting += len(source) if isinstance(source, bytes) else 0
        if len(chunk) == CHUNK or waiting > CHUNK_BYTES:
            yield from pool.map(one, chunk)
            chunk, waiting = [], 0
    yield from pool.map(one, chunk)
