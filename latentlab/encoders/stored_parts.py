"""Images that a run stores in parts, read when they are asked for."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet
from latentlab.storage import guard, tables

PARTS_IN_MEMORY = 8
Part = TypeVar("Part")


def part_paths(folder: Path) -> list[Path]:
    """Return the parts in a folder of a run, in order.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; it need not exist.

    Raises
    ------
    RunError
        If a part is missing that the run records.
    """
    guard.listing(folder)
    return sorted(folder.glob("part-*.parquet"))


def image_set(
    name: str,
    paths: list[Path],
    shape: tuple[int, int, int],
    read_part: Callable[[Path], Part],
    pixels_of: Callable[[Part, int], np.ndarray],
) -> ImageSet:
    """Return the images of all parts.

    Parameters
    ----------
    name : str
        Name of the data, for titles.
    paths : list of pathlib.Path
        The parts, with the columns id and split.
    shape : tuple of int
        Height, width and channels of an image.
    read_part : callable
        read_part(path) -> what a part holds of the pixels; a few parts stay in memory.
    pixels_of : callable
        pixels_of(part, row) -> uint8 pixels of one image.

    Raises
    ------
    RunError
        If a part is damaged.
    """
    indexes = [tables.read(path, ["id", "split"]) for path in paths]
    starts = np.cumsum([0, *(len(index) for index in indexes)])
    index = pa.concat_tables(indexes)
    part_of = functools.lru_cache(PARTS_IN_MEMORY)(read_part)

    def read(indices: np.ndarray) -> np.ndarray:
        positions = np.arange(starts[-1])[indices]
        pixels = np.empty((len(positions), *shape), np.uint8)
        part_numbers = np.searchsorted(starts, positions, side="right") - 1
        for number in np.unique(part_numbers):
            part = part_of(paths[number])
            for row in np.flatnonzero(part_numbers == number):
                pixels[row] = pixels_of(part, int(positions[row] - starts[number]))
        return pixels

    return ImageSet(
        name=name,
        ids=np.asarray(index["id"].to_pylist(), dtype=str),
        splits=np.asarray(index["split"].to_pylist(), dtype=str),
        image_shape=shape,
        read=read,
    )
