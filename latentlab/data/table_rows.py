"""The rows of a table of paths as picture files."""

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns, telling_columns
from latentlab.data.formats.listed_paths import listed_pictures
from latentlab.data.formats.path_tables import PathTable, table_columns, table_splits
from latentlab.data.listed_source import ListedSet, listed_set

MOST_READ = 100  # columns; each takes a pass over the table


def listed_rows(table: PathTable, data: DataOptions) -> ListedSet:
    """Return the picture files that the rows of a table name.

    Parameters
    ----------
    table : PathTable
        The table.
    data : DataOptions
        Holds `image_column`, `label_column`, `held_out` and `follow_links`.

    Raises
    ------
    DataError
        If no row names a picture.
    """
    columns = table_columns(table, data.image_column, data.label_column)
    entries = table.texts(columns.images)
    pictures = listed_pictures(table.path, entries, data.follow_links, table.home)
    labels = f"labels by the column {columns.labels}" if columns.labels else ""
    known = None
    if columns.splits:
        words = table.texts(columns.splits)
        known = table_splits([words[row] for row in pictures.rows], columns.splits)
    return listed_set(pictures, data, labels, known)


def columns_of_rows(table: PathTable, data: DataOptions) -> ImageColumns:
    """Return what a table says of its pictures beside paths, labels and splits.

    Parameters
    ----------
    table : PathTable
        The table.
    data : DataOptions
        As for `listed_rows`.

    Raises
    ------
    DataError
        If no row names a picture.
    """
    used = table_columns(table, data.image_column, data.label_column)
    listed = listed_rows(table, data).pictures
    values = {}
    for name in table.names[:MOST_READ]:
        column = table.column(name)
        values[name] = [column[row] for row in listed.rows]
    return telling_columns(listed.ids, values, [used.images, used.labels, used.splits])
