"""Go through all pictures once, a shard at a time, while the next shard is decoded in threads."""

import functools
import itertools
import threading
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from latentlab.data.originals import Original, Originals
from latentlab.data.pictures.decode import PictureForm, chunks, pillow_limits_off, thread_count
from latentlab.data.pictures.picture_decoding import SMALL_SIZE, decode_picture, decode_pixels

UNREADABLE = "unreadable"  # status of images that were tried


@dataclass(frozen=True)
class Unreadable:
    """An image that is left out: it could not be read, or there is no vector for it.

    Attributes
    ----------
    path : str
        Its id: where it is.
    reason : str
        Why it is left out.
    status : str
        Its status in images.parquet.
    """

    path: str
    reason: str
    status: str = UNREADABLE

    @property
    def was_tried(self) -> bool:
        """Whether it is the picture itself that is at fault."""
        return self.status == UNREADABLE


@dataclass(frozen=True)
class PictureShard:
    """Consecutive pictures, decoded; those that cannot be read are left out.

    Attributes
    ----------
    number : int
        Number of the shard, from 0.
    positions : ndarray of shape (n,), int64
        Positions of all images of the shard.
    readable : ndarray of shape (m,), int64
        Positions of the images that can be read; what follows is of these.
    pixels : ndarray of shape (m, size, size, channels), uint8
        In the form of the image set.
    small : ndarray of shape (m, 32, 32, 3), uint8
        The same form at 32x32 pixels.
    thumbnails : list of bytes or None, of length m
        WebP files; None where none was wanted.
    sizes : ndarray of shape (m, 2), int64
        Width and height of the upright pictures in pixels.
    unreadable : list of Unreadable
        The others.
    """

    number: int
    positions: np.ndarray
    readable: np.ndarray
    pixels: np.ndarray
    small: np.ndarray
    thumbnails: list[bytes | None]
    sizes: np.ndarray
    unreadable: list[Unreadable]


@dataclass(frozen=True)
class PicturePass:
    """What to decode.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Ids of the images.
    originals : Originals
        The images.
    form : PictureForm
        Form of the pixels.
    with_thumbnails : ndarray of shape (n,), bool
        Which images get a thumbnail.
    """

    ids: np.ndarray
    originals: Originals
    form: PictureForm
    with_thumbnails: np.ndarray

    def shards(self, shard_size: int, skip: Container[int] = ()) -> Iterator[PictureShard]:
        """Yield all pictures; the next shard is decoded while the caller works on this one.

        At most two shards of pixels are in memory, beside what the caller keeps. No thread is left
        when the iterator is closed or has raised an exception.

        Parameters
        ----------
        shard_size : int
            Images of a shard; the last one may have fewer.
        skip : container of int
            Numbers of shards to leave out.

        Yields
        ------
        PictureShard
            In order.
        """
        stop = threading.Event()
        with (
            pillow_limits_off(),
            ThreadPoolExecutor(thread_count(), "pictures") as pool,
            ThreadPoolExecutor(1, "shards") as ahead,
        ):
            load = functools.partial(self._load, shard_size=shard_size, pool=pool, stop=stop)
            numbers = (n for n in range(-(-len(self.ids) // shard_size)) if n not in skip)
            try:
                waiting = None
                for number in numbers:
                    following = ahead.submit(load, number)
                    if waiting is not None:
                        yield waiting.result()
                    waiting = following
                if waiting is not None:
                    yield waiting.result()
            finally:
                stop.set()

    def _load(
        self, number: int, shard_size: int, pool: ThreadPoolExecutor, stop: threading.Event
    ) -> PictureShard:
        end = min((number + 1) * shard_size, len(self.ids))
        positions = np.arange(number * shard_size, end)
        buffer = _ShardBuffer(self.form, len(positions), stop)
        first = 0
        entries = itertools.takewhile(
            lambda _: not stop.is_set(), self.originals.entries(positions)
        )
        for chunk in chunks(entries):
            rows = range(first, first + len(chunk))
            wanted = self.with_thumbnails[positions[rows.start : rows.stop]].tolist()
            list(pool.map(buffer.fill, rows, chunk, wanted))
            first = rows.stop
        return buffer.shard(number, positions, self.ids[positions])


class _ShardBuffer:
    """Room for the pictures of a shard, filled by threads, each its own row."""

    def __init__(self, form: PictureForm, count: int, stop: threading.Event) -> None:
        self._form = form
        self._stop = stop
        self._pixels = np.empty((count, form.size, form.size, form.channels), np.uint8)
        self._small = np.empty((count, SMALL_SIZE, SMALL_SIZE, 3), np.uint8)
        self._thumbnails: list[bytes | None] = [None] * count
        self._sizes = np.zeros((count, 2), np.int64)
        self._reasons = [""] * count

    def fill(self, row: int, original: Original, with_thumbnail: bool) -> None:
        """Decode one picture, unless nobody waits for it any more."""
        if self._stop.is_set():
            return
        picture = decode_picture(original, self._form, with_thumbnail)
        if isinstance(picture, str):
            self._reasons[row] = picture
            return
        self._pixels[row] = picture.pixels
        self._small[row] = picture.small
        self._thumbnails[row] = picture.thumbnail
        self._sizes[row] = picture.width, picture.height

    def shard(self, number: int, positions: np.ndarray, ids: np.ndarray) -> PictureShard:
        """Return what can be read, and the reasons for the rest."""
        is_readable = np.array([not reason for reason in self._reasons], dtype=bool)
        rows = np.flatnonzero(is_readable)
        chosen = slice(None) if len(rows) == len(positions) else rows  # a slice copies nothing
        return PictureShard(
            number=number,
            positions=positions,
            readable=positions[chosen],
            pixels=self._pixels[chosen],
            small=self._small[chosen],
            thumbnails=[self._thumbnails[row] for row in rows],
            sizes=self._sizes[chosen],
            unreadable=[
                Unreadable(str(ids[row]), self._reasons[row])
                for row in np.flatnonzero(~is_readable)
            ],
        )


def read_each(
    originals: Originals, form: PictureForm, positions: np.ndarray
) -> Iterator[np.ndarray | str]:
    """Yield the pixels of some images, decoded in threads.

    Parameters
    ----------
    originals : Originals
        The images.
    form : PictureForm
        Form of the pixels.
    positions : ndarray of int
        Positions from 0.

    Yields
    ------
    ndarray of shape (size, size, channels), uint8, or str
        Pixels as the picture pass gives them, or the reason why there are none.
    """
    decode_one = functools.partial(decode_pixels, form=form)
    with pillow_limits_off(), ThreadPoolExecutor(thread_count()) as pool:
        for chunk in chunks(originals.entries(positions)):
            yield from pool.map(decode_one, chunk)
