"""The contract of image sources: one file per source, found by its name or by the paths it reads.

A source file defines one subclass of `Source`, which gives the images in shards and never as a
whole. The rest of the package brings them to one size, decodes and collects them, so a source
neither resizes nor looks at `limit`. `latentlab.testing.check_source` says whether a source keeps
the contract. Labels are read elsewhere, by `latentlab.scoring.labels`.
"""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.intake import Intake
from latentlab.data.layouts.policies import AUTO
from latentlab.data.originals import Picture
from latentlab.data.places import name_of_path
from latentlab.data.splits import numbered_ids
from latentlab.data.value_range import Scale
from latentlab.errors import ConfigError
from latentlab.plugins import Plugin

SHARD_IMAGES = 4096  # images of a shard, at most


@dataclass(frozen=True)
class SourceCapabilities:
    """Facts about a source that the rest of the package needs.

    Attributes
    ----------
    suffixes : tuple of str
        Ends of the names of files that the source reads, such as ".npz" or ".tar.gz".
    contents : tuple of str
        What the files hold that the source reads, whatever their names are: "picture", "zip",
        "tar", "parquet", "arrays", "table" or "text"; see `latentlab.data.path_contents`.
    reads_folders : bool
        Whether it reads folders: those with such files, or any folder without suffixes.
    downloads : bool
        Whether it may fetch its data from the network.
    default_size : int or None
        Height and width in pixels if the user names no size; None keeps that of the source.
    split_kinds : tuple of str
        What it can do with `DataOptions.split`: "auto", and "none", "folder" or "table".
    """

    suffixes: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    reads_folders: bool = False
    downloads: bool = False
    default_size: int | None = None
    split_kinds: tuple[str, ...] = (AUTO,)


@dataclass(frozen=True)
class Shard:
    """Consecutive images of a source, as pixels or as picture files that are still encoded.

    Attributes
    ----------
    ids : ndarray of shape (m,), str
        Unique among all shards, and the same whenever the data are read.
    splits : ndarray of shape (m,), str
        "train" or "test" for each image.
    pixels : ndarray of shape (m, height, width, channels), uint8, or None
        The images, with 1 or 3 channels. Views of memory-mapped files are not copied.
    pictures : sequence of length m or None
        Path, bytes, Page or None (no picture) of each image. The sequence may read an entry when
        it is asked for, so that a shard that nobody looks at costs nothing.
    faults : mapping of int to str
        Position and reason of images whose pixels mean nothing, if `pixels` is given.
    scale : Scale
        How the source has brought numbers beyond 8 bits to `pixels`, the same in all shards.
    """

    ids: np.ndarray
    splits: np.ndarray
    pixels: np.ndarray | None = None
    pictures: Sequence[Picture | None] | None = None

    faults: Mapping[int, str] = field(default_factory=dict)
    scale: Scale = Scale()

    def __len__(self) -> int:
        return len(self.ids)

    def without_faults(self, positions: np.ndarray) -> np.ndarray:
        """Return those of `positions` at which there is an image, in the same order."""
        if not self.faults:
            return positions
        return positions[~np.isin(positions, list(self.faults))]


@dataclass(frozen=True)
class ImageIndex:
    """Ids and splits of all images of a source, in order.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        See `Shard`.
    splits : ndarray of shape (n,), str
        See `Shard`.
    """

    ids: np.ndarray
    splits: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Reading:
    """What a source gives at one opening, so that images and account belong together.

    Attributes
    ----------
    shards : iterator of Shard
        All images in order, see `Source.shards`.
    intake : Intake
        The account, see `Source.intake`.
    """

    shards: Iterator[Shard]
    intake: Intake


class Source(Plugin, abc.ABC):
    """Base class of image sources.

    `latentlab.data.splits.held_out_splits` draws a split where the data has none.

    Attributes
    ----------
    name : str
        Name of its file, with dashes.
    Options : type
        Frozen dataclass of the source's settings, with a default for every field.
    capabilities : SourceCapabilities
    """

    kind: ClassVar[str] = "sources"
    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities()

    @abc.abstractmethod
    def shards(self, data: DataOptions, options: Any) -> Iterator[Shard]:
        """Yield all images in order, at most `SHARD_IMAGES` at a time.

        Parameters
        ----------
        data : DataOptions
            What to open. The caller applies `limit`, `size`, `resize`, `grey` and `channels`.
        options : Options
            The source's own options.

        Yields
        ------
        Shard
            The same shards whenever it is called for the same data.

        Raises
        ------
        DataError
            If the data are missing or damaged.
        """

    def index(self, data: DataOptions, options: Any) -> ImageIndex:
        """Return the ids and splits of all images, without pixels.

        It goes through the shards; a source that knows a faster way overrides it.

        Parameters
        ----------
        data : DataOptions
            What to open.
        options : Options
            The source's own options.

        Returns
        -------
        ImageIndex
            What the shards say together.

        Raises
        ------
        DataError
            If the data are missing or damaged.
        """
        ids: list[np.ndarray] = [np.empty(0, "U1")]
        splits: list[np.ndarray] = [np.empty(0, "U5")]
        for shard in self.shards(data, options):
            ids.append(shard.ids)
            splits.append(shard.splits)
        return ImageIndex(np.concatenate(ids), np.concatenate(splits))

    def columns(self, data: DataOptions, options: Any) -> ImageColumns | None:
        """Return what the source says of its images beside labels and splits, for looking only.

        Parameters
        ----------
        data : DataOptions
            What to open.
        options : Options
            The source's own options.

        Returns
        -------
        ImageColumns or None
            None, by default, if it says nothing.

        Raises
        ------
        DataError
            If the data are missing or damaged.
        """
        return None

    def intake(self, data: DataOptions, options: Any) -> Intake:
        """Return what the source passes over, and where it found splits and labels.

        Parameters
        ----------
        data : DataOptions
            What to open.
        options : Options
            The source's own options.

        Returns
        -------
        Intake
            Without `used` and `unreadable`; by default there is nothing to say.

        Raises
        ------
        DataError
            If the data are missing or damaged.
        """
        return Intake()

    def reading(self, data: DataOptions, options: Any) -> Reading:
        """Return shards and account together; a source that lists files for both overrides it.

        Parameters
        ----------
        data : DataOptions
            What to open.
        options : Options
            The source's own options.

        Raises
        ------
        DataError
            If the data are missing or damaged.
        """
        return Reading(self.shards(data, options), self.intake(data, options))

    def title(self, data: DataOptions, options: Any) -> str:
        """Return the name of the data for titles; by default that of the source or of the path.

        Parameters
        ----------
        data : DataOptions
            What to open.
        options : Options
            The source's own options.
        """
        return self.name if data.data == self.name else name_of_path(data.data)

    def path(self, data: DataOptions) -> Path:
        """Return the path to read: `data.data`, or `data.data_dir` if the source itself is named.

        Parameters
        ----------
        data : DataOptions
            What to open.

        Returns
        -------
        pathlib.Path
            It may not exist.

        Raises
        ------
        ConfigError
            If the source is named without `data_dir`.
        """
        if data.data != self.name:
            return Path(data.data).expanduser()
        if data.data_dir is None:
            raise ConfigError(
                "needs a place",
                field="data",
                value=self.name,
                hint="Give its path to `data`, or add `data_dir`.",
            )
        return Path(data.data_dir).expanduser()


class Pixels(Protocol):
    """Images that can be sliced: an array, or something that converts what is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


def pixel_shards(parts: Sequence[Pixels], splits: np.ndarray) -> Iterator[Shard]:
    """Yield arrays as shards, with ids made of the split and the number in it.

    Parameters
    ----------
    parts : sequence of Pixels, whose slices are uint8 of shape (m, height, width, channels)
        All images, in order.
    splits : ndarray of shape (n,), str
        "train" or "test" for each image of all parts.

    Yields
    ------
    Shard
        Views of the parts.
    """
    ids = numbered_ids(splits)
    first = 0
    for part in parts:
        for start in range(0, len(part), SHARD_IMAGES):
            pixels = part[start : start + SHARD_IMAGES]
            rows = slice(first, first + len(pixels))
            yield Shard(ids[rows], splits[rows], pixels=pixels)
            first = rows.stop
