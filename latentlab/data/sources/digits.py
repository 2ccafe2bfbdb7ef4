"""Handwritten digits of scikit-learn: 1,797 grey images.

They lie inside that package, so nothing is downloaded. The 8x8 values 0 to 16 are scaled to 0 to
255 and enlarged, bicubic, to 32x32 (or `size`). There is no published split: `held_out` of the
images are the test images, drawn without labels.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.digits_table import read_digits
from latentlab.data.layouts.policies import AUTO, NONE, would_score
from latentlab.data.source import Shard, Source, SourceCapabilities, pixel_shards
from latentlab.data.splits import held_out_splits
from latentlab.options import NoOptions

SIDE = 8  # of an image as it is stored, in pixels


class Digits(Source):
    """The 1,797 images."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        default_size=32, split_kinds=(AUTO, NONE)
    )

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the images."""
        values = read_digits(range(SIDE * SIDE)).reshape(-1, SIDE, SIDE)
        images = np.round(values * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        is_scored = would_score(data, has_its_own=True)
        yield from pixel_shards([images], held_out_splits(len(images), data.held_out, is_scored))

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the name for titles."""
        return "Digits"
