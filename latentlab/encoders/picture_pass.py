"""The pass that embeds with a pretrained encoder: every picture is decoded once.

    embeddings/part-00000.parquet   id, split, embedding
    pictures/part-00000.parquet     see `latentlab.encoders.stored_pictures`

Images are decoded while the network works on those before them. A part holds the images of one
shard that can be read; its metadata say which were listed and why some cannot be read, so that a
pass that was killed goes on behind the last complete part.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from latentlab.data.images import ImageSet, Unreadable
from latentlab.encoders.pretrained.card import PretrainedEncoder
from latentlab.encoders.stored_pictures import StoredPictures, picture_table
from latentlab.errors import DataError
from latentlab.progress import track
from latentlab.storage import guard, tables

if TYPE_CHECKING:
    from latentlab.data.pictures.picture_pass import PictureShard

MOST_IN_PART = 256  # images; the first part is decoded before the network begins
FEWEST_IN_PART = 64
BYTES_IN_PART = 128 << 20  # of pixels in memory
LISTED = b"listed_sha256"
UNREADABLE = b"unreadable"


@dataclass(frozen=True)
class PassResult:
    """What a pass came to.

    Attributes
    ----------
    files : tuple of pathlib.Path
        All files of the run that it has written, now or before it was killed.
    unreadable : tuple of Unreadable
        The images that cannot be read.
    """

    files: tuple[Path, ...]
    unreadable: tuple[Unreadable, ...]


def part_size(image_shape: tuple[int, int, int]) -> int:
    """Return the number of images of one part.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels of an image.

    Examples
    --------
    >>> part_size((224, 224, 3)), part_size((32, 32, 3))
    (256, 256)
    """
    size = BYTES_IN_PART // int(np.prod(image_shape))
    return min(max(size, FEWEST_IN_PART), MOST_IN_PART)


def embed_pictures(
    encoder: PretrainedEncoder,
    images: ImageSet,
    run_folder: Path,
    with_thumbnail: np.ndarray,
    may_be_empty: bool = False,
) -> PassResult:
    """Embed all images of a run and store their pictures; complete parts stay.

    Parameters
    ----------
    encoder : PretrainedEncoder
        Turns pixels into vectors.
    images : ImageSet
        Images of the encoder's size, opened lazily.
    run_folder : pathlib.Path
        The run folder.
    with_thumbnail : ndarray of shape (n,), bool
        The images that get a thumbnail.
    may_be_empty : bool
        Go on if not one image can be read.

    Raises
    ------
    DataError
        If not one image can be read, unless it may be so.
    """
    nothing = np.zeros((0, encoder.card.feature_size), np.float32)

    def embed(shard: "PictureShard") -> np.ndarray:
        return encoder.encode(shard.pixels) if len(shard.readable) else nothing

    return _Pass(embed, images, run_folder, with_thumbnail).run(may_be_empty)


def store_vectors(
    vectors: np.ndarray, images: ImageSet, run_folder: Path, with_thumbnail: np.ndarray
) -> PassResult:
    """Store vectors that are there already, and the pictures of their images.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        A vector for each image.
    images : ImageSet
        Images opened lazily.
    run_folder : pathlib.Path
        The run folder.
    with_thumbnail : ndarray of shape (n,), bool
        The images that get a thumbnail.

    Raises
    ------
    DataError
        If not one image can be read.
    """
    return _Pass(lambda shard: vectors[shard.readable], images, run_folder, with_thumbnail).run()


class _Pass:
    """One pass over the images of a run."""

    def __init__(
        self,
        embed: "Callable[[PictureShard], np.ndarray]",
        images: ImageSet,
        run_folder: Path,
        with_thumbnail: np.ndarray,
    ) -> None:
        self._embed = embed
        self._images = images
        self._folder = run_folder / "embeddings"
        self._pictures = StoredPictures(run_folder)
        self._with_thumbnail = with_thumbnail
        self._size = part_size(images.image_shape)
        self._files: list[Path] = []
        self._unreadable: list[Unreadable] = []

    def run(self, may_be_empty: bool = False) -> PassResult:
        """Write every part that is not complete."""
        complete = self._complete_parts()
        shards = self._images.pictures(self._size, self._with_thumbnail, skip=complete)
        with track("embed", len(self._images)) as bar:
            for shard in shards:
                self._write(shard)
                bar.update(int(shard.positions[-1]) + 1)
        self._remove_others()
        if len(self._unreadable) == len(self._images) and not may_be_empty:
            first = self._unreadable[0]
            raise DataError(
                f"{self._images.name}: none of the {len(self._images)} images can be read; "
                f"the first, {first.path}: {first.reason}."
            )
        return PassResult(tuple(sorted(self._files)), tuple(self._unreadable))

    def _complete_parts(self) -> set[int]:
        """Return the numbers of the parts that an earlier pass has written."""
        complete = set()
        for number, positions in enumerate(self._images.shards(self._size)):
            path = self._part_path(number)
            unreadable = _unreadable_of(path, _listed(self._images, positions))
            if unreadable is None or not self._pictures.part_path(number).exists():
                continue
            complete.add(number)
            self._unreadable += unreadable
            self._files += [path, self._pictures.part_path(number)]
        return complete

    def _write(self, shard: "PictureShard") -> None:
        ids = self._images.ids[shard.readable]
        splits = self._images.splits[shard.readable]
        # The vectors come last: a part whose vectors are there is complete.
        pictures = picture_table(ids, splits, shard.thumbnails, shard.small, shard.sizes)
        picture_path = self._pictures.write_part(shard.number, pictures)
        table = pa.table(
            {
                "id": ids.tolist(),
                "split": splits.tolist(),
                "embedding": tables.vectors(self._embed(shard)),
            }
        )
        listed = _listed(self._images, shard.positions)
        path = self._part_path(shard.number)
        tables.write(path, table.replace_schema_metadata(_metadata(listed, shard.unreadable)))
        self._files += [path, picture_path]
        self._unreadable += shard.unreadable

    def _remove_others(self) -> None:
        """Remove the parts of a pass over other images, as `update` leaves them."""
        for folder in (self._folder, self._pictures.part_path(0).parent):
            for path in set(folder.glob("part-*.parquet")) - set(self._files):
                guard.writing(path)
                path.unlink()

    def _part_path(self, number: int) -> Path:
        return self._folder / f"part-{number:05d}.parquet"


def _listed(images: ImageSet, positions: np.ndarray) -> str:
    """Return the digest of the images' names at some positions and of the whole set."""
    digest = hashlib.sha256(images.fingerprint.encode())
    for name in images.ids[positions].tolist():
        digest.update(name.encode() + b"\0")
    return digest.hexdigest()


def _metadata(listed: str, unreadable: list[Unreadable]) -> dict[bytes, bytes]:
    reasons = [[each.path, each.reason] for each in unreadable]
    return {LISTED: listed.encode(), UNREADABLE: json.dumps(reasons).encode()}


def _unreadable_of(path: Path, listed: str) -> list[Unreadable] | None:
    """Return the unreadable images of a complete part; None if it is not there or another one."""
    if not path.exists():
        return None
    try:
        metadata = tables.schema(path).metadata or {}
        if metadata.get(LISTED, b"").decode() != listed:
            return None
        return [Unreadable(name, reason) for name, reason in json.loads(metadata[UNREADABLE])]
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
