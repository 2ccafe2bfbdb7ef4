"""Which images of a data set were added, are gone or have changed since a run was made.

    pixels.parquet    id, sha256 of the pixels of each image that was decoded at once

Picture files that are read one by one are in files.parquet.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from latentlab.data.images import ImageSet, LazyImageSet
from latentlab.storage import guard, tables

FILE_LIST = "files.parquet"
PIXEL_LIST = "pixels.parquet"
SHARD = 2048  # images in memory at a time
NAMED = 3  # images that a sentence names


@dataclass(frozen=True)
class ImageChanges:
    """Ids of the images that differ.

    Attributes
    ----------
    added : tuple of str
        Images that are there and were not.
    gone : tuple of str
        Images that were there and are not.
    changed : tuple of str
        Images whose content is another one.
    """

    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no image differs."""
        return not (self.added or self.gone or self.changed)

    @property
    def text(self) -> str:
        """The counts in words, with some of the names that are gone.

        Examples
        --------
        >>> ImageChanges(added=("c.png",), gone=("a.png", "b.png")).text
        '1 added, 2 removed (a.png, b.png), 0 changed'
        """
        names = ", ".join(self.gone[:NAMED])
        further = ", ..." if len(self.gone) > NAMED else ""
        removed = f" ({names}{further})" if self.gone else ""
        return (
            f"{len(self.added):,} added, {len(self.gone):,} removed{removed},"
            f" {len(self.changed):,} changed"
        )


def compare(
    before: Sequence[str], now: Sequence[str], digests: Mapping[str, str], images: ImageSet
) -> ImageChanges:
    """Compare the images of two times.

    Parameters
    ----------
    before, now : sequence of str
        Ids of all images then and now, those that cannot be read among them.
    digests : mapping of str to str
        Digest of each image then, as far as it is known.
    images : ImageSet
        The images that are there now.
    """
    there, known = set(now), set(before)
    digests_now = current(images)
    changed = []
    for name, digest in digests_now.items():
        if name in known and digests.get(name, digest) != digest:
            changed.append(name)
    return ImageChanges(
        added=tuple(name for name in now if name not in known),
        gone=tuple(name for name in before if name not in there),
        changed=tuple(changed),
    )


def current(images: ImageSet) -> dict[str, str]:
    """Return the digest of each image, by which a changed one is known.

    Parameters
    ----------
    images : ImageSet
        The images.

    Returns
    -------
    dict of str to str
        Of the files of pictures that are read one by one; else of the pixels. Empty for arrays
        that are read one by one.
    """
    if images.files is not None:
        return dict(zip(images.files.ids.tolist(), images.files.sha256, strict=True))
    return {} if isinstance(images, LazyImageSet) else _of_pixels(images)


def recorded(run_folder: Path) -> dict[str, str]:
    """Return the digests of a run's images; empty if an older version made the run.

    Parameters
    ----------
    run_folder : pathlib.Path
        Folder of a run.
    """
    for name in (FILE_LIST, PIXEL_LIST):
        path = run_folder / name
        if not guard.is_there(path):
            continue
        table = tables.read(path, ["id", "sha256"])
        return dict(zip(table["id"].to_pylist(), table["sha256"].to_pylist(), strict=True))
    return {}


def write_pixel_list(images: ImageSet, folder: Path) -> None:
    """Write pixels.parquet, unless the images are decoded one by one.

    Parameters
    ----------
    images : ImageSet
        The images of a run.
    folder : pathlib.Path
        The run's folder.
    """
    if isinstance(images, LazyImageSet):
        return
    digests = _of_pixels(images)
    table = pa.table({"id": list(digests), "sha256": list(digests.values())})
    tables.write(folder / PIXEL_LIST, table)


def _of_pixels(images: ImageSet) -> dict[str, str]:
    digests = {}
    for indices in images.shards(SHARD):
        names = images.ids[indices].tolist()
        for name, pixels in zip(names, images.read(indices), strict=True):
            digests[name] = hashlib.sha256(pixels.tobytes()).hexdigest()
    return digests
