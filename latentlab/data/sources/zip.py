"""Pictures in a .zip archive, with all its folders.

Or in several: a folder of archives, or a pattern such as part-{1..4}.zip. They are read in place,
nothing is extracted. The id is the path in the archive. Folders in it are read as those of a folder
of pictures; members that are no pictures, or cannot be read, are counted.
"""

from pathlib import Path
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.columns_beside import columns_of_members
from latentlab.data.container_source import ContainerSource
from latentlab.data.formats.containers import ContainerLimits
from latentlab.data.formats.zip_files import ZipContainer, open_zip
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.source import SourceCapabilities
from latentlab.options import NoOptions


class Zip(ContainerSource):
    """The pictures of zip archives."""

    suffixes: ClassVar[tuple[str, ...]] = (".zip",)
    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=suffixes,
        reads_folders=True,
        contents=("zip",),
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def container(self, path: Path, limits: ContainerLimits) -> ZipContainer:
        """Return an archive with its members listed."""
        return open_zip(path, limits)

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return what the .json members beside pictures say."""
        return columns_of_members(self.container_set(data), data)
