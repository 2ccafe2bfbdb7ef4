"""What sources of archives share: members become images, several archives become one data set."""

import abc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.containers import (
    Container,
    ContainerLimits,
    Member,
    MemberPictures,
    SortedMembers,
    sort_members,
)
from latentlab.data.formats.file_facts import page_id
from latentlab.data.formats.file_sets import file_splits, files_of, stray_pictures
from latentlab.data.intake import Intake, joined
from latentlab.data.layouts.name_splits import NameSplits, name_splits
from latentlab.data.source import SHARD_IMAGES, ImageIndex, Reading, Shard, Source
from latentlab.errors import DataError
from latentlab.options import NoOptions

LABEL_MEMBERS = "labels by the .cls or .json member beside each picture"


@dataclass(frozen=True)
class ContainerSet:
    """The pictures of one or several archives.

    Attributes
    ----------
    parts : tuple of SortedMembers
        The members of each archive.
    prefixes : tuple of str
        What stands before the names of members in ids; "" for a single archive.
    """

    parts: tuple[SortedMembers, ...]
    prefixes: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The archives."""
        return [part.container.path for part in self.parts]

    @property
    def pictures(self) -> list[tuple[SortedMembers, Member]]:
        """All pictures in order, each with the members of its archive."""
        return [(part, picture) for part in self.parts for picture in part.pictures]

    @property
    def names(self) -> list[str]:
        """Paths of the pictures in their archives."""
        return [picture.name for _, picture in self.pictures]

    @property
    def ids(self) -> np.ndarray:
        """Ids of the pictures, array of str."""
        names = set(self.names)
        ids = [
            prefix + page_id(picture.name, picture.page, names)
            for prefix, part in zip(self.prefixes, self.parts, strict=True)
            for picture in part.pictures
        ]
        return np.array(ids, dtype=str)

    def has_label_members(self, wanted: str | None) -> bool:
        """Return whether labels lie beside pictures, as WebDataset has them.

        Parameters
        ----------
        wanted : str or None
            A key of JSON that the user gave; None is one of the usual keys.
        """
        return any(part.has_labels(wanted) for part in self.parts)

    def shards(self, splits: np.ndarray) -> Iterator[Shard]:
        """Yield the pictures of one archive after the other.

        Parameters
        ----------
        splits : ndarray of shape (n,), str
            "train" or "test" of each picture.
        """
        ids = self.ids
        first = 0
        for part in self.parts:
            for start in range(0, len(part.pictures), SHARD_IMAGES):
                members = part.pictures[start : start + SHARD_IMAGES]
                rows = slice(first, first + len(members))
                entries = MemberPictures(part.container, members)
                yield Shard(ids[rows], splits[rows], pictures=entries)
                first = rows.stop


class ContainerSource(Source):
    """Base of the sources of archives.

    Attributes
    ----------
    suffixes : tuple of str
        Ends of the names of such archives, in lower case.
    """

    suffixes: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def container(self, path: Path, limits: ContainerLimits) -> Container:
        """Return an archive with its members listed.

        Parameters
        ----------
        path : Path
            The archive.
        limits : ContainerLimits
            What it may unpack to.
        """

    def container_set(self, data: DataOptions) -> ContainerSet:
        """Return the archives that `data` names, with their members sorted.

        Parameters
        ----------
        data : DataOptions
            An archive, a folder of archives, or a pattern of names.

        Raises
        ------
        DataError
            If one is missing, damaged, refused or without pictures.
        """
        limits = ContainerLimits.of(data.max_bytes, data.max_pixels)
        files = files_of(self.path(data), self.suffixes)
        for file in files:
            if not file.is_file():
                raise DataError(f"{file} does not exist. Check the path given to `data`.")
        parts = tuple(sort_members(self.container(file, limits), limits) for file in files)
        return ContainerSet(parts, _prefixes(files))

    def reading(self, data: DataOptions, options: NoOptions) -> Reading:
        """Return shards and account of one look at the archives."""
        pictures = self.container_set(data)
        arranged = container_splits(pictures, data)
        strays = stray_pictures(self.path(data))
        intake = Intake(
            passed_over=joined([*(part.passed_over for part in pictures.parts), strays]),
            splits=arranged.splits_text,
            labels=arranged.labels_text,
        )
        return Reading(pictures.shards(arranged.splits), intake)

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the pictures of one archive after the other; they are read when asked for."""
        return self.reading(data, options).shards

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return ids and splits; no picture is read."""
        pictures = self.container_set(data)
        return ImageIndex(pictures.ids, container_splits(pictures, data).splits)

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return the members that are passed over, and where splits and labels come from."""
        return self.reading(data, options).intake

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the name of the archive, folder or pattern."""
        return self.path(data).resolve().name


def container_splits(pictures: ContainerSet, data: DataOptions) -> NameSplits:
    """Return the split of each picture, and where labels are.

    The names of archives decide, or else the folders in them; otherwise it is drawn at random.

    Parameters
    ----------
    pictures : ContainerSet
        The pictures.
    data : DataOptions
        Holds `held_out`, `labels` and `split`.
    """
    labels = LABEL_MEMBERS if pictures.has_label_members(data.label_column) else ""
    counts = [len(part.pictures) for part in pictures.parts]
    known = file_splits(pictures.files, counts)
    return name_splits(pictures.names, data, labels, known)


def _prefixes(files: list[Path]) -> tuple[str, ...]:
    """Return what keeps names of several archives apart: their paths below a common folder."""
    if len(files) == 1:
        return ("",)
    common = os.path.commonpath([file.parent for file in files])
    return tuple(f"{file.relative_to(common).as_posix()}/" for file in files)
