"""MNIST and its kin: a .npz file with x_train, y_train, x_test and y_test, or four idx files, compressed or not."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.common import (
    MAX_BYTES,
    cache_folder,
    check,
    collect,
    collect_labels,
    keras_datasets,
    max_bytes,
)
from latentlab.data.downloads import download
from latentlab.data.images import ImageSet
from latentlab.data.opening import Labels
from latentlab.errors import DataError
from latentlab.storage.npz import TooLargeError, read_npz

PREFIXES = {"train": "train", "test": "t10k"}
KINDS = {"images": "idx3", "labels": "idx1"}


@dataclass(frozen=True)
class Collection:
    """One data set of this kind.

    Attributes
    ----------
    name, title : str
        Of the cache folder, and for titles.
    class_names : tuple of str
        Ten names.
    keras : str
        Its place below the Keras cache: the .npz file or the folder of idx files.
    npz : str or None
        File name of the .npz version.
    downloads : tuple of (url, checksum)
        The files that `locate` fetches where nothing is found.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    keras: str
    npz: str | None
    downloads: tuple[tuple[str, str], ...]


def images_of(collection: Collection, options: DataOptions) -> ImageSet:
    """Return the images, (28, 28, 1) unless `options.size` is given.

    Raises
    ------
    DataError
        If the files are missing or damaged, or cannot be downloaded.
    """
    check(options)
    parts = _read(collection, options, "images")
    images = np.concatenate([parts["train"], parts["test"]])[..., np.newaxis]
    return collect(collection.title, images, _splits(parts), options)


def labels_of(collection: Collection, options: DataOptions) -> Labels:
    """Return the published labels, 0 to 9; errors as in `images_of`."""
    check(options)
    parts = _read(collection, options, "labels")
    labels = np.concatenate([parts["train"], parts["test"]])
    if labels.max() >= len(collection.class_names):
        raise DataError(
            f"{collection.title}: the label {labels.max()} is not one of 0 to 9. Fetch the files again."
        )
    return collect_labels(labels, collection.class_names, _splits(parts), options)


def locate(collection: Collection, options: DataOptions) -> Path:
    """Return the .npz file or the folder of idx files: `data_dir`, else the Keras cache, else our own, else a download."""
    if options.data_dir is not None:
        place = Path(options.data_dir).expanduser()
        found = _find(collection, place)
        if found is None:
            names = [
                *([collection.npz] if collection.npz else []),
                "train-images-idx3-ubyte(.gz) and the three others",
            ]
            raise DataError(
                f"{place} holds no {collection.title}: expected {' or '.join(names)}. Check --data-dir."
            )
        return found
    own = cache_folder(collection.name)
    return (
        _find(collection, keras_datasets() / collection.keras)
        or _find(collection, own)
        or _fetch(collection, own)
    )


def _fetch(collection: Collection, own: Path) -> Path:
    for url, checksum in collection.downloads:
        download(url, own / url.rpartition("/")[2], checksum)
    return own / collection.npz if collection.npz else own


def _find(collection: Collection, place: Path) -> Path | None:
    if place.is_file():
        return place
    for npz in (
        (place / collection.npz, place / Path(collection.keras).name) if collection.npz else ()
    ):
        if npz.is_file():
            return npz
    files = [_idx_file(place, split, kind) for split in PREFIXES for kind in KINDS]
    return place if all(files) else None


def _idx_file(folder: Path, split: str, kind: str) -> Path | None:
    stems = [f"{PREFIXES[split]}-{kind}{joint}{KINDS[kind]}-ubyte" for joint in "-."]
    candidates = (folder / (stem + ending) for stem in stems for ending in ("", ".gz"))
    return next((file for file in candidates if file.is_file()), None)


def _splits(parts: dict[str, np.ndarray]) -> np.ndarray:
    return np.repeat(list(parts), [len(part) for part in parts.values()])


def _read(collection: Collection, options: DataOptions, kind: str) -> dict[str, np.ndarray]:
    path = locate(collection, options)
    dimensions = 3 if kind == "images" else 1
    limit = max_bytes(options)
    parts = {}
    for split in PREFIXES:
        # `locate` returned a folder only if it has all four files.
        part = (
            _from_npz(path, split, kind, limit)
            if path.is_file()
            else read_idx(cast(Path, _idx_file(path, split, kind)), limit)
        )
        if kind == "images" and part.ndim == 4 and part.shape[3] == 1:
            part = part[..., 0]
        if part.ndim != dimensions or part.dtype != np.uint8 or part.size == 0:
            raise DataError(
                f"{path}: the {split} {kind} are {part.dtype} {part.shape}, not uint8 with {dimensions} axes. Fetch it again."
            )
        parts[split] = part
    if kind == "images" and parts["train"].shape[1:] != parts["test"].shape[1:]:
        raise DataError(f"{path}: train and test images differ in size. Fetch it again.")
    return parts


def _from_npz(path: Path, split: str, kind: str, limit: int) -> np.ndarray:
    key = f"{'x' if kind == 'images' else 'y'}_{split}"
    try:
        return read_npz(path, [key], limit)[key]
    except TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise --max-bytes."
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"cannot read {key} of {path}: {error}. It is no such file or damaged: fetch it again."
        ) from error


def read_idx(path: Path, limit: int = MAX_BYTES) -> np.ndarray:
    """Return the uint8 array of an idx file (two zero bytes, type 8, number of axes, lengths big-endian, data).

    Raises
    ------
    DataError
        If it is no idx file of bytes, or truncated, or longer than its header says, or than `limit` bytes.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            return _parse(cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw, limit)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise DataError(
            f"cannot read {path}: {error}. It is no idx file or damaged: fetch it again."
        ) from error


def _parse(file: IO[bytes], limit: int) -> np.ndarray:
    zero, kind, axes = struct.unpack(">HBB", file.read(4))
    if zero != 0 or kind != 8:
        raise ValueError("it has no idx header of unsigned bytes")
    shape = struct.unpack(f">{axes}I", file.read(4 * axes))
    size = int(np.prod(shape, dtype=object))
    if size > limit:
        raise ValueError(
            f"its header announces {size} bytes, more than {limit}; if you trust it, raise --max-bytes"
        )
    content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(
            f"it has {'more than' if len(content) > size else len(content)} of the {size} bytes announced"
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)
