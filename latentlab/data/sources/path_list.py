"""Pictures that a text file names, one path a line.

Relative paths belong to the folder of the list, or else to the working directory; lines that begin
with # are skipped. A label may stand after each path. Paths that lead out of both folders are read
with `follow_links` alone, since a list may come from somebody else. The id is the path.
"""

from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.formats.listed_paths import listed_pictures
from latentlab.data.formats.path_lists import read_path_list
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.listed_source import ListedSet, ListedSource, listed_set
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.source import SourceCapabilities


class PathList(ListedSource):
    """The pictures of a list."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=(".txt", ".lst", ".list"),
        contents=("text",),
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def listed(self, data: DataOptions) -> ListedSet:
        """Return the picture files."""
        path = self.path(data)
        content = read_path_list(path, data.max_bytes)
        pictures = listed_pictures(path, content.entries, data.follow_links)
        labels = "labels by the word after each path" if any(content.labels or ()) else ""
        return listed_set(pictures, data, labels)
