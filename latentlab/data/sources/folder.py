"""A folder of pictures, with all its sub-folders.

Pictures are found by their content, whatever their names end in, and read in the order of their
paths; what is passed over is counted by reason. The id is the path below the folder; the pages of a
TIFF and the frames of an animation are images too, such as `scan.tif#3`. Pictures of any size and
mode become squares of `size` pixels by `resize`. A picture that cannot be read is listed in the run
and skipped. Links that lead out of the folder are followed with `follow_links` only.

Splits: folders that are named as splits, such as `train` and `val`, wherever they lie; see
`latentlab.data.layouts.layout`. Otherwise `held_out` of the pictures are held out at random, and
none if scoring would find no labels. `labels` and `split` say otherwise.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.columns_beside import columns_of_tables, has_tables
from latentlab.data.formats.picture_folder import PictureListing, list_pictures
from latentlab.data.intake import Intake
from latentlab.data.layouts.arrangement import Arrangement, arrange
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.places import name_of_path
from latentlab.data.source import (
    SHARD_IMAGES,
    ImageIndex,
    Reading,
    Shard,
    Source,
    SourceCapabilities,
)
from latentlab.options import NoOptions


class Folder(Source):
    """The pictures below one folder."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        reads_folders=True,
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def reading(self, data: DataOptions, options: NoOptions) -> Reading:
        """Return shards and account of one walk through the folder."""
        listing = list_pictures(self.path(data), data.follow_links)
        arrangement = arranged(listing, data)
        intake = Intake(
            passed_over=listing.passed_over,
            splits=arrangement.splits_text,
            labels=arrangement.classes_text,
        )
        return Reading(_shards_of(listing, arrangement.splits), intake)

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the paths of the pictures, and the pages of those that hold several."""
        return self.reading(data, options).shards

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return the ids and their splits."""
        listing = list_pictures(self.path(data), data.follow_links)
        return ImageIndex(np.array(listing.ids), arranged(listing, data).splits)

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return what is passed over, and where splits and labels come from."""
        return self.reading(data, options).intake

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return the columns of tables beside the pictures; without any, none is looked at."""
        root = self.path(data)
        if not has_tables(root):
            return None
        return columns_of_tables(root, list_pictures(root, data.follow_links).ids, data)

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the folder's name."""
        return name_of_path(self.path(data))


def _shards_of(listing: PictureListing, splits: np.ndarray) -> Iterator[Shard]:
    for start in range(0, len(listing), SHARD_IMAGES):
        rows = slice(start, start + SHARD_IMAGES)
        ids = np.array(listing.ids[rows])
        yield Shard(ids, splits[rows], pictures=listing.pictures(rows))


def arranged(listing: PictureListing, data: DataOptions) -> Arrangement:
    """Return where the splits and classes of listed pictures come from.

    Parameters
    ----------
    listing : PictureListing
        The pictures.
    data : DataOptions
        What was asked for.
    """
    return arrange(listing.ids, data, listing.root)
