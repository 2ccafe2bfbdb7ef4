"""Open the images of a source, or of the source that reads a path."""

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.config import DataOptions
from latentlab.data import decode
from latentlab.data.collecting import collect
from latentlab.data.images import ImageSet, with_channels
from latentlab.data.known_files import KnownFiles
from latentlab.data.listing import list_images
from latentlab.data.source import Source
from latentlab.errors import ConfigError, DataError

if TYPE_CHECKING:
    import PIL.Image


def open_images(
    options: DataOptions, lazy: bool = False, known: KnownFiles | None = None
) -> ImageSet:
    """Open images, without labels.

    Parameters
    ----------
    options : DataOptions
        What to open, and how.
    lazy : bool
        Whether to list and fingerprint the images only, and to decode or resize them whenever
        they are read. The fingerprint is then that of the picture files.
    known : KnownFiles or None
        States of the picture files at an earlier opening: its `files`. Those that are as they
        were are not read again for the fingerprint of a lazy set.

    Returns
    -------
    ImageSet
        All images that can be read; with `lazy` a `LazyImageSet` of all images that are there.

    Raises
    ------
    ConfigError
        If no source has this name or reads this path.
    DataError
        If the data are missing or damaged, or no image can be read.

    Examples
    --------
    >>> images = open_images(DataOptions(data="digits", limit=10, size=8))
    >>> len(images), images.image_shape
    (20, (8, 8, 1))
    """
    source = source_of(options)
    if lazy:
        return list_images(source, options, known)
    images = collect(source, options, source.parse_options(options.source_options))
    return images if options.channels is None else with_channels(images, options.channels)


def open_picture(images: ImageSet, index: int, options: DataOptions) -> "PIL.Image.Image | None":
    """Open the picture file of an image, upright, in colour and in its full size.

    Parameters
    ----------
    images : ImageSet
        The images.
    index : int
        Position of one of them.
    options : DataOptions
        The options with which the images were opened.

    Returns
    -------
    PIL.Image.Image or None
        None if the source has no picture files.

    Raises
    ------
    DataError
        If the file can no longer be read.
    """
    if images.source is None:
        return None
    max_pixels = options.max_pixels or decode.MAX_PIXELS
    picture = decode.decode_whole(images.source(index), max_pixels)
    if isinstance(picture, str):
        raise DataError(f"{images.ids[index]} cannot be read: {picture}.")
    return picture


def resolve(options: DataOptions) -> str:
    """Return the name of the source that serves `options.data`.

    Parameters
    ----------
    options : DataOptions
        `data` is a source's name, a folder or a file.

    Returns
    -------
    str
        Name of a source.

    Raises
    ------
    ConfigError
        If there is no such source, and no source reads the path.
    DataError
        If a source would read such a file, but it is not there.

    Examples
    --------
    >>> resolve(DataOptions(data="photos.npz"))
    Traceback (most recent call last):
    latentlab.errors.DataError: photos.npz does not exist. Check the path given to `data`.
    """
    return source_of(options).name


def source_of(options: DataOptions) -> Source:
    """Return the source that reads `options.data` for `options`; for errors see `resolve`."""
    if options.data in Source.names():
        return Source.named(options.data)
    path = _path(options.data)
    source = _reader_of_folder(path) if path.is_dir() else _reader_of_file(path)
    if source is None:
        suffixes = [suffix for reader in _sources() for suffix in reader.capabilities.suffixes]
        close = difflib.get_close_matches(options.data, Source.names(), n=1)
        raise ConfigError(
            f"unknown data {options.data!r}: give a folder, a {_listed(suffixes)} file, "
            f"or one of {', '.join(Source.names())}.",
            hint=f"Did you mean {close[0]!r}?" if close else "",
        )
    return source


def holds_pictures(options: DataOptions) -> bool:
    """Return whether the data are picture files, as in a folder of photos, and not numbers.

    Parameters
    ----------
    options : DataOptions
        What would be opened; the first shard of its source decides.
    """
    source = source_of(options)
    shards = source.shards(options, source.parse_options(options.source_options))
    first = next(iter(shards), None)
    return first is not None and first.pictures is not None


def name_of(options: DataOptions) -> str:
    """Return the short name of the data for tables.

    Parameters
    ----------
    options : DataOptions
        What is opened.

    Returns
    -------
    str
        The source's name, or that of the folder or file.
    """
    if options.data in Source.names():
        return options.data
    return Path(options.data).expanduser().resolve().name


def _sources() -> list[Source]:
    """Return all sources, latentlab's own first: they win if two read the same paths."""
    sources = [Source.named(name) for name in Source.names()]
    return sorted(sources, key=_is_foreign)


def _is_foreign(source: Source) -> bool:
    return not type(source).__module__.startswith("latentlab.")


def _reader_of_folder(folder: Path) -> Source | None:
    """Return a source for such files as lie in the folder, or else one for any folder."""
    readers = [source for source in _sources() if source.capabilities.reads_folders]
    for source in readers:
        for suffix in source.capabilities.suffixes:
            if any(folder.glob(f"*{suffix}")):
                return source
    return next((source for source in readers if not source.capabilities.suffixes), None)


def _reader_of_file(path: Path) -> Source | None:
    for source in _sources():
        if path.stem and path.name.endswith(source.capabilities.suffixes):
            if not path.exists():
                raise DataError(f"{path} does not exist. Check the path given to `data`.")
            if not path.is_file():
                raise DataError(f"{path} is no regular file. Check the path given to `data`.")
            return source
    return None


def _path(text: str) -> Path:
    """Return a text as a path; ConfigError if no file can have this name."""
    try:
        text.encode()
        path = Path(text).expanduser()
        path.is_dir()
    except UnicodeEncodeError:
        raise ConfigError(
            f"the path {os.fsencode(text)!r} is not UTF-8, which the run's files need. Rename it."
        ) from None
    except RuntimeError:  # ~name, and there is no such user
        return Path(text)
    except OSError as error:
        raise ConfigError(
            f": {error.strerror}",
            field="data",
            value=repr(text[:40]),
            hint="Give a folder, a file or the name of a source.",
        ) from error
    return path


def _listed(words: list[str]) -> str:
    """Return words as "a, b or c"."""
    *first, last = sorted(words)
    return f"{', '.join(first)} or {last}" if first else last
