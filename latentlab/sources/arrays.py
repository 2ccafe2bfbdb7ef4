"""Images in NumPy files: `.npy` (n, height, width[, channels]) or `.npz`.

An .npz holds x_train and x_test (with y_train, y_test as held-out labels), or x, images or arr_0 (with y or labels).
Values are uint8; or floating-point in [0, 1], which are multiplied by 255; or any other numbers in [0, 255]. One split
is held out at random where the file has none. A .npy file is memory-mapped. Pickled objects are refused.
"""

from pathlib import Path

import numpy as np

from latentlab.errors import DataError
from latentlab.images import TEST, TRAIN, ImageSet, held_out_splits
from latentlab.sources import DataOptions, Labels, _common

IMAGE_KEYS = ("x", "images", "arr_0")
LABEL_KEYS = ("y", "labels")


def open_images(options: DataOptions) -> ImageSet:
    """Open the file that `options.data` names.

    Raises
    ------
    DataError
        If it cannot be read, or holds no images.
    """
    path = _common.source_path(options, "arrays")
    parts, splits = _images(path, options)
    images = np.concatenate([_as_images(path, part) for part in parts]) if len(parts) > 1 else _as_images(path, parts[0])
    return _common.collect(path.name, images, splits, options)


def read_labels(options: DataOptions) -> Labels | None:
    """Read y_train and y_test, y or labels; None where there are none."""
    path = _common.source_path(options, "arrays")
    parts, splits = _images(path, options)
    if path.suffix == ".npy":
        return None
    arrays = _load(path)
    if "x_train" in arrays:
        if "y_train" not in arrays:
            return None
        values = [arrays["y_train"], *([arrays["y_test"]] if "x_test" in arrays and "y_test" in arrays else [])]
    else:
        values = [arrays[key] for key in LABEL_KEYS if key in arrays][:1]
        if not values:
            return None
    labels, names = _common.encode_labels(np.concatenate([v.reshape(-1) for v in values]).tolist())
    if len(labels) < len(splits):
        labels = np.concatenate([labels, np.full(len(splits) - len(labels), -1, np.int32)])
    if len(labels) != len(splits):
        raise DataError(f"{path}: {len(labels)} labels for {len(splits)} images.")
    return _common.collect_labels(labels, names, splits, options)


def _images(path: Path, options: DataOptions) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the image arrays and the split of each image."""
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        return [loaded], held_out_splits(len(loaded) if loaded.ndim else 0, options.held_out)
    if "x_train" in loaded:
        parts = [loaded["x_train"], *([loaded["x_test"]] if "x_test" in loaded else [])]
        if len(parts) == 2:
            return parts, np.array([TRAIN] * len(parts[0]) + [TEST] * len(parts[1]))
    else:
        parts = [loaded[key] for key in IMAGE_KEYS if key in loaded][:1]
    if not parts:
        raise DataError(f"{path} holds {', '.join(loaded) or 'nothing'}: expected x_train and x_test, or one of {', '.join(IMAGE_KEYS)}.")
    return parts, held_out_splits(len(parts[0]), options.held_out)


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        loaded = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Check the path given to --data.") from None
    except Exception as error:  # NumPy raises many kinds for damaged files: OSError, ValueError, EOFError, BadZipFile, ...
        raise DataError(f"{path} cannot be read as NumPy arrays ({' '.join(str(error).split())}). Save it again with numpy.save.") from error


def _as_images(path: Path, array: np.ndarray) -> np.ndarray:
    """Return any accepted array as uint8 (n, height, width, channels)."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or len(array) == 0:
        raise DataError(f"{path}: expected images of shape (n, height, width) or (n, height, width, channels), got {array.shape}.")
    if array.shape[3] not in (1, 3):
        if array.shape[1] in (1, 3):
            array = np.moveaxis(array, 1, 3)  # (n, channels, height, width), as PyTorch saves them
        else:
            raise DataError(f"{path}: images need 1 or 3 channels in the last axis, got shape {array.shape}.")
    return array if array.dtype == np.uint8 else _scaled(path, array)


def _scaled(path: Path, array: np.ndarray) -> np.ndarray:
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise DataError(f"{path}: images must be numbers, not {array.dtype}.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{path}: the images hold values that are not finite. Replace them first.")
    if low < 0 or high > 255:
        raise DataError(f"{path}: values must lie in [0, 1] or [0, 255], not in [{low:g}, {high:g}]. Scale them first.")
    factor = 255.0 if np.issubdtype(array.dtype, np.floating) and high <= 1 else 1.0
    result = _common.allocate(array.shape)
    for start in range(0, len(array), 1024):
        result[start : start + 1024] = np.rint(array[start : start + 1024] * factor)
    return result
