"""NumPy files: which of their arrays hold images, in any of the usual layouts and scales."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.array_layout import Layout, layout_of
from latentlab.data.formats.array_names import ImageNames, choose
from latentlab.data.formats.array_numbers import NOT_FINITE, ArrayScale, Part, array_scale
from latentlab.data.intake import Intake, LeftOut
from latentlab.data.layouts.policies import AUTO, NONE, policy_text, split_policy, would_score
from latentlab.data.pixels import release
from latentlab.data.source import SHARD_IMAGES, Shard
from latentlab.data.splits import TEST, TRAIN, first_of_each, held_out_splits, numbered_ids
from latentlab.errors import DataError
from latentlab.storage import memory_budget, npz
from latentlab.storage.memory_budget import ROW_BYTES
from latentlab.storage.npz import ArrayHeader

SHARD_BYTES = 32 << 20  # of numbers that become pixels at once


@dataclass(frozen=True)
class ArrayFile:
    """What a file holds, by names and shapes alone.

    Attributes
    ----------
    path : Path
        The file.
    names : ImageNames
        Which of its arrays are which.
    counts : tuple of int
        Number of images of each array.
    layouts : tuple of Layout
        How each is read.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image of all arrays.
    """

    path: Path
    names: ImageNames
    counts: tuple[int, ...]
    layouts: tuple[Layout, ...]
    splits: np.ndarray

    @property
    def has_labels(self) -> bool:
        """Whether there is an array of labels; nothing is read in it."""
        return any(self.names.labels)

    def account(self, data: DataOptions) -> Intake:
        """Return what is passed over, and where splits and labels are.

        Parameters
        ----------
        data : DataOptions
            What is opened.
        """
        others = self.names.others
        passed_over = (LeftOut("other arrays", len(others), others[:3], is_expected=True),)
        return Intake(
            passed_over=passed_over if others else (),
            splits=self._splits_text(),
            labels=self._labels_text(data),
        )

    def _splits_text(self) -> str:
        held_out = [name for name in self.names.images if not self._is_fitted(name)]
        if held_out and len(self.counts) > 1:
            fitted = [name for name in self.names.images if self._is_fitted(name)]
            return f"{' and '.join(held_out)} held out, {' and '.join(fitted)} fitted on"
        count = int((self.splits == TEST).sum())
        return f"{count:,} drawn at random are held out" if count else "nothing is held out"

    def _is_fitted(self, name: str) -> bool:
        return self.names.splits[self.names.images.index(name)] in ("", TRAIN)

    def _labels_text(self, data: DataOptions) -> str:
        if data.labels != AUTO:
            return policy_text(data)
        names = [name for name in self.names.labels if name]
        if not names:
            return "no labels, since no array holds any"
        return f"labels by arrays: {', '.join(dict.fromkeys(names))}"


def describe(path: Path, data: DataOptions) -> ArrayFile:
    """Return what a file holds; of no array more than its header is read.

    Parameters
    ----------
    path : Path
        An .npy or .npz file.
    data : DataOptions
        `image_column` and `label_column` name arrays, `layout` says how they are read, `held_out`
        is used if the file has no splits.

    Raises
    ------
    ConfigError
        If it can be read in several ways, and no option says which.
    DataError
        If the file is missing or damaged, or holds no images.
    """
    headers = _headers(path)
    names = choose(path, headers, data.image_column or "", data.label_column or "")
    shown = [_shown(path, name) for name in names.images]
    for name, text in zip(names.images, shown, strict=True):
        _refuse_others(text, headers[name].dtype)
    shapes = [headers[name].shape for name in names.images]
    layouts = [
        layout_of(text, shape, data.layout) for text, shape in zip(shown, shapes, strict=True)
    ]
    counts = [layout.count(shape) for layout, shape in zip(layouts, shapes, strict=True)]
    with _errors_of(path):
        allowed = memory_budget.allowed_bytes(path, data.max_bytes)
        memory_budget.check(sum(counts) * ROW_BYTES, allowed, f"its {sum(counts):,} images")
    return ArrayFile(path, names, tuple(counts), tuple(layouts), _splits(names, counts, data))


def _splits(names: ImageNames, counts: Sequence[int], data: DataOptions) -> np.ndarray:
    """Return the split of each image: by the names of the arrays, or drawn."""
    is_split = len(counts) > 1 and set(names.splits) - {"", TRAIN}
    if is_split and split_policy(data).kind != NONE:
        by_name = [TRAIN if split in ("", TRAIN) else TEST for split in names.splits]
        return np.repeat(by_name, counts)
    has_labels = would_score(data, has_its_own=any(names.labels))
    return held_out_splits(sum(counts), data.held_out, has_labels)


def _shown(path: Path, name: str) -> str:
    """Return how messages name an array: its file, and its name where it has one."""
    return f"{path}: {name}" if name else str(path)


def _refuse_others(name: str, dtype: np.dtype) -> None:
    """Raise DataError if an array does not hold numbers."""
    if dtype.hasobject:
        raise DataError(
            f"{name} holds Python objects, which are not read, since they can hide programs. Save"
            " images of one size as one array of numbers, or each as a picture file."
        )
    if dtype.kind not in "uifb":
        raise DataError(f"{name}: images must be numbers, not {dtype}.")


def array_shards(file: ArrayFile, data: DataOptions) -> Iterator[Shard]:
    """Yield the images of a file, up to the last that a limit needs.

    Parameters
    ----------
    file : ArrayFile
        The file.
    data : DataOptions
        `value_range` is the scale; None finds one. `max_bytes` limits what an .npz file unpacks to.

    Yields
    ------
    Shard
        Views of an .npy file of uint8 that needs no scale; else no more than some
        `SHARD_BYTES` of numbers at once.

    Raises
    ------
    DataError
        If the file is damaged or too large, or its arrays differ in shape.
    """
    parts = _parts(file, data)
    scale = array_scale(parts, data.value_range)
    ids = numbered_ids(file.splits)
    needed = first_of_each(file.splits, data.limit)
    last = int(needed[-1]) if len(needed) else -1
    first = 0
    for part in parts:
        step = _images_at_once(part, scale)
        for start in range(0, len(part), step):
            if first > last:
                return
            images = part.rows(slice(start, start + step))
            rows = slice(first, first + len(images))
            pixels, faults = _pixels(images, scale)
            if pixels.base is None:  # it is no view of the file
                release(part.array)
            yield Shard(ids[rows], file.splits[rows], pixels, faults=faults, scale=scale.scale)
            first = rows.stop


def _images_at_once(part: Part, scale: ArrayScale) -> int:
    if part.array.dtype == np.uint8 and scale.scale.range is None:
        return SHARD_IMAGES
    return min(SHARD_IMAGES, max(1, SHARD_BYTES // part.bytes_of_image))


def _pixels(images: np.ndarray, scale: ArrayScale) -> tuple[np.ndarray, dict[int, str]]:
    """Return images as uint8, and which of them are none, by position."""
    if images.dtype.kind != "f":
        return scale.pixels(images), {}
    is_finite = np.isfinite(images).all(axis=(1, 2, 3))
    if is_finite.all():
        return scale.pixels(images), {}
    faults = dict.fromkeys(np.flatnonzero(~is_finite).tolist(), NOT_FINITE)
    return scale.pixels(np.nan_to_num(images, posinf=0, neginf=0)), faults


def _parts(file: ArrayFile, data: DataOptions) -> list[Part]:
    """Return the arrays of a file that hold images; none is empty."""
    arrays = _load(file.path, file.names.images, data)
    parts = []
    for name, layout in zip(file.names.images, file.layouts, strict=True):
        parts.append(Part(_shown(file.path, name), arrays[name], layout))
    shapes = {part.rows(slice(0, 1)).shape[1:] for part in parts}
    if len(shapes) > 1:
        texts = ", ".join(str(part.array.shape) for part in parts)
        names = " and ".join(file.names.images)
        raise DataError(f"{file.path}: the images of {names} differ in shape: {texts}.")
    return parts


def label_arrays(file: ArrayFile, data: DataOptions) -> list[np.ndarray | None]:
    """Return the labels of each array of images; None for an array without. Scoring reads them.

    Parameters
    ----------
    file : ArrayFile
        The file.
    data : DataOptions
        `max_bytes` limits the bytes to read.

    Raises
    ------
    DataError
        If the file is damaged or too large.
    """
    wanted = [name for name in file.names.labels if name]
    arrays = _load(file.path, wanted, data) if wanted else {}
    return [arrays[name] if name else None for name in file.names.labels]


def other_arrays(file: ArrayFile) -> dict[str, int]:
    """Return the arrays of one dimension that are neither images nor labels, with their lengths.

    Parameters
    ----------
    file : ArrayFile
        The file.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    known = {*file.names.images, *file.names.labels, *file.names.others}
    lengths = {}
    for name, header in _headers(file.path).items():
        is_plain = len(header.shape) == 1 and header.dtype.kind in "biufSU"
        if is_plain and name not in known:
            lengths[name] = header.shape[0]
    return lengths


def read_arrays(path: Path, names: Sequence[str], data: DataOptions) -> dict[str, np.ndarray]:
    """Return arrays of a file by name; that of an .npy file is memory-mapped.

    Parameters
    ----------
    path : Path
        The file.
    names : sequence of str
        The arrays.
    data : DataOptions
        `max_bytes` limits the bytes to read.

    Raises
    ------
    DataError
        If the file is damaged or too large.
    """
    return _load(path, names, data)


def _headers(path: Path) -> dict[str, ArrayHeader]:
    """Return what the arrays of a file are; that of an .npy file has no name."""
    with _errors_of(path):
        if is_npz(path):
            return npz.read_headers(path)
        return {"": npz.read_header(path)}


def _load(path: Path, names: Sequence[str], data: DataOptions) -> dict[str, np.ndarray]:
    """Return arrays by name; that of an .npy file is memory-mapped."""
    with _errors_of(path):
        if not is_npz(path):
            return {"": npz.open_npy(path)}
        return npz.read_npz(path, names, memory_budget.allowed_bytes(path, data.max_bytes))


def is_npz(path: Path) -> bool:
    """Return whether a file may hold several arrays.

    Parameters
    ----------
    path : Path
        The file.
    """
    with path.open("rb") as file:
        return file.read(2) == b"PK"


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn what a missing or damaged file raises into a DataError."""
    try:
        yield
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
