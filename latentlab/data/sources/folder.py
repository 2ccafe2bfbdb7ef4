"""A folder of pictures, with all its sub-folders.

Files with a picture's suffix are read in the order of their paths; hidden ones are skipped. The id
is the path below the folder. Pictures of any size and mode become squares of `size` pixels by
`resize`. A picture that cannot be read is listed in the run and skipped.

Splits: folders `train` and `test` (or `val`, `valid`, `validation`) at the top, if there are both.
Otherwise `held_out` of the pictures are held out at random.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.decode import DEFAULT_SIZE
from latentlab.data.formats.picture_folder import as_text, folder_splits, picture_paths
from latentlab.data.source import (
    SHARD_IMAGES,
    ImageIndex,
    Shard,
    Source,
    SourceCapabilities,
)
from latentlab.options import NoOptions


class Folder(Source):
    """The pictures below one folder."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        reads_folders=True, default_size=DEFAULT_SIZE
    )

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the paths of the pictures."""
        root = self.path(data)
        paths = picture_paths(root)
        splits = folder_splits(paths, data.held_out)
        for start in range(0, len(paths), SHARD_IMAGES):
            rows = slice(start, start + SHARD_IMAGES)
            ids = np.array(list(map(as_text, paths[rows])))
            pictures = [root / path for path in paths[rows]]
            yield Shard(ids, splits[rows], pictures=pictures)

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return the paths and their splits."""
        paths = picture_paths(self.path(data))
        ids = np.array(list(map(as_text, paths)))
        return ImageIndex(ids, folder_splits(paths, data.held_out))

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the folder's name."""
        return self.path(data).name
