"""CIFAR-10: 50,000 train and 10,000 test images of 32x32x3, in the binary or Python version.

The first of these places that holds it is read. Data that are found and damaged are an error.

1. `data_dir`: an archive, a folder of batches, or a folder that holds one of the names below. If it
   is given, no other place is looked at.
2. The Keras cache ($KERAS_HOME/datasets or ~/.keras/datasets), by the same names.
3. latentlab's own cache (`cifar10/` in the user's cache folder).
4. A download of the binary version (162 MiB) into that cache, checked against its published md5.

Names, in this order: cifar-10-batches-bin/, cifar-10-batches-py/,
cifar-10-batches-py-target/cifar-10-batches-py/ (newer Keras), cifar-10-batches-py-target/,
cifar-10-binary.tar.gz, cifar-10-python.tar.gz, cifar-10-batches-py.tar.gz.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.downloads import download
from latentlab.data.formats.cifar_batches import (
    LIMITS,
    batch_pixels,
    batch_splits,
    read_cifar_files,
)
from latentlab.data.places import cache_folder, keras_datasets
from latentlab.data.source import Shard, Source, SourceCapabilities, pixel_shards
from latentlab.errors import DataError
from latentlab.options import NoOptions

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CHECKSUM = "md5:c32a1d4ab5d03f1284b67883e8d87530"
FOLDERS = (
    "cifar-10-batches-bin",
    "cifar-10-batches-py",
    "cifar-10-batches-py-target/cifar-10-batches-py",
    "cifar-10-batches-py-target",
)
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz", "cifar-10-batches-py.tar.gz")


class Cifar10(Source):
    """The 60,000 images, with ids "train/00000" to "test/09999"."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(downloads=True)

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the images batch by batch."""
        files = read_cifar_files(locate(data))
        parts = list(map(batch_pixels, files.batches))
        yield from pixel_shards(parts, batch_splits(files, list(map(len, parts))))

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the published name."""
        return "CIFAR-10"


def locate(data: DataOptions) -> Path:
    """Return the folder or archive to read; it is downloaded if no place holds it.

    Parameters
    ----------
    data : DataOptions
        `data_dir` is the place to look at, or None.

    Returns
    -------
    pathlib.Path
        A folder of batches or an archive, by the order in the module's docstring.

    Raises
    ------
    DataError
        If `data_dir` holds no CIFAR-10, or the download fails.
    """
    if data.data_dir is not None:
        return _in_data_dir(Path(data.data_dir).expanduser())
    cache = cache_folder("cifar10")
    return _find(keras_datasets()) or _find(cache) or download(URL, cache / ARCHIVES[0], CHECKSUM)


def _in_data_dir(place: Path) -> Path:
    path = place if place.is_file() else _find(place)
    if path is None:
        raise DataError(
            f"{place} holds no CIFAR-10: expected one of {', '.join((*FOLDERS[:2], *ARCHIVES))}. "
            "Check `data_dir`."
        )
    return path


def _find(place: Path) -> Path | None:
    for folder in (place, *(place / name for name in FOLDERS)):
        if any((folder / name).is_file() for name in LIMITS):
            return folder
    archives = (place / name for name in ARCHIVES)
    return next((archive for archive in archives if archive.is_file()), None)
