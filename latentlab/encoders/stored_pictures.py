"""The pictures that a run stores by itself, so that it can be shown without its originals.

    pictures/part-00000.parquet    id, split, thumbnail, small, width, height

A thumbnail is a WebP of the whole picture, its longer side at most 192 pixels; of the images of the
map only, where there are more than those. "small" holds the 32x32x3 numbers of every image, which
the baselines cluster. Width and height are those of the original, upright.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet
from latentlab.encoders.stored_parts import PARTS_IN_MEMORY, image_set, part_paths
from latentlab.errors import RunError
from latentlab.storage import tables

FOLDER = "pictures"
SIDE = 192  # pixels of a thumbnail's longer side
SMALL_SHAPE = (32, 32, 3)
NUMBERS = 32 * 32 * 3


@dataclass(frozen=True)
class StoredPictures:
    """The stored pictures of a run.

    Attributes
    ----------
    run_folder : pathlib.Path
        The run folder.
    """

    run_folder: Path

    @property
    def are_there(self) -> bool:
        """Whether the run stores pictures."""
        return bool(self._parts())

    def part_path(self, number: int) -> Path:
        """Return the path of the part `number`."""
        return self._folder / f"part-{number:05d}.parquet"

    def write_part(self, number: int, table: pa.Table) -> Path:
        """Write one part and return its path.

        Parameters
        ----------
        number : int
            Number of the part.
        table : pyarrow.Table
            From `picture_table`.
        """
        return tables.write(self.part_path(number), table)

    def shown(self, name: str) -> ImageSet:
        """Return all images as thumbnails on white squares of 192 pixels.

        An image without a thumbnail is its 32 pixels, enlarged.

        Parameters
        ----------
        name : str
            Name of the data, for titles.
        """
        return self._image_set(name, (SIDE, SIDE, 3), _on_square)

    def small(self, name: str) -> ImageSet:
        """Return all images with 32x32 pixels in three channels.

        Parameters
        ----------
        name : str
            Name of the data, for titles.
        """
        return self._image_set(name, SMALL_SHAPE, _small_pixels)

    def thumbnails(self) -> "StoredThumbnails":
        """Return the thumbnails as they are stored, in their own shapes."""
        return StoredThumbnails(self._parts())

    def sizes(self) -> np.ndarray | None:
        """Return width and height of each original, int64 (n, 2); None if they are not stored."""
        paths = self._parts()
        if not paths or any("width" not in tables.schema(path).names for path in paths):
            return None
        table = pa.concat_tables([tables.read(path, ["width", "height"]) for path in paths])
        return np.column_stack([table["width"], table["height"]]).astype(np.int64)

    def _parts(self) -> list[Path]:
        return part_paths(self._folder)

    @property
    def _folder(self) -> Path:
        return self.run_folder / FOLDER

    def _image_set(self, name: str, shape: tuple[int, int, int], convert: "_Convert") -> ImageSet:
        paths = self._parts()
        if not paths:
            raise RunError(
                f"{self._folder} holds no pictures.",
                hint=f"Make them with: `embed(run={str(self.run_folder)!r})`",
            )
        return image_set(name, paths, shape, _read_part, convert)


class StoredThumbnails:
    """The thumbnails of a run by the positions of their images; a few parts stay in memory.

    Parameters
    ----------
    paths : list of pathlib.Path
        The parts.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._part = functools.lru_cache(PARTS_IN_MEMORY)(_read_part)

    def read(self, position: int) -> bytes | None:
        """Return one thumbnail as a WebP file; None for an image without one.

        Parameters
        ----------
        position : int
            Position of the image in the run, at least 0.

        Raises
        ------
        RunError
            If a part is damaged.
        """
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        part = self._part(self._paths[number])
        content: bytes | None = part.thumbs[position - int(self._starts[number])].as_py()
        return content

    @functools.cached_property
    def _starts(self) -> np.ndarray:
        """Position of the first image of each part, and the number of all images."""
        counts = [len(tables.read(path, ["split"])) for path in self._paths]
        return np.cumsum([0, *counts])


def picture_table(
    ids: np.ndarray,
    splits: np.ndarray,
    thumbs: list[bytes | None],
    small: np.ndarray,
    sizes: np.ndarray,
) -> pa.Table:
    """Return one part as a table.

    Parameters
    ----------
    ids, splits : ndarray of shape (m,), str
        Of the images.
    thumbs : list of bytes or None
        WebP files; None for an image without one.
    small : ndarray of shape (m, 32, 32, 3), uint8
        The pixels.
    sizes : ndarray of shape (m, 2), int
        Width and height of each original in pixels.
    """
    numbers = np.ascontiguousarray(small, dtype=np.uint8).reshape(-1, NUMBERS)
    return pa.table(
        {
            "id": ids.tolist(),
            "split": splits.tolist(),
            "thumbnail": pa.array(thumbs, pa.binary()),
            "small": pa.array([row.tobytes() for row in numbers], pa.binary(numbers.shape[1])),
            "width": pa.array(sizes[:, 0], pa.int32()),
            "height": pa.array(sizes[:, 1], pa.int32()),
        }
    )


@dataclass(frozen=True)
class _Part:
    """Columns of one part."""

    thumbs: pa.ChunkedArray
    small: pa.ChunkedArray


def _read_part(path: Path) -> _Part:
    table = tables.read(path, ["thumbnail", "small"])
    return _Part(table["thumbnail"], table["small"])


_Convert = Callable[[_Part, int], np.ndarray]


def _small_pixels(part: _Part, row: int) -> np.ndarray:
    return np.frombuffer(part.small[row].as_py(), np.uint8).reshape(SMALL_SHAPE)


def _on_square(part: _Part, row: int) -> np.ndarray:
    thumb = part.thumbs[row].as_py()
    if thumb is None:
        return np.kron(_small_pixels(part, row), np.ones((SIDE // 32, SIDE // 32, 1), np.uint8))
    from latentlab.data.pictures import thumbnails

    return thumbnails.on_square(thumb, SIDE)
