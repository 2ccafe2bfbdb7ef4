"""Pictures in a .tar archive, also compressed, or in the shards of WebDataset.

Several shards are named by their folder or by a pattern such as shard-{000000..000003}.tar. They
are read in place, nothing is extracted. The id is the path in the archive. In WebDataset a picture
shares its name up to the first dot with its label: 000017.png and 000017.cls, or 000017.json with a
key such as label. In other archives folders are read as those of a folder of pictures.
"""

from pathlib import Path
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.columns_beside import columns_of_members
from latentlab.data.container_source import ContainerSource
from latentlab.data.formats.containers import ContainerLimits
from latentlab.data.formats.tar_files import TarContainer, open_tar
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.source import SourceCapabilities
from latentlab.options import NoOptions


class Tar(ContainerSource):
    """The pictures of tar archives."""

    suffixes: ClassVar[tuple[str, ...]] = (
        *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
    )
    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=suffixes,
        reads_folders=True,
        contents=("tar",),
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def container(self, path: Path, limits: ContainerLimits) -> TarContainer:
        """Return an archive with its members listed."""
        return open_tar(path, limits)

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return what the .json members beside pictures say."""
        return columns_of_members(self.container_set(data), data)
