"""Images in NumPy files: `.npy` (n, height, width[, channels]) or `.npz`.

An .npz holds x_train and x_test (with y_train, y_test as held-out labels), or x, images or arr_0 (with y or labels).
Values are uint8; or floating-point in [0, 1], which are multiplied by 255; or any other numbers in [0, 255]. One split
is held out at random where the file has none. A .npy file is memory-mapped. Pickled objects are refused.
"""

from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data import common
from latentlab.data.images import TEST, TRAIN, ImageSet, held_out_splits
from latentlab.data.opening import Labels
from latentlab.errors import DataError
from latentlab.storage import npz

IMAGE_KEYS = ("x", "images", "arr_0")
LABEL_KEYS = ("y", "labels")


def open_images(options: DataOptions) -> ImageSet:
    """Open the file that `options.data` names.

    Raises
    ------
    DataError
        If it cannot be read, or holds no images.
    """
    path = common.source_path(options, "arrays")
    parts, splits = _images(path, options)
    accepted = [_as_images(path, part) for part in parts if len(part)] or [
        _as_images(path, parts[0])
    ]
    if len({part.shape[1:] for part in accepted}) > 1:
        raise DataError(
            f"{path}: the images of x_train and x_test differ in shape: {', '.join(str(part.shape) for part in parts)}."
        )
    images = np.concatenate(accepted) if len(accepted) > 1 else accepted[0]
    return common.collect(path.name, images, splits, options)


def read_labels(options: DataOptions) -> Labels | None:
    """Read y_train and y_test, y or labels; None where there are none."""
    path = common.source_path(options, "arrays")
    splits = _images(path, options)[1]
    arrays = _load(path, options)
    if isinstance(arrays, np.ndarray):
        return None
    parts = [_labels_of(path, arrays, image, label) for image, label in _pairs(arrays)]
    if all(part is None for part in parts):
        return None
    values = [
        value
        for part, (image, _) in zip(parts, _pairs(arrays), strict=True)
        for value in (part or [None] * len(arrays[image]))
    ]
    labels, names = common.encode_labels(values)
    return common.collect_labels(labels, names, splits, options)


def _pairs(arrays: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """Return the names of the image arrays that are used, each with the name of its labels."""
    if "x_train" in arrays:
        return [(f"x_{split}", f"y_{split}") for split in (TRAIN, TEST) if f"x_{split}" in arrays]
    label = next((key for key in LABEL_KEYS if key in arrays), "")
    return [(key, label) for key in IMAGE_KEYS if key in arrays][:1]


def _labels_of(path: Path, arrays: dict[str, np.ndarray], image: str, label: str) -> list | None:
    """Return the labels of one array of images, or None where there are none; their number has to be that of the images."""
    if label not in arrays:
        return None
    found = arrays[label].reshape(-1)
    if len(found) != len(arrays[image]):
        raise DataError(
            f"{path}: {len(found)} labels for {len(arrays[image])} images ({label} and {image}). Give one label an image."
        )
    return found.tolist()


def _images(path: Path, options: DataOptions) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the image arrays and the split of each image."""
    loaded = _load(path, options)
    if isinstance(loaded, np.ndarray):
        if not loaded.ndim:
            raise DataError(
                f"{path}: expected images of shape (n, height, width) or (n, height, width, channels), got a single number."
            )
        return [loaded], held_out_splits(len(loaded), options.held_out)
    if "x_train" in loaded:
        parts = [loaded["x_train"], *([loaded["x_test"]] if "x_test" in loaded else [])]
        if not all(part.ndim for part in parts):
            raise DataError(f"{path}: x_train and x_test must be arrays of images.")
        if len(parts) == 2:
            return parts, np.array([TRAIN] * len(parts[0]) + [TEST] * len(parts[1]))
    else:
        parts = [loaded[key] for key in IMAGE_KEYS if key in loaded][:1]
    if not parts or not parts[0].ndim:
        raise DataError(
            f"{path} holds {', '.join(loaded) or 'nothing'}: expected x_train and x_test, or one of {', '.join(IMAGE_KEYS)}."
        )
    return parts, held_out_splits(len(parts[0]), options.held_out)


def _load(path: Path, options: DataOptions) -> np.ndarray | dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"PK"
        return npz.read_npz(path, limit=common.max_bytes(options)) if packed else npz.open_npy(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Check the path given to --data.") from None
    except npz.TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise --max-bytes."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as NumPy arrays ({' '.join(str(error).split())}). Save it again with numpy.save."
        ) from error


def _as_images(path: Path, array: np.ndarray) -> np.ndarray:
    """Return any accepted array as uint8 (n, height, width, channels)."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.size == 0:
        raise DataError(
            f"{path}: expected images of shape (n, height, width) or (n, height, width, channels), got {array.shape}."
        )
    if array.shape[3] not in (1, 3):
        if array.shape[1] in (1, 3):
            array = np.moveaxis(array, 1, 3)  # (n, channels, height, width), as PyTorch saves them
        else:
            raise DataError(
                f"{path}: images need 1 or 3 channels in the last axis, got shape {array.shape}."
            )
    return array if array.dtype == np.uint8 else _scaled(path, array)


def _scaled(path: Path, array: np.ndarray) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise DataError(f"{path}: images must be numbers, not {array.dtype}.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{path}: the images hold values that are not finite. Replace them first.")
    if low < 0 or high > 255:
        raise DataError(
            f"{path}: values must lie in [0, 1] or [0, 255], not in [{low:g}, {high:g}]. Scale them first."
        )
    factor = 255.0 if np.issubdtype(array.dtype, np.floating) and high <= 1 else 1.0
    result = common.allocate(array.shape)
    for start in range(0, len(array), 1024):
        result[start : start + 1024] = np.rint(array[start : start + 1024] * factor)
    return result
