"""Collect the shards of a source into one ImageSet: limit, decoding, one size, fingerprint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.images import ImageSet, Unreadable, check_pixels
from latentlab.data.intake import Intake
from latentlab.data.originals import Picture, PictureFiles, Pictures
from latentlab.data.pictures.decode import PictureForm, decode_all
from latentlab.data.pictures.resizing import resize_all
from latentlab.data.pixels import PixelWriter
from latentlab.data.quota import Quota
from latentlab.data.scaled_shards import ScaledShards
from latentlab.data.source import Shard, Source
from latentlab.errors import DataError


def collect(
    source: Source, data: DataOptions, options: Any, tick: Callable[[int], object] = int
) -> ImageSet:
    """Read a source.

    Parameters
    ----------
    source : Source
        Where the images come from.
    data : DataOptions
        What to open; `limit`, `size`, `resize` and `grey` are applied here.
    options : Options
        The source's own options.
    tick : callable
        Called with the number of images that have been tried.

    Returns
    -------
    ImageSet
        The images that can be read. Memory-mapped arrays stay on disk, and no more than
        `latentlab.data.pixels.MEMORY_LIMIT` bytes of other pixels are held in memory.

    Raises
    ------
    DataError
        If the data are missing or damaged, or no image can be read.
    """
    scaled = ScaledShards.of(source, data, options)
    collector = _Collector(
        name=source.title(data, options),
        intake=scaled.intake,
        data=scaled.data,
        size=data.size or source.capabilities.default_size,
        quota=Quota(data.limit),
        tick=tick,
    )
    for shard in scaled.shards:
        collector.add(shard)
        if collector.quota.is_full:
            break
    return collector.image_set()


@dataclass
class _Collector:
    """The images of the shards so far."""

    name: str
    intake: Intake
    data: DataOptions
    size: int | None
    quota: Quota
    tick: Callable[[int], object]
    n_tried: int = 0
    writer: PixelWriter = field(default_factory=PixelWriter)
    ids: list[np.ndarray] = field(default_factory=list)
    splits: list[np.ndarray] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    files: PictureFiles = field(default_factory=PictureFiles)
    has_pixels: bool = False

    def add(self, shard: Shard) -> None:
        """Add the images of a shard that the limit leaves."""
        positions = self.quota.take(shard.splits)
        if len(positions) == 0:
            return
        if shard.pictures is not None:
            positions = self._add_pictures(shard, shard.pictures, positions)
        else:
            positions = self._add_pixels(shard, positions)
            self._count(len(positions))
        self.ids.append(shard.ids[positions])
        self.splits.append(shard.splits[positions])

    def _add_pixels(self, shard: Shard, positions: np.ndarray) -> np.ndarray:
        """Add pixels and return the positions of those that are images."""
        if shard.pixels is None:
            raise DataError(f"{self.name}: a shard has neither pixels nor pictures.")
        check_pixels(self.name, shard.pixels)
        self.unreadable += unreadable_of(shard, positions)
        positions = shard.without_faults(positions)
        self.has_pixels = True
        if len(positions) == 0:
            return positions
        pixels = shard.pixels[slice_if_possible(positions)]
        if self.size is not None:
            pixels = resize_all(pixels, self.size, self.data.resize)
        self.writer.append(pixels)
        return positions

    def _add_pictures(self, shard: Shard, pictures: Pictures, positions: np.ndarray) -> np.ndarray:
        """Decode pictures and return the positions of those that can be read."""
        readable = []
        wanted = entries(pictures, positions)
        form = PictureForm.of(self.data, self.size)
        for position, pixels in zip(positions, decode_all(wanted, form), strict=True):
            if isinstance(pixels, str):
                self.unreadable.append(Unreadable(str(shard.ids[position]), pixels))
            else:
                self.writer.append_image(pixels)
                readable.append(position)
            self._count(1)
        rows = np.array(readable, dtype=np.int64)
        self.files.add(pictures, rows)
        return rows

    def _count(self, n_images: int) -> None:
        self.n_tried += n_images
        self.tick(self.n_tried)

    def image_set(self) -> ImageSet:
        """Return all images."""
        ids = np.concatenate([np.empty(0, "U1"), *self.ids])
        if len(ids) == 0:
            raise DataError(self._nothing())
        pixels = self.writer.finish()
        return ImageSet(
            name=self.name,
            ids=ids,
            splits=np.concatenate(self.splits),
            image_shape=pixels.image_shape,
            read=pixels.read,
            fingerprint=pixels.fingerprint(),
            unreadable=tuple(self.unreadable),
            source=None if self.has_pixels else self.files.picture,
            source_intake=replace(self.intake, is_limited=self.quota.is_cut),
            value_range=self.data.value_range,
        )

    def _nothing(self) -> str:
        if not self.unreadable:
            return f"{self.name}: no readable image was found."
        first = self.unreadable[0]
        return (
            f"{self.name}: none of the {len(self.unreadable)} images can be read; "
            f"the first, {first.path}: {first.reason}."
        )


def unreadable_of(shard: Shard, positions: np.ndarray) -> list[Unreadable]:
    """Return the images of a shard of pixels that are none.

    Parameters
    ----------
    shard : Shard
        The shard.
    positions : ndarray of int
        Those of its images that are wanted.
    """
    faults = [position for position in positions.tolist() if position in shard.faults]
    return [Unreadable(str(shard.ids[each]), shard.faults[each]) for each in faults]


def slice_if_possible(positions: np.ndarray) -> np.ndarray | slice:
    """Return consecutive positions as a slice, which makes a view instead of a copy.

    Parameters
    ----------
    positions : ndarray of int
        Positions, ascending; at least one.
    """
    first, last = int(positions[0]), int(positions[-1])
    if last - first + 1 == len(positions):
        return slice(first, last + 1)
    return positions


def entries(pictures: Pictures, positions: np.ndarray) -> Iterator[Picture | None]:
    """Yield some entries in order; by iteration, which is cheaper than access for many sources.

    Parameters
    ----------
    pictures : sequence of Path, bytes, Page or None
        All pictures of a shard.
    positions : ndarray of int
        Those that are wanted, ascending.
    """
    if len(positions) == len(pictures):
        yield from pictures
        return
    wanted = set(positions.tolist())
    for position, picture in enumerate(pictures):
        if position in wanted:
            yield picture
            wanted.remove(position)
        if not wanted:
            return
