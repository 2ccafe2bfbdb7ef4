"""Open the images of a source, or of the source that reads a path."""

import difflib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from latentlab.config import DataOptions
from latentlab.data.collecting import collect
from latentlab.data.formats.file_sets import (
    are_data_beside_few_pictures,
    folder_files,
    is_pattern,
    matching_files,
)
from latentlab.data.formats.picture_folder import holds_a_picture
from latentlab.data.images import ImageSet, with_channels
from latentlab.data.known_files import KnownFiles
from latentlab.data.layouts.policies import AUTO, policy_text, split_policy
from latentlab.data.listing import list_images
from latentlab.data.path_contents import content_of
from latentlab.data.pictures import decode
from latentlab.data.places import name_of_path
from latentlab.data.source import Source
from latentlab.data.value_range import ValueRange
from latentlab.errors import ConfigError, DataError, LatentlabError
from latentlab.progress import track

if TYPE_CHECKING:
    import PIL.Image

TEXTS = ("text", "table")
MOST_SUFFIXES = 2  # of a source, in an error


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
    with track(f"read {name_of(options)}", None) as bar:
        source = source_of(options)
        if options.split != AUTO:
            _refuse_split(source, options)
        if lazy:
            images = list_images(source, options, known, bar.update)
            return images if options.labels == AUTO else _with_policy(images, options)
        source_options = source.parse_options(options.source_options)
        images = collect(source, options, source_options, bar.update)
    if options.labels != AUTO:
        images = _with_policy(images, options)
    return images if options.channels is None else with_channels(images, options.channels)


def _refuse_split(source: Source, options: DataOptions) -> None:
    """Raise ConfigError if a source can do nothing with what was asked of the splits."""
    kinds = source.capabilities.split_kinds
    if split_policy(options).kind in kinds:
        return
    has_own = "has splits of its own" if kinds == (AUTO,) else "has no folders or names for that"
    raise ConfigError(
        f": {options.data} {has_own}; leave it out",
        field="split",
        value=options.split,
    )


def _with_policy(images: ImageSet, options: DataOptions) -> ImageSet:
    """Return images whose account says where labels are, if the user has said so."""
    if images.source_intake.labels:
        return images
    intake = replace(images.source_intake, labels=policy_text(options))
    return replace(images, source_intake=intake)


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
    scale = ValueRange.of_text(options.value_range)
    picture = decode.decode_whole(images.source(index), max_pixels, scale)
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
    if path.is_dir():
        return _reader_of_folder(path)
    if is_pattern(path):
        return _reader_of_file(matching_files(path)[0])
    if not path.exists():
        raise _nothing_there(options.data, path)
    if not path.is_file():
        raise DataError(f"{path} is no regular file. Check the path given to `data`.")
    return _reader_of_file(path)


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
    return name_of_path(options.data)


def _sources() -> list[Source]:
    """Return all sources, latentlab's own first: they win if two read the same paths."""
    sources = [Source.named(name) for name in Source.names()]
    return sorted(sources, key=_is_foreign)


def _is_foreign(source: Source) -> bool:
    return not type(source).__module__.startswith("latentlab.")


def _reader_of_folder(folder: Path) -> Source:
    """Return a source for such files as a folder holds; pictures win over files that hold them."""
    readers = [source for source in _sources() if source.capabilities.reads_folders]
    for_any = next(source for source in readers if not source.capabilities.suffixes)
    fitting = [source for source in readers if _has_files_for(source, folder)]
    foreign = next(filter(_is_foreign, fitting), None)
    if foreign is not None:
        return foreign
    if not fitting:
        return for_any
    suffixes = fitting[0].capabilities.suffixes
    if holds_a_picture(folder) and not are_data_beside_few_pictures(folder, suffixes):
        return for_any
    if len(fitting) > 1:
        names = " and ".join(source.name for source in fitting)
        raise DataError(f"{folder} holds {names} files: give the path of one of them to `data`.")
    return fitting[0]


def _has_files_for(source: Source, folder: Path) -> bool:
    suffixes = source.capabilities.suffixes
    return bool(suffixes) and bool(folder_files(folder, suffixes))


def _reader_of_file(path: Path) -> Source:
    """Return a source for what a file holds, or else for the end of its name."""
    by_suffix = _by_suffix(path)
    if by_suffix is not None and not by_suffix.capabilities.contents:
        return by_suffix
    try:
        content, kind = content_of(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
    if by_suffix is not None and (not content or _is_meant(by_suffix, content)):
        return by_suffix
    for source in _sources():
        if content in source.capabilities.contents:
            return source
    advice = f"; {kind.advice}" if kind.advice else ""
    raise DataError(
        f"{path} holds no images that are read ({kind.name}{advice}). Give a folder of pictures, a"
        f" picture, or a {_listed(_suffixes_of_tables())} file."
    )


def _is_meant(source: Source, content: str) -> bool:
    """Return whether the source for a file's name reads such content; any text may be a table."""
    contents = source.capabilities.contents
    is_text = content in TEXTS and not set(contents).isdisjoint(TEXTS)
    return is_text or content in contents


def _by_suffix(path: Path) -> Source | None:
    """Return the source for the end of a file's name, None if there is none."""
    for source in _sources():
        if path.stem and path.name.lower().endswith(source.capabilities.suffixes):
            return source
    return None


def _suffixes_of_tables() -> list[str]:
    """Return the ends of names of files that hold or name pictures and are none."""
    return [
        suffix
        for source in _sources()
        for suffix in source.capabilities.suffixes[:MOST_SUFFIXES]
        if "picture" not in source.capabilities.contents
    ]


def _nothing_there(text: str, path: Path) -> LatentlabError:
    """Return the error for a text that is neither a path nor the name of a source."""
    close = difflib.get_close_matches(text, Source.names(), n=1)
    if close:
        return ConfigError(
            f"unknown data {text!r}: it does not exist, and no source has this name",
            hint=f"Did you mean {close[0]!r}?",
        )
    hint = "Check the path given to `data`."
    if path.name == text and not path.suffix:
        hint += f" Data with a name of their own are {', '.join(_named_sources())}."
    return DataError(f"{path} does not exist", hint=hint)


def _named_sources() -> list[str]:
    """Return the names of sources that need no path."""
    return [
        source.name
        for source in _sources()
        if not (source.capabilities.suffixes or source.capabilities.reads_folders)
    ]


def _path(text: str) -> Path:
    """Return a text as a path; ConfigError if no file can have this name."""
    try:
        text.encode()
        path = Path(text).expanduser()
        path.is_dir()
    except UnicodeEncodeError:
        raise _no_text(os.fsencode(text)) from None
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


def _no_text(path: bytes) -> ConfigError:
    """Return the error for a path that Python does not have as text."""
    try:
        name = path.decode()
    except UnicodeDecodeError:
        return ConfigError(
            f"the path {path!r} is not UTF-8, which the run's files need. Rename it."
        )
    coding = sys.getfilesystemencoding()
    return ConfigError(
        f"the path {name!r} cannot be used in this locale, whose names are {coding}",
        hint="Set LC_ALL=C.UTF-8.",
    )


def _listed(words: list[str]) -> str:
    """Return words as "a, b or c"."""
    *first, last = sorted(words)
    return f"{', '.join(first)} or {last}" if first else last
