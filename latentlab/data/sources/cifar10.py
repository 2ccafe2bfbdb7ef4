"""CIFAR-10: 50,000 train and 10,000 test images of 32x32x3, in the official binary or Python version.

Read from the first of these that exists; what is found and damaged is an error, never passed over:

1. `data_dir`, where given (nothing else is then looked at): an archive, a batches folder, or a folder that holds
   one of the names below;
2. the Keras cache ($KERAS_HOME/datasets or ~/.keras/datasets), by the same names;
3. latentlab's own cache (`cifar10/` in the user's cache folder);
4. a download of the binary version (162 MiB) into that cache, checked against its published md5.

Names, in this order: cifar-10-batches-bin/, cifar-10-batches-py/, cifar-10-batches-py-target/cifar-10-batches-py/
(newer Keras), cifar-10-batches-py-target/, cifar-10-binary.tar.gz, cifar-10-python.tar.gz, cifar-10-batches-py.tar.gz.

A record of the binary version is a label byte and 3,072 bytes of red, green and blue planes, row by row. Archives
are read in memory; pickles pass an unpickler that can build nothing but dictionaries and byte arrays. Any whole number
of images a batch is accepted. Class names come from batches.meta(.txt), or are the published ones where it is absent.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.archives import read_files
from latentlab.data.common import cache_folder, check, collect, collect_labels, keras_datasets
from latentlab.data.downloads import download
from latentlab.data.images import ImageSet
from latentlab.data.opening import Labels
from latentlab.data.pickles import load_dict
from latentlab.errors import DataError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CHECKSUM = "md5:c32a1d4ab5d03f1284b67883e8d87530"
STEMS = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
FOLDERS = (
    "cifar-10-batches-bin",
    "cifar-10-batches-py",
    "cifar-10-batches-py-target/cifar-10-batches-py",
    "cifar-10-batches-py-target",
)
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "cifar-10-batches-py.tar.gz")
RECORD = 1 + 3 * 32 * 32  # bytes of one image in the binary version
META = ("batches.meta.txt", "batches.meta")
LIMITS = {
    **{f"{stem}.bin": 10_000 * RECORD for stem in STEMS},
    **dict.fromkeys(STEMS, 32 << 20),  # the published pickles have 31.04 MB
    **dict.fromkeys(META, 1 << 16),
}


class Batches(NamedTuple):
    """All batches in order: images (n, 32, 32, 3) uint8, labels (n,) uint8, splits (n,) str, and the class names."""

    images: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    class_names: tuple[str, ...]


def open_images(options: DataOptions) -> ImageSet:
    """Return the images, 32x32x3 unless `options.size` is given; ids "train/00000" to "test/09999".

    Raises
    ------
    DataError
        If the files are missing, damaged, of the wrong size, or cannot be downloaded.
    """
    check(options)
    batches = _load(locate(options))
    return collect("CIFAR-10", batches.images, batches.splits, options)


def read_labels(options: DataOptions) -> Labels:
    """Return the published labels, 0 to 9; errors as in `open_images`."""
    check(options)
    batches = _load(locate(options))
    return collect_labels(batches.labels, batches.class_names, batches.splits, options)


def locate(options: DataOptions) -> Path:
    """Return the folder or archive to read, by the order in the module's docstring; downloads where nothing is found.

    Raises
    ------
    DataError
        If `options.data_dir` holds no CIFAR-10, or the download fails.
    """
    if options.data_dir is not None:
        place = Path(options.data_dir).expanduser()
        found = place if place.is_file() else _find(place)
        if found is None:
            raise DataError(
                f"{place} holds no CIFAR-10: expected one of {', '.join((*FOLDERS[:2], *ARCHIVES))}. Check --data-dir."
            )
        return found
    own = cache_folder("cifar10")
    return _find(keras_datasets()) or _find(own) or download(URL, own / ARCHIVES[0], CHECKSUM)


def _find(place: Path) -> Path | None:
    folders = (place, *(place / name for name in FOLDERS))
    for folder in folders:
        if any((folder / name).is_file() for name in LIMITS):
            return folder
    return next((place / name for name in ARCHIVES if (place / name).is_file()), None)


def _load(path: Path) -> Batches:
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    class_names: tuple[str, ...] = CLASS_NAMES
    for name, content in read_files(path, LIMITS):
        where, stem = f"{path}: {name}", name.removesuffix(".bin")
        if name in META:
            class_names = _class_names(where, name, content)
        elif stem not in parts:
            parts[stem] = (_binary if name.endswith(".bin") else _python)(where, content)
    missing = [stem for stem in STEMS if stem not in parts]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}. Unpack or fetch it again; all of {', '.join(STEMS)} are needed."
        )
    return _join(parts, class_names)


def _join(parts: dict[str, tuple[np.ndarray, np.ndarray]], class_names: tuple[str, ...]) -> Batches:
    counts = [len(parts[stem][1]) for stem in STEMS]
    images = np.empty((sum(counts), 32, 32, 3), dtype=np.uint8)
    start = 0
    for stem, count in zip(STEMS, counts, strict=True):
        images[start : start + count] = (
            parts[stem][0].reshape(count, 3, 32, 32).transpose(0, 2, 3, 1)
        )
        start += count
    labels = np.concatenate([parts[stem][1] for stem in STEMS])
    splits = np.repeat(["train", "test"], [sum(counts[:-1]), counts[-1]])
    return Batches(images, labels, splits, class_names)


def _binary(where: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    if not content or len(content) % RECORD:
        raise DataError(
            f"{where} has {len(content)} bytes, not a whole number of {RECORD}-byte images. Fetch it again."
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
    return records[:, 1:], _checked(where, records[:, 0])


def _python(where: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = load_dict(content, where)
    images, labels = batch.get("data"), batch.get("labels")
    if not isinstance(images, np.ndarray) or not isinstance(labels, list):
        raise DataError(
            f"{where} has no `data` array and `labels` list. Is this CIFAR-10? Fetch it again."
        )
    if images.shape != (len(labels), RECORD - 1) or not labels:
        raise DataError(
            f"{where} has images of shape {images.shape} and {len(labels)} labels, not (n, 3072) and n. Fetch it again."
        )
    if not all(isinstance(label, int) and 0 <= label < 256 for label in labels):
        raise DataError(
            f"{where} has labels that are not whole numbers from 0 to 9. Fetch it again."
        )
    return images, _checked(where, np.array(labels, dtype=np.uint8))


def _checked(where: str, labels: np.ndarray) -> np.ndarray:
    if labels.max() > 9:
        raise DataError(
            f"{where} has the label {labels.max()}; CIFAR-10 has 0 to 9. Is this another data set? Fetch it again."
        )
    return labels


def _class_names(where: str, name: str, content: bytes) -> tuple[str, ...]:
    if name.endswith(".txt"):
        words: object = content.split()
    else:
        words = load_dict(content, where).get("label_names")
    if not isinstance(words, list) or len(words) != len(CLASS_NAMES):
        raise DataError(f"{where} does not list 10 class names. Fetch it again.")
    return tuple(
        word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in words
    )
