"""One picture file, such as a new one to predict.

The id is the file's name.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.decode import DEFAULT_SIZE
from latentlab.data.formats.picture_folder import as_text
from latentlab.data.sniffing import PICTURE_SUFFIXES
from latentlab.data.source import Shard, Source, SourceCapabilities
from latentlab.data.splits import TRAIN
from latentlab.options import NoOptions


class Picture(Source):
    """The image of one file."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=tuple(sorted(PICTURE_SUFFIXES)),
        contents=("picture",),
        default_size=DEFAULT_SIZE,
    )

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the file."""
        path = self.path(data)
        yield Shard(np.array([as_text(path.name)]), np.array([TRAIN]), pictures=[path])

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the file's name."""
        return self.path(data).name
