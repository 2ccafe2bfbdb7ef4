"""Images in NumPy files: `.npy`, or `.npz` with arrays of any names.

Arrays of images are found by name and shape, the splits train, val and test by name; several that
could be meant are asked about, and `image_column` says which. Grey, RGB and RGBA, channels last or
first; `layout` says how to read what can be read in two ways. Numbers of any type are brought to
pixels by one scale, see `latentlab.data.value_range`. An .npy file is memory-mapped. Images with
numbers that are not finite are left out. Pickled objects are refused.
"""

from collections.abc import Iterator
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.columns_beside import columns_of_arrays
from latentlab.data.formats.array_files import array_shards, describe, is_npz
from latentlab.data.intake import Intake
from latentlab.data.layouts.policies import AUTO, NONE
from latentlab.data.places import name_of_path
from latentlab.data.source import ImageIndex, Reading, Shard, Source, SourceCapabilities
from latentlab.data.splits import numbered_ids
from latentlab.options import NoOptions


class Arrays(Source):
    """The images of one file; ids are the split and the number in it."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=(".npy", ".npz"), contents=("arrays",), split_kinds=(AUTO, NONE)
    )

    def reading(self, data: DataOptions, options: NoOptions) -> Reading:
        """Return shards and account of one look at the file."""
        described = describe(self.path(data), data)
        return Reading(array_shards(described, data), described.account(data))

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the images; those of an .npy file of uint8 as views of the file."""
        return array_shards(describe(self.path(data), data), data)

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return ids and splits by the lengths of the arrays."""
        splits = describe(self.path(data), data).splits
        return ImageIndex(numbered_ids(splits), splits)

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return which arrays are passed over, and which hold splits and labels."""
        return describe(self.path(data), data).account(data)

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return further arrays that have a value for each image."""
        path = self.path(data)
        return columns_of_arrays(describe(path, data), data) if is_npz(path) else None

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the file's name."""
        return name_of_path(self.path(data))
