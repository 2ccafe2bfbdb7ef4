"""Pictures that a table names by their paths: .csv, .tsv, .jsonl or .json.

The column of paths is found by its content, or named by `image_column`; that of labels is named as
usual (label, class, ...) or by `label_column`; a column named split says what is held out. Relative
paths belong to the folder of the table, to a folder beside it, or else to the working directory.
Paths that lead elsewhere are read with `follow_links` alone, since a table may come from somebody
else. The id is the path.
"""

from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.formats.path_tables import open_table
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.listed_source import ListedSet, ListedSource
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.source import SourceCapabilities
from latentlab.data.table_rows import columns_of_rows, listed_rows
from latentlab.options import NoOptions


class Table(ListedSource):
    """The pictures that the rows of a table name."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=(".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json"),
        contents=("table",),
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def listed(self, data: DataOptions) -> ListedSet:
        """Return the picture files."""
        return listed_rows(open_table(self.path(data), data.max_bytes), data)

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return the columns beside paths, labels and splits."""
        return columns_of_rows(open_table(self.path(data), data.max_bytes), data)
