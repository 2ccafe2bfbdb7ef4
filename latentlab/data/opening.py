"""Where images come from: one file a source, found by its name.

A source file defines

    open_images(options: DataOptions) -> ImageSet     the images, without labels
    read_labels(options: DataOptions) -> Labels | None     the held-out labels, or None where there are none

and nothing else has to be touched. `read_labels` is called by `latentlab.scoring.evaluation` only.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab import plugins
from latentlab.config import DataOptions
from latentlab.data.images import ImageSet, with_channels
from latentlab.errors import ConfigError, DataError

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True)
class Labels:
    """Held-out labels of a source.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Image ids, as in the ImageSet.
    labels : ndarray of shape (n,), int32
        Class number of each, an index into `class_names`; -1 where an image has none.
    class_names : tuple of str
        One name a class.
    """

    ids: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def resolve(options: DataOptions) -> str:
    """Return the name of the source that serves `options.data`.

    Raises
    ------
    ConfigError
        If it is neither a source name nor a path that some source reads.
    """
    if options.data in plugins.names("sources"):
        return options.data
    path = _path(options.data)
    if path.is_dir():
        return "parquet" if any(path.glob("*.parquet")) else "folder"
    suffixes = {".npy": "arrays", ".npz": "arrays", ".parquet": "parquet"}
    if path.suffix in suffixes:
        if not path.exists():
            raise DataError(f"{path} does not exist. Check the path given to --data.")
        if not path.is_file():
            raise DataError(f"{path} is no regular file. Check the path given to --data.")
        return suffixes[path.suffix]
    known = ", ".join(plugins.names("sources"))
    raise ConfigError(
        f"unknown data {options.data!r}: give a folder, a .npy, .npz or .parquet file, or one of {known}."
    )


def _path(text: str) -> Path:
    try:
        text.encode()
        path = Path(text).expanduser()
        path.is_dir()
        return path
    except UnicodeEncodeError:
        raise ConfigError(
            f"the path {os.fsencode(text)!r} is not UTF-8, which the run's files need. Rename it."
        ) from None
    except RuntimeError:  # ~ of a user that there is not
        return Path(text)
    except OSError as error:  # a name that no file can have
        raise ConfigError(
            f"--data {text[:40]!r}: {error.strerror}. Give a folder, a file or the name of a source."
        ) from error


def name_of(options: DataOptions) -> str:
    """Return the short name of the data for tables: the source's name, or that of the folder or file."""
    return (
        options.data
        if options.data in plugins.names("sources")
        else Path(options.data).expanduser().resolve().name
    )


def open_images(options: DataOptions) -> ImageSet:
    """Open the images that `options` name (see `DataOptions`), without labels."""
    images: ImageSet = plugins.load("sources", resolve(options)).open_images(options)
    return images if options.channels is None else with_channels(images, options.channels)


def open_picture(images: ImageSet, index: int, options: DataOptions) -> "PIL.Image.Image | None":
    """Return the picture that an image was made of, upright, in colour and in its full size; None where the source has no such files.

    Raises
    ------
    DataError
        If it can no longer be read.
    """
    from latentlab.data import common, decode

    if images.source is None:
        return None
    picture = decode.decode_whole(images.source(index), options.max_pixels or common.MAX_PIXELS)
    if isinstance(picture, str):
        raise DataError(f"{images.ids[index]} cannot be read: {picture}.")
    return picture


def read_labels(options: DataOptions) -> Labels | None:
    """Read the held-out labels; for `latentlab.scoring.evaluation` only."""
    return plugins.load("sources", resolve(options)).read_labels(options)
