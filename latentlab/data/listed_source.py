"""What sources share that name picture files by their paths: lists and tables."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.listed_paths import ListedPictures
from latentlab.data.intake import Intake
from latentlab.data.layouts.name_splits import name_splits
from latentlab.data.source import SHARD_IMAGES, ImageIndex, Reading, Shard, Source
from latentlab.options import NoOptions


@dataclass(frozen=True)
class ListedSet:
    """Picture files of a list or table, with what it says of them.

    Attributes
    ----------
    pictures : ListedPictures
        The files.
    splits : ndarray of shape (n,), str
        "train" or "test" of each.
    intake : Intake
        What is passed over, and where splits and labels come from.
    """

    pictures: ListedPictures
    splits: np.ndarray
    intake: Intake

    def shards(self) -> Iterator[Shard]:
        """Yield the files in order."""
        ids = np.array(self.pictures.ids, dtype=str)
        for start in range(0, len(ids), SHARD_IMAGES):
            rows = slice(start, start + SHARD_IMAGES)
            yield Shard(ids[rows], self.splits[rows], pictures=self.pictures.files[rows])

    def index(self) -> ImageIndex:
        """Return ids and splits."""
        return ImageIndex(np.array(self.pictures.ids, dtype=str), self.splits)


class ListedSource(Source):
    """Base of the sources that name picture files."""

    @abc.abstractmethod
    def listed(self, data: DataOptions) -> ListedSet:
        """Return the picture files, which nobody has opened yet.

        Parameters
        ----------
        data : DataOptions
            What to open.

        Raises
        ------
        DataError
            If the list is missing or damaged, or names no picture.
        """

    def reading(self, data: DataOptions, options: NoOptions) -> Reading:
        """Return shards and account of one look at the list."""
        listed = self.listed(data)
        return Reading(listed.shards(), listed.intake)

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the paths of the pictures."""
        yield from self.listed(data).shards()

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return ids and splits; no picture is opened."""
        return self.listed(data).index()

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return the entries that are passed over, and where splits and labels come from."""
        return self.listed(data).intake

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the name of the list."""
        return self.path(data).name


def listed_set(
    pictures: ListedPictures,
    data: DataOptions,
    labels: str,
    known: tuple[np.ndarray, str] | None = None,
) -> ListedSet:
    """Return picture files with their splits.

    Parameters
    ----------
    pictures : ListedPictures
        The files.
    data : DataOptions
        Holds `held_out`, `labels` and `split`.
    labels : str
        Where the list has labels, in a clause; "" if it has none.
    known : tuple of ndarray and str, or None
        Splits of the pictures that the list names, and a clause on it.
    """
    arranged = name_splits(pictures.ids, data, labels, known)
    intake = Intake(
        passed_over=pictures.passed_over, splits=arranged.splits_text, labels=arranged.labels_text
    )
    return ListedSet(pictures, arranged.splits, intake)
