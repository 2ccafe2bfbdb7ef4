"""Images in NumPy files: `.npy` (n, height, width[, channels]) or `.npz`.

An .npz file holds x_train and x_test, or one of x, images and arr_0. Values are uint8, or floats in
[0, 1], which are multiplied by 255, or any other numbers in [0, 255]. If the file has no splits,
some images are held out at random. An .npy file is memory-mapped. Pickled objects are refused.
"""

from collections.abc import Iterator
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.formats.array_files import pixel_arrays, read_image_arrays
from latentlab.data.source import ImageIndex, Shard, Source, SourceCapabilities, pixel_shards
from latentlab.data.splits import numbered_ids
from latentlab.options import NoOptions


class Arrays(Source):
    """The images of one file; ids are the split and the number in it."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(suffixes=(".npy", ".npz"))

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the images; those of an .npy file of uint8 as views of the file."""
        images = read_image_arrays(self.path(data), data)
        yield from pixel_shards(pixel_arrays(images), images.splits)

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return ids and splits by the lengths of the arrays."""
        splits = read_image_arrays(self.path(data), data).splits
        return ImageIndex(numbered_ids(splits), splits)

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the file's name."""
        return self.path(data).name
