"""Parquet with a column of pictures, as Hugging Face datasets has it, or of plain bytes.

One file, or a folder of them. The column is found by its type, or named by `image_column`: a struct
of bytes and path, or bytes. Splits: file names that begin with train, and with test or val, if
there are both. Otherwise `held_out` of the rows are held out at random. A row with a picture that
cannot be read is listed in the run and skipped.
"""

from collections.abc import Iterator
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.decode import DEFAULT_SIZE
from latentlab.data.source import (
    SHARD_IMAGES,
    ImageIndex,
    Shard,
    Source,
    SourceCapabilities,
)
from latentlab.options import NoOptions

MAX_BYTES = 2 << 30  # of the pictures of one row group


class Parquet(Source):
    """The pictures in one column; ids are the numbers of the rows, such as "row-0000017"."""

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=(".parquet",), reads_folders=True, default_size=DEFAULT_SIZE
    )

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the rows; their pictures are read when they are asked for."""
        from latentlab.data.formats import parquet_files

        files = parquet_files.parquet_paths(self.path(data))
        splits = parquet_files.parquet_splits(files, data.held_out)
        column = parquet_files.picture_column(files, data.image_column)
        for file in files:
            parquet_files.check_group_sizes(file, column, data.max_bytes or MAX_BYTES)
        first = 0  # number of the shard's first row, counted through all files
        for file in files:
            for pictures in parquet_files.ColumnReader(file, column).parts(SHARD_IMAGES):
                ids = parquet_files.row_ids(len(pictures), first)
                yield Shard(ids, splits[first : first + len(pictures)], pictures=pictures)
                first += len(pictures)

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return the numbers of the rows and their splits, by the files' metadata."""
        from latentlab.data.formats import parquet_files

        files = parquet_files.parquet_paths(self.path(data))
        splits = parquet_files.parquet_splits(files, data.held_out)
        return ImageIndex(parquet_files.row_ids(len(splits)), splits)

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the name of the file or folder."""
        return self.path(data).name
