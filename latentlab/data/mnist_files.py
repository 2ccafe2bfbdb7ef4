"""MNIST and its kin: a .npz file with x_train, y_train, x_test and y_test, or four idx files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.downloads import download
from latentlab.data.formats.idx_files import read_idx
from latentlab.data.places import cache_folder, keras_datasets
from latentlab.data.source import Shard, Source, SourceCapabilities, pixel_shards
from latentlab.data.splits import TEST, TRAIN
from latentlab.errors import DataError
from latentlab.options import NoOptions
from latentlab.storage.memory_budget import TooLargeError, allowed_bytes
from latentlab.storage.npz import read_npz

Content = Literal["images", "labels"]

_PREFIXES = {TRAIN: "train", TEST: "t10k"}
_IDX_NAMES: dict[Content, str] = {"images": "idx3", "labels": "idx1"}
_NPZ_KEYS: dict[Content, str] = {"images": "x", "labels": "y"}


@dataclass(frozen=True)
class Collection:
    """A data set of this kind.

    Attributes
    ----------
    name : str
        Name of its folder in latentlab's cache.
    title : str
        Name for titles.
    keras : str
        Its place below the Keras cache: the .npz file or the folder of idx files.
    npz : str or None
        File name of the .npz version; None if there is none.
    downloads : tuple of (url, checksum)
        The files to fetch if no place holds the data.
    """

    name: str
    title: str
    keras: str
    npz: str | None
    downloads: tuple[tuple[str, str], ...]


class MnistLike(Source):
    """Base of the sources that are such a collection."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(downloads=True)
    collection: ClassVar[Collection]

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the images, training split first; their shape is (28, 28, 1)."""
        images = read_collection(self.collection, data, "images")
        parts = [images[TRAIN][..., np.newaxis], images[TEST][..., np.newaxis]]
        yield from pixel_shards(parts, splits_of(images))

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the published name."""
        return self.collection.title


def splits_of(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Return the split of each entry.

    Parameters
    ----------
    parts : dict of str to ndarray
        Split -> its images or labels.

    Returns
    -------
    ndarray of str
        "train" or "test", in the order of the parts.
    """
    return np.repeat(list(parts), [len(part) for part in parts.values()])


def read_collection(
    collection: Collection, data: DataOptions, content: Content
) -> dict[str, np.ndarray]:
    """Read the images or the labels; the other file is not opened.

    Parameters
    ----------
    collection : Collection
        The data set.
    data : DataOptions
        `data_dir` is the place to look at, `max_bytes` the largest array.
    content : {"images", "labels"}
        Only `latentlab.scoring.labels` asks for labels.

    Returns
    -------
    dict of str to ndarray
        "train" and "test" -> uint8 of shape (n, height, width) or (n,).

    Raises
    ------
    DataError
        If the files are missing or damaged, or cannot be downloaded.
    """
    path = _locate(collection, data)
    parts = {split: _read_part(path, split, content, data.max_bytes) for split in (TRAIN, TEST)}
    if content == "images" and parts[TRAIN].shape[1:] != parts[TEST].shape[1:]:
        raise DataError(f"{path}: train and test images differ in size. Fetch it again.")
    return parts


def _read_part(path: Path, split: str, content: Content, limit: int | None) -> np.ndarray:
    if path.is_file():
        part = _from_npz(path, f"{_NPZ_KEYS[content]}_{split}", limit)
    else:
        file = _idx_file(path, split, content)
        if file is None:  # deleted since `_locate` saw it
            raise DataError(f"{path} lacks the {split} {content}. Fetch it again.")
        part = read_idx(file, limit)
    axes = 3 if content == "images" else 1
    # Keras' layout may have an axis of channels.
    if content == "images" and part.ndim == 4 and part.shape[3] == 1:
        part = part[..., 0]
    if part.ndim != axes or part.dtype != np.uint8 or part.size == 0:
        raise DataError(
            f"{path}: the {split} {content} are {part.dtype} {part.shape}, "
            f"not uint8 with {axes} axes. Fetch it again."
        )
    return part


def _from_npz(path: Path, key: str, limit: int | None) -> np.ndarray:
    try:
        return read_npz(path, [key], allowed_bytes(path, limit))[key]
    except TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise `max_bytes`."
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"cannot read {key} of {path}: {error}. It is no such file or damaged: fetch it again."
        ) from error


def _locate(collection: Collection, data: DataOptions) -> Path:
    """Return the .npz file or the folder of idx files, which is downloaded if no place holds it."""
    if data.data_dir is not None:
        return _in_data_dir(collection, Path(data.data_dir).expanduser())
    cache = cache_folder(collection.name)
    return (
        _find(collection, keras_datasets() / collection.keras)
        or _find(collection, cache)
        or _fetch(collection, cache)
    )


def _in_data_dir(collection: Collection, place: Path) -> Path:
    path = _find(collection, place)
    if path is None:
        expected = "train-images-idx3-ubyte(.gz) and the three others"
        if collection.npz:
            expected = f"{collection.npz} or {expected}"
        raise DataError(
            f"{place} holds no {collection.title}: expected {expected}. Check `data_dir`."
        )
    return path


def _fetch(collection: Collection, cache: Path) -> Path:
    for url, checksum in collection.downloads:
        download(url, cache / url.rpartition("/")[2], checksum)
    return cache / collection.npz if collection.npz else cache


def _find(collection: Collection, place: Path) -> Path | None:
    if place.is_file():
        return place
    if collection.npz:
        for name in (collection.npz, Path(collection.keras).name):
            if (place / name).is_file():
                return place / name
    files = [_idx_file(place, split, kind) for split in _PREFIXES for kind in _IDX_NAMES]
    return place if all(files) else None


def _idx_file(folder: Path, split: str, content: Content) -> Path | None:
    """Return the file by the names that are in use: with - or . in the middle, packed or not."""
    for joint in "-.":
        stem = f"{_PREFIXES[split]}-{content}{joint}{_IDX_NAMES[content]}-ubyte"
        for name in (stem, f"{stem}.gz"):
            if (folder / name).is_file():
                return folder / name
    return None
