"""What several sources share: where files are looked for, `limit`, `size`, ids, labels and large arrays."""

import numbers
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.images import RESIZE_RULES, ImageSet, from_array, numbered_ids, resize
from latentlab.data.opening import Labels
from latentlab.errors import ConfigError, DataError

MEMORY_LIMIT = 2 << 30  # bytes; larger image arrays go to a temporary file that is memory-mapped
MAX_PIXELS = 89_478_485  # of one picture; Pillow's own limit
MAX_BYTES = 2 << 30  # of one file's contents in memory
DEFAULT_SIZE = 32  # pixels, for sources whose images have no common size of their own


def check(options: DataOptions) -> None:
    """Refuse a size, resize rule or limit that no source can use.

    Raises
    ------
    ConfigError
        With the flag and what it may be.
    """
    if options.size is not None and options.size < 1:
        raise ConfigError(f"--size must be at least 1 pixel, not {options.size}.")
    if options.limit is not None and options.limit < 1:
        raise ConfigError(f"--limit must be at least 1 image, not {options.limit}.")
    for name in ("max_pixels", "max_bytes"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, not {value}.")
    if options.resize not in RESIZE_RULES:
        raise ConfigError(
            f"unknown resize rule {options.resize!r}: known are {', '.join(RESIZE_RULES)}."
        )


def max_bytes(options: DataOptions) -> int:
    """Return how many bytes of one file's contents may be held in memory."""
    return options.max_bytes or MAX_BYTES


def source_path(options: DataOptions, source: str) -> Path:
    """Return the path that `options.data` is, or `options.data_dir` where `options.data` names the source itself.

    Raises
    ------
    ConfigError
        If the source is named without a data_dir.
    """
    if options.data != source:
        return Path(options.data).expanduser()
    if options.data_dir is None:
        raise ConfigError(
            f"--data {source} needs a place: give its path to --data, or add --data-dir."
        )
    return Path(options.data_dir).expanduser()


def keras_datasets() -> Path:
    """Return the folder in which Keras keeps downloaded data ($KERAS_HOME/datasets or ~/.keras/datasets)."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def cache_folder(*parts: str) -> Path:
    """Return a folder of latentlab's own cache; it is not created."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("latentlab"), *parts)


def first_of_each(splits: np.ndarray, limit: int | None) -> np.ndarray:
    """Return the positions (int64, ascending) of the first `limit` entries of each split; all without a limit."""
    if limit is None:
        return np.arange(len(splits))
    return np.sort(
        np.concatenate([np.flatnonzero(splits == split)[:limit] for split in np.unique(splits)])
    )


def allocate(shape: tuple[int, int, int, int]) -> np.ndarray:
    """Return a writable uint8 array of `shape`, in memory below `MEMORY_LIMIT` and in a temporary file from there on.

    The file has no name (or is deleted when closed), so that nothing is left behind by a kill.

    Raises
    ------
    DataError
        If the disk has no room or cannot be written.
    """
    if np.prod(shape, dtype=np.int64) < MEMORY_LIMIT:
        return np.empty(shape, dtype=np.uint8)
    folder = cache_folder("decoded")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)
    except OSError as error:
        raise DataError(
            f"cannot hold the images in {folder}: {error.strerror or error}. Free the disk or use --limit."
        ) from error


def collect(name: str, images: np.ndarray, splits: np.ndarray, options: DataOptions) -> ImageSet:
    """Make an ImageSet of uint8 images (n, height, width, channels), after `options.limit` and `options.size`."""
    check(options)
    keep = first_of_each(splits, options.limit)
    if len(keep) < len(images):
        images, splits = images[keep], splits[keep]
    return from_array(name, resize_all(images, options.size, options.resize), splits)


def resize_all(images: np.ndarray, size: int | None, rule: str) -> np.ndarray:
    """Return images (n, height, width, channels) as (n, size, size, channels); as they are where that changes nothing."""
    count, height, width, channels = images.shape
    if size is None or (height, width) == (size, size):
        return images
    from PIL import Image

    result = allocate((count, size, size, channels))
    for position, image in enumerate(images):
        result[position] = resize(
            Image.fromarray(image.squeeze(2) if channels == 1 else image), size, rule, channels
        )
    return result


def collect_labels(
    labels: np.ndarray,
    class_names: Sequence[str],
    splits: np.ndarray,
    options: DataOptions,
    ids: np.ndarray | None = None,
) -> Labels:
    """Make Labels of the class numbers (n,) of all images, after `options.limit`; default ids as `collect` gives."""
    check(options)
    keep = first_of_each(splits, options.limit)
    if len(labels) != len(splits):
        raise DataError(
            f"there are {len(labels)} labels for {len(splits)} images. Give one label an image."
        )
    ids = numbered_ids(splits) if ids is None else np.asarray(ids, dtype=str)
    return Labels(
        ids=ids[keep],
        labels=np.asarray(labels, dtype=np.int32)[keep],
        class_names=tuple(class_names),
    )


def encode_labels(values: Sequence[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class numbers (n,), int32, and class names of integer or string values.

    The classes are the distinct values in order (numbers as numbers); None, "", NaN and negative numbers have no class (-1).

    Raises
    ------
    DataError
        If they are neither all numbers nor all text.
    """
    kinds = {
        bool
        if isinstance(value, bool)
        else str
        if isinstance(value, str)
        else numbers.Real
        if isinstance(value, numbers.Real)
        else type(value)
        for value in values
        if value is not None
    }
    if len(kinds) > 1 or not kinds <= {bool, str, numbers.Real}:
        raise DataError(
            f"labels must be all numbers or all text, not {' and '.join(sorted(kind.__name__ for kind in kinds))}."
        )
    present = sorted({value for value in values if not _missing(value)})
    number = {value: index for index, value in enumerate(present)}
    encoded = [number.get(value, -1) for value in values]
    return np.array(encoded, dtype=np.int32), tuple(str(value) for value in present)


def _missing(value: Any) -> bool:
    return (
        value is None or value == "" or (not isinstance(value, str) and not value >= 0)
    )  # NaN is not at least 0
