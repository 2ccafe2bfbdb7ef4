"""The scale of picture files: what the numbers of some of them say of the set.

Headers of a few pictures decide whether numbers beyond 8 bits are there. Only then, or if a few
pictures of 8 bits are all but black, more are decoded. JPEG and the like have 8 bits for certain.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from latentlab.data.pictures.decode import MAX_PIXELS, opened_deep, pillow_limits_off
from latentlab.data.pictures.deep_pictures import LoadedPicture, depth
from latentlab.data.pictures.picture_opening import file_of, open_image
from latentlab.data.pictures.sniffing import HEAD_BYTES, kind_of
from latentlab.data.value_range import (
    ImageNumbers,
    Scale,
    dark_scale,
    is_dark,
    scale_of,
)
from latentlab.progress import log

if TYPE_CHECKING:
    import PIL.Image

    from latentlab.data.originals import Picture, Pictures

HEADERS = 64  # pictures whose header is read
DECODED = 256  # pictures that are decoded, where numbers beyond 8 bits are there
TRIED = 16  # pictures of 8 bits that are decoded, until one is brighter than a mask
NUMBERS = 4_000_000  # of all decoded pictures, for percentiles
SMALL = 4_000_000  # pixels of a picture that is decoded only to see whether it is dark
BLOCK = 16  # neighbours that are read together, of files that hold many pictures
THREADS = 4
EIGHT_BIT_KINDS = ("JPEG", "GIF", "WebP", "AVIF", "HEIC")  # as `sniffing` names them
BYTES = "8-bit"
ORDINARY = "ordinary"

_PLACES = "latentlab"  # begins what is hashed to draw a sample


def scale_of_pictures(
    ids: np.ndarray, picture_at: "PictureAt", are_files: bool, stretches_dark: bool = True
) -> Scale:
    """Return the scale of a set of pictures.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
        Their names, which decide what is drawn.
    picture_at : callable
        picture_at(position) -> the picture, or None.
    are_files : bool
        Whether each is a file of its own, so that any may be read as fast as its neighbour.
    stretches_dark : bool
        Whether pictures of 8 bits that are all but black get a range of their own.

    Returns
    -------
    Scale
        None for pictures of 8 bits, as most are.
    """
    sample = _drawn(ids, DECODED, are_files)
    headers = sample[:HEADERS]
    if not are_files:  # a packed archive is read forwards
        sample, headers = sorted(sample), sorted(headers)
    with pillow_limits_off(), ThreadPoolExecutor(THREADS) as pool:
        kinds, of_bytes = _kinds_of(pool, headers, picture_at)
        if kinds - {ORDINARY, BYTES}:
            log.info("numbers beyond 8 bits: reading some pictures for their range")
            return _deep_scale(_read_all(pool, sample, picture_at))
        if not stretches_dark:
            return Scale()
        tried = _until_bright(of_bytes)
        if not tried or not is_dark(max(image.high for image in tried)):
            return Scale()
        log.info("all but black: reading some pictures for their range")
        images = _read_all(pool, sample, picture_at)
        return dark_scale(images, "8-bit pictures")


PictureAt = Callable[[int], "Picture | None"]


def _kinds_of(
    pool: ThreadPoolExecutor, positions: Sequence[int], picture_at: PictureAt
) -> tuple[set[str], list["Picture | None"]]:
    """Return of what some pictures are, and the first few of 8 bits that may be masks."""
    kinds: set[str] = set()
    of_bytes: list[Picture | None] = []
    for start in range(0, len(positions), BLOCK):  # no more pictures are in memory at once
        block = [picture_at(position) for position in positions[start : start + BLOCK]]
        for picture, kind in zip(block, pool.map(_kind, block), strict=True):
            kinds.add(kind)
            if kind == BYTES and len(of_bytes) < TRIED:
                of_bytes.append(picture)
    return kinds, of_bytes


def _drawn(ids: np.ndarray, count: int, are_files: bool) -> list[int]:
    """Return positions of a random sample, in the order in which they are to be looked at."""
    if len(ids) <= count:
        return sorted(range(len(ids)), key=lambda position: _place(str(ids[position])))
    if are_files:
        places = [_place(name) for name in ids.tolist()]
        return sorted(range(len(ids)), key=places.__getitem__)[:count]
    starts = range(0, len(ids), BLOCK)
    order = sorted(starts, key=lambda start: _place(str(ids[start])))[: count // BLOCK]
    blocks = [range(start, min(start + BLOCK, len(ids))) for start in order]
    return [position for block in blocks for position in block]


def _place(name: str) -> bytes:
    """Return by what a name is drawn: the same for a name in every set."""
    text = (_PLACES + name).encode(errors="backslashreplace")
    return hashlib.blake2b(text, digest_size=8).digest()


def _kind(picture: "Picture | None") -> str:
    """Return of what a picture is by its header; "ordinary" if there is no need to decode it."""
    if picture is None:
        return ORDINARY
    if kind_of(_head(picture)).name in EIGHT_BIT_KINDS:
        return ORDINARY
    try:
        with open_image(picture, MAX_PIXELS) as image:
            return _kind_of_header(image)
    except Exception:  # Pillow's decoders raise nearly every kind of exception
        return ORDINARY


def _kind_of_header(image: "PIL.Image.Image") -> str:
    deep = depth(image)
    if deep:
        return deep
    return ORDINARY if image.width * image.height > SMALL else BYTES


def _head(picture: "Picture") -> bytes:
    """Return the first bytes of a picture's file; none if it cannot be read."""
    file = file_of(picture)
    if isinstance(file, bytes):
        return file[:HEAD_BYTES]
    if not file.is_file():
        return b""  # opening a pipe would wait for whoever writes to it
    try:
        with file.open("rb", buffering=0) as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def _until_bright(pictures: Sequence["Picture | None"]) -> list[ImageNumbers]:
    """Return the numbers of pictures of 8 bits, up to the first that is no mask."""
    tried = []
    for picture in pictures:
        image = _numbers(picture, 1)
        if image is not None:
            tried.append(image)
            if not is_dark(image.high):
                break
    return tried


def _read_all(
    pool: ThreadPoolExecutor, sample: Sequence[int], picture_at: PictureAt
) -> list[ImageNumbers]:
    """Return the numbers of all pictures of a sample that can be read."""
    read = functools.partial(_numbers, most=NUMBERS // max(1, len(sample)))
    images: list[ImageNumbers | None] = []
    for start in range(0, len(sample), BLOCK):  # no more pictures are in memory at once
        block = [picture_at(position) for position in sample[start : start + BLOCK]]
        images += pool.map(read, block)
    return [image for image in images if image is not None]


def _numbers(picture: "Picture | None", most: int) -> ImageNumbers | None:
    """Return some numbers of a picture; None if it cannot be read."""
    if picture is None:
        return None

    def numbers(loaded: LoadedPicture) -> ImageNumbers | None:
        if loaded.depth:
            values = loaded.numbers()
            has_alpha = values.ndim == 3 and values.shape[2] == 4
            return ImageNumbers.of(values[..., :3] if has_alpha else values, loaded.depth, most)
        has_bands = loaded.image.mode in ("L", "RGB")
        image = loaded.image if has_bands else loaded.image.convert("RGB")
        return ImageNumbers.of(np.asarray(image), BYTES, most)

    result = opened_deep(picture, numbers, MAX_PIXELS)
    return None if isinstance(result, str) else result


def _deep_scale(images: Sequence[ImageNumbers]) -> Scale:
    """Return the scale of pictures of which some are beyond 8 bits."""
    deep = [image for image in images if image.kind != BYTES]
    if not deep:
        return Scale()
    kinds = sorted({image.kind for image in deep})
    things = f"{' and '.join(kinds)} pictures"
    floats = all(image.kind == "floating-point" for image in deep)
    low, high = min(image.low for image in deep), max(image.high for image in deep)
    if floats and low >= 0 and high <= 1 and not is_dark(255 * high):
        return Scale()
    if floats and low >= 0 and 1 < high <= 255 and not is_dark(high):
        return Scale("0,255")
    scale = scale_of(deep, things)
    value_range = scale.range
    if len(deep) < len(images) and value_range is not None and value_range.holds_for_bytes:
        # Those of 8 bits are on the same scale, and must not become black or white by it.
        return scale_of(images, f"{things} and others")
    return scale


def are_files(pictures: "Pictures") -> bool:
    """Return whether each picture of a shard is a file of its own.

    Parameters
    ----------
    pictures : sequence of Path, bytes, Page or None
        All pictures of the shard; a sequence that is no list reads an entry when it is asked for.
    """
    return isinstance(pictures, (list, tuple))
