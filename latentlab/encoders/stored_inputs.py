"""Images as the network takes them, stored in a run, so that it can be shown without its pictures.

    inputs/part-00000.parquet    id, split, pixels

A run with latentlab's own network stores them where its images come from files that may move or
change. Runs with another encoder store larger pictures, see `latentlab.encoders.stored_pictures`.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet
from latentlab.storage import guard, tables

FOLDER = "inputs"
MOST_IMAGES = 60_000  # as many as a map has
PARTS_IN_MEMORY = 8
FROM_FILES = b"picture_files"  # key of a part's metadata: whether each image has a file of its own


@dataclass(frozen=True)
class StoredInputs:
    """The stored images of a run.

    Attributes
    ----------
    run_folder : pathlib.Path
        The run folder.
    """

    run_folder: Path

    @property
    def are_there(self) -> bool:
        """Whether the run stores its images."""
        return bool(self._parts())

    @property
    def are_of_files(self) -> bool:
        """Whether each stored image was made of a picture file, which can be shown in its place."""
        metadata = tables.schema(self._parts()[0]).metadata or {}
        return metadata.get(FROM_FILES) == b"yes"

    @property
    def folder(self) -> Path:
        """The folder of the parts."""
        return self.run_folder / FOLDER

    def image_set(self, name: str, shape: tuple[int, int, int]) -> ImageSet:
        """Return all stored images.

        Parameters
        ----------
        name : str
            Name of the data, for titles.
        shape : tuple of int
            Height, width and channels of an image.
        """
        paths = self._parts()
        indexes = [tables.read(path, ["id", "split"]) for path in paths]
        starts = np.cumsum([0, *(len(index) for index in indexes)])
        index = pa.concat_tables(indexes)
        read_part = functools.lru_cache(PARTS_IN_MEMORY)(functools.partial(_read_part, shape=shape))

        def read(indices: np.ndarray) -> np.ndarray:
            positions = np.arange(starts[-1])[indices]
            pixels = np.empty((len(positions), *shape), np.uint8)
            part_numbers = np.searchsorted(starts, positions, side="right") - 1
            for number in np.unique(part_numbers):
                rows = np.flatnonzero(part_numbers == number)
                pixels[rows] = read_part(paths[number])[positions[rows] - starts[number]]
            return pixels

        ids, splits = index["id"].to_pylist(), index["split"].to_pylist()
        return ImageSet(
            name, np.asarray(ids, dtype=str), np.asarray(splits, dtype=str), shape, read
        )

    def _parts(self) -> list[Path]:
        guard.listing(self.folder)
        return sorted(self.folder.glob("part-*.parquet"))


def input_table(images: ImageSet, indices: np.ndarray) -> pa.Table:
    """Return some images as one part.

    Parameters
    ----------
    images : ImageSet
        The images of a run.
    indices : ndarray of int
        Positions of those that are wanted.
    """
    pixels = images.read(indices).reshape(len(indices), -1)
    rows = [row.tobytes() for row in np.ascontiguousarray(pixels)]
    table = pa.table(
        {
            "id": images.ids[indices].tolist(),
            "split": images.splits[indices].tolist(),
            "pixels": pa.array(rows, pa.binary(pixels.shape[1])),
        }
    )
    return table.replace_schema_metadata({FROM_FILES: b"yes" if images.source else b"no"})


def _read_part(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the images of one part, uint8 (m, height, width, channels)."""
    column = tables.read(path, ["pixels"])["pixels"].to_pylist()
    return np.frombuffer(b"".join(column), np.uint8).reshape(-1, *shape)
