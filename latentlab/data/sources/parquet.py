"""Parquet with a column of pictures, or of their paths.

One file, a pattern of names, a folder of files, or a clone of a data set of Hugging Face, with its
data/train-*.parquet. The column is found by the content of its first rows, or named by
`image_column`: a struct of bytes and path, bytes, or paths of files beside the table. Splits: names
of files or folders such as train and validation, or else a column named split. Otherwise `held_out`
of the rows are held out at random. A row with a picture that cannot be read is listed in the run
and skipped.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns
from latentlab.data.formats.file_sets import stray_pictures
from latentlab.data.intake import Intake, joined
from latentlab.data.layouts.policies import ALL_SPLIT_KINDS
from latentlab.data.pictures.decode import DEFAULT_SIZE
from latentlab.data.places import name_of_path
from latentlab.data.source import ImageIndex, Reading, Shard, Source, SourceCapabilities
from latentlab.options import NoOptions


class Parquet(Source):
    """The pictures in one column; ids are the numbers of the rows, such as "row-0000017".

    Pictures that are named by their paths have these as ids.
    """

    capabilities: ClassVar[SourceCapabilities] = SourceCapabilities(
        suffixes=(".parquet", ".pq"),
        contents=("parquet",),
        reads_folders=True,
        default_size=DEFAULT_SIZE,
        split_kinds=ALL_SPLIT_KINDS,
    )

    def reading(self, data: DataOptions, options: NoOptions) -> Reading:
        """Return shards and account of one look at the files."""
        from latentlab.data.parquet_rows import parquet_rows

        rows = parquet_rows(self.path(data), data)
        strays = stray_pictures(self.path(data))
        passed_over = joined([rows.intake.passed_over, strays])
        return Reading(rows.shards(), replace(rows.intake, passed_over=passed_over))

    def shards(self, data: DataOptions, options: NoOptions) -> Iterator[Shard]:
        """Yield the rows; their pictures are read when they are asked for."""
        return self.reading(data, options).shards

    def index(self, data: DataOptions, options: NoOptions) -> ImageIndex:
        """Return the ids of the rows and their splits; no picture is read."""
        from latentlab.data.parquet_rows import parquet_rows

        return parquet_rows(self.path(data), data).index()

    def intake(self, data: DataOptions, options: NoOptions) -> Intake:
        """Return the rows that are passed over, and where splits and labels come from."""
        return self.reading(data, options).intake

    def columns(self, data: DataOptions, options: NoOptions) -> ImageColumns | None:
        """Return the columns of numbers and texts beside pictures, labels and splits."""
        from latentlab.data.parquet_rows import columns_of_parquet

        return columns_of_parquet(self.path(data), data)

    def title(self, data: DataOptions, options: NoOptions) -> str:
        """Return the name of the file or folder."""
        return name_of_path(self.path(data))
