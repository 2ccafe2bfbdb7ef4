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
from latentlab.encoders.stored_parts import image_set, part_paths
from latentlab.storage import tables

FOLDER = "inputs"
MOST_IMAGES = 60_000  # as many as a map has
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
        read_part = functools.partial(_read_part, shape=shape)
        return image_set(name, self._parts(), shape, read_part, _image_of)

    def _parts(self) -> list[Path]:
        return part_paths(self.folder)


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


def _image_of(images: np.ndarray, row: int) -> np.ndarray:
    return np.asarray(images[row])
