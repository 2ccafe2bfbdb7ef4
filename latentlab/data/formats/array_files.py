"""NumPy files: which of their arrays hold images, in any of the usual layouts and scales."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.splits import TEST, TRAIN, held_out_splits
from latentlab.errors import DataError
from latentlab.storage import npz

MAX_BYTES = 2 << 30  # of all arrays that are read from an .npz file
TRAIN_KEY = "x_train"
TEST_KEY = "x_test"
SINGLE_KEYS = ("x", "images", "arr_0")  # of files without splits, in order of preference
_SHAPES = "(n, height, width) or (n, height, width, channels)"


@dataclass(frozen=True)
class ImageArrays:
    """The arrays of a file that hold images, as they are stored.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        Names of the arrays; empty for an .npy file.
    arrays : tuple of ndarray
        The arrays.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image of all arrays.
    """

    path: Path
    names: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]
    splits: np.ndarray


@dataclass(frozen=True)
class PixelArray:
    """An array of images that becomes uint8 piece by piece.

    Attributes
    ----------
    array : ndarray of shape (n, height, width, channels)
        Numbers of any kind.
    factor : float or None
        What makes 0 to 255 of them; None for uint8.
    """

    array: np.ndarray
    factor: float | None

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return images as uint8; those that are so already as a view."""
        if self.factor is None:
            return self.array[rows]
        return np.rint(self.array[rows] * self.factor).astype(np.uint8)


def read_image_arrays(path: Path, data: DataOptions) -> ImageArrays:
    """Read the arrays of a file that hold images.

    Parameters
    ----------
    path : Path
        An .npy file, which is memory-mapped, or an .npz file.
    data : DataOptions
        `held_out` is used if the file has no splits, `max_bytes` limits the bytes to read.

    Returns
    -------
    ImageArrays
        One array, or x_train and x_test. Other arrays are not read.

    Raises
    ------
    DataError
        If the file is missing, damaged or too large, or holds no images.
    """
    arrays = _load(path, (TRAIN_KEY, TEST_KEY, *SINGLE_KEYS), data)
    if isinstance(arrays, np.ndarray):
        if arrays.ndim == 0:
            raise DataError(f"{path}: expected images of shape {_SHAPES}, got a single number.")
        return ImageArrays(path, (), (arrays,), held_out_splits(len(arrays), data.held_out))
    if TRAIN_KEY in arrays:
        return _with_splits(path, arrays, data)
    names = [name for name in SINGLE_KEYS if name in arrays]
    if not names or arrays[names[0]].ndim == 0:
        raise DataError(
            f"{path} holds {_all_names(path, data)}: "
            f"expected x_train and x_test, or one of {', '.join(SINGLE_KEYS)}."
        )
    images = arrays[names[0]]
    splits = held_out_splits(len(images), data.held_out)
    return ImageArrays(path, (names[0],), (images,), splits)


def _with_splits(path: Path, arrays: dict[str, np.ndarray], data: DataOptions) -> ImageArrays:
    names = tuple(name for name in (TRAIN_KEY, TEST_KEY) if name in arrays)
    parts = tuple(arrays[name] for name in names)
    if any(part.ndim == 0 for part in parts):
        raise DataError(f"{path}: x_train and x_test must be arrays of images.")
    if len(parts) == 1:
        splits = held_out_splits(len(parts[0]), data.held_out)
    else:
        splits = np.repeat([TRAIN, TEST], [len(part) for part in parts])
    return ImageArrays(path, names, parts, splits)


def read_npz_arrays(path: Path, names: Sequence[str], data: DataOptions) -> dict[str, np.ndarray]:
    """Read some arrays of an .npz file.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        Names of the arrays, of which some may be missing.
    data : DataOptions
        `max_bytes` limits the bytes to read.

    Returns
    -------
    dict of str to ndarray
        The arrays that are there; none of an .npy file.

    Raises
    ------
    DataError
        If the file is missing, damaged or too large.
    """
    arrays = _load(path, names, data)
    return arrays if isinstance(arrays, dict) else {}


def pixel_arrays(images: ImageArrays) -> list[PixelArray]:
    """Return the images of a file as arrays of one shape that become uint8 when they are read.

    Parameters
    ----------
    images : ImageArrays
        Arrays in any layout: without channels, with channels last, or with channels first.

    Returns
    -------
    list of PixelArray
        Their arrays have the shape (n, height, width, channels); none is empty.

    Raises
    ------
    DataError
        If they are not images, or of several shapes.
    """
    filled = [array for array in images.arrays if len(array)] or [images.arrays[0]]
    parts = [_channels_last(images.path, array) for array in filled]
    if len({part.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(str(array.shape) for array in images.arrays)
        raise DataError(
            f"{images.path}: the images of x_train and x_test differ in shape: {shapes}."
        )
    return [PixelArray(part, _factor(images.path, part)) for part in parts]


def _load(
    path: Path, names: Sequence[str] | None, data: DataOptions
) -> np.ndarray | dict[str, np.ndarray]:
    """Return the array of an .npy file, or the arrays of an .npz file that have certain names."""
    limit = data.max_bytes or MAX_BYTES
    try:
        with path.open("rb") as file:
            is_npz = file.read(2) == b"PK"
        return npz.read_npz(path, names, limit) if is_npz else npz.open_npy(path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Check the path given to `data`.") from None
    except npz.TooLargeError as error:
        raise DataError(
            f"{path} is refused: {error}. If you trust it, raise `max_bytes`."
        ) from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path} cannot be read as NumPy arrays ({reason}). Save it again with numpy.save."
        ) from error


def _all_names(path: Path, data: DataOptions) -> str:
    return ", ".join(_load(path, None, data)) or "nothing"


def _channels_last(path: Path, array: np.ndarray) -> np.ndarray:
    """Return any accepted array in the shape (n, height, width, channels)."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.size == 0:
        raise DataError(f"{path}: expected images of shape {_SHAPES}, got {array.shape}.")
    if array.shape[3] in (1, 3):
        return array
    if array.shape[1] in (1, 3):
        return np.moveaxis(array, 1, 3)  # as PyTorch saves them
    raise DataError(
        f"{path}: images need 1 or 3 channels in the last axis, got shape {array.shape}."
    )


def _factor(path: Path, array: np.ndarray) -> float | None:
    """Return the factor that brings values to 0 to 255; None for uint8."""
    if array.dtype == np.uint8:
        return None
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise DataError(f"{path}: images must be numbers, not {array.dtype}.")
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise DataError(f"{path}: the images hold values that are not finite. Replace them first.")
    if low < 0 or high > 255:
        raise DataError(
            f"{path}: values must lie in [0, 1] or [0, 255], not in [{low:g}, {high:g}]. "
            "Scale them first."
        )
    is_fraction = np.issubdtype(array.dtype, np.floating) and high <= 1
    return 255.0 if is_fraction else 1.0
