"""One picture file, such as a new one to predict.

The id is the file's name. The pages of a TIFF and the frames of an animation are images too, such
as `scan.tif#3`.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.listed_paths import ListedPictures, listed_pictures
from latentlab.data.intake import Intake
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.pictures.sniffing import PICTURE_SUFFIXES
from latentlab.data.places import name_of_path
from latentlab.data.source import SHARD_IMAGES, Shard, Source, SourceCapabilities
from latentlab.data.splits import TRAIN
from latentlab.options import NoOptions


class Picture(Source):
    """The image, or the images, of one file."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=tuple(sorted(PICTURE_SUFFIXES)),
        contents=("picture",),
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the file, or its pages."""
        listed = self._listed(data)
        count = len(listed.ids)
        for start in range(0, count, SHARD_IMAGES):
            rows = slice(start, start + SHARD_IMAGES)
            ids = np.array(listed.ids[rows])
            splits = np.full(len(ids), TRAIN)
            yield Shard(ids, splits, pictures=listed.files[rows])

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return the frames that are not read."""
        return Intake(passed_over=self._listed(data).passed_over)

    def _listed(self, data: DataOptions) -> ListedPictures:
        path = self.path(data)
        return listed_pictures(path, [path.name], follow_links=True)

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the file's name."""
        return name_of_path(self.path(data))
