"""Tables that lie beside pictures and name them: which there are, and which picture a row means.

To find such a table its names of columns are read, and its column of files. A column of labels is
opened by `latentlab.scoring.labels` alone.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentlab.data.folder_walk import is_own_file
from latentlab.data.formats.column_names import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    SPLIT_COLUMNS,
    column_named,
    listed_columns,
)
from latentlab.data.formats.path_tables import (
    SAMPLE,
    PathTable,
    check_columns,
    label_column_of,
    open_table,
)
from latentlab.errors import ConfigError, DataError

SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet")
FILE_COLUMNS = (*IMAGE_COLUMNS, "images_id", "img_id", "photo_id", "uuid", "key")
CLASS_COLUMNS = (
    *(*LABEL_COLUMNS, "classid", "labelid", "label_id", "category_id", "category_name"),
    *("breed", "variety", "diagnosis", "dx", "disease", "type", "tag", "tags"),
)
MOST_FOLDERS = 50  # in which tables are looked for
MOST_BYTES = 1 << 28  # of a table that nobody named
SAMPLE_SHARE = 0.5  # of the first rows that have to name a picture
_PAGE = re.compile(r"(.+)#\d+")
_DUMMY = re.compile(r"submission", re.IGNORECASE)  # labels there are placeholders


class PictureNames:
    """Finds images by their path, the end of it, or their name without suffix.

    Parameters
    ----------
    ids : sequence of str
        Ids of the images: paths, with "/", of which `scan.tif#3` is the third page of a file.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self._of_path: dict[str, list[int]] = defaultdict(list)
        files: dict[str, None] = {}
        for position, name in enumerate(ids):
            page = _PAGE.fullmatch(name)
            file = page.group(1) if page else name
            files[file] = None
            self._of_path[file].append(position)
            if page:
                self._of_path[name].append(position)
        self._of_name = _unique(files, lambda file: file.rpartition("/")[2])
        self._of_stem = _unique(files, lambda file: os.path.splitext(file)[0].rpartition("/")[2])

    def positions(self, text: str, folder: str = "", by_stem: bool = True) -> list[int]:
        """Return the positions of the images that a text names.

        Parameters
        ----------
        text : str
            A path below the data or below the table, an absolute path, or a name.
        folder : str
            The folder of the table, below the data.
        by_stem : bool
            Whether a name without its suffix will do.

        Returns
        -------
        list of int
            Empty if it names none, or several files.
        """
        parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts:
            return []
        for path in self._candidates(parts, folder):
            if path in self._of_path:
                return self._of_path[path]
        name = parts[-1]
        file = self._of_name.get(name) or (self._of_stem.get(name) if by_stem else None)
        return self._of_path[file] if file else []

    def _candidates(self, parts: list[str], folder: str) -> Iterable[str]:
        yield "/".join([folder, *parts] if folder else parts)
        for start in range(len(parts) - 1):
            yield "/".join(parts[start:])


@dataclass(frozen=True)
class PictureTable:
    """A table whose rows name pictures.

    Attributes
    ----------
    table : PathTable
        The table itself.
    folder : str
        Its folder below the data; "" for one at the top or elsewhere.
    file_column : str
        The column that names pictures.
    class_column, split_column : str
        The columns of labels and of splits; "" without one.
    rows : tuple of list of int
        For each row the positions of the images that it names.
    """

    table: PathTable
    folder: str
    file_column: str
    class_column: str
    split_column: str
    rows: tuple[list[int], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.table.path.name

    @property
    def covered(self) -> set[int]:
        """Positions of all images that it names."""
        return {position for positions in self.rows for position in positions}

    @property
    def lost(self) -> int:
        """Number of rows that name no image, or several files."""
        return sum(not positions for positions in self.rows)

    def values(self, column: str, n_images: int) -> tuple[list[Any], int]:
        """Return a value for each image, and how many images have several that differ.

        Parameters
        ----------
        column : str
            Name of a column.
        n_images : int
            Number of images.

        Returns
        -------
        list
            None for an image without a row, or with rows that differ.
        int
        """
        seen: dict[int, set[Any]] = defaultdict(set)
        for positions, value in zip(self.rows, self.table.column(column), strict=False):
            for position in positions:
                seen[position].add(value)
        values: list[Any] = [None] * n_images
        for position, choices in seen.items():
            values[position] = next(iter(choices)) if len(choices) == 1 else None
        return values, sum(len(choices) > 1 for choices in seen.values())


def tables_beside(
    root: Path, folders: Iterable[str], names: PictureNames, class_column: str | None
) -> list[PictureTable]:
    """Return the tables in some folders that name pictures.

    Parameters
    ----------
    root : Path
        The data folder.
    folders : iterable of str
        Folders with pictures, below it; tables are looked for there and in the folders above.
    names : PictureNames
        The pictures.
    class_column : str or None
        Name of the column of labels, if a user gave it.

    Returns
    -------
    list of PictureTable
        In the order of their paths. Files that cannot be read are left out.
    """
    tables = []
    for folder in _searched(folders):
        # Ids are UTF-8; the system may spell names in another way.
        for path in _table_files(root / os.fsdecode(folder.encode())):
            try:
                table = open_picture_table(path, folder, names, class_column, is_sure=False)
            except (DataError, ConfigError, UnicodeError):
                continue  # no table of pictures
            tables.append(table)
    return tables


def open_picture_table(
    path: Path, folder: str, names: PictureNames, class_column: str | None, is_sure: bool
) -> PictureTable:
    """Open a table and find out which column names pictures.

    Parameters
    ----------
    path : Path
        The table.
    folder : str
        Its folder below the data, "" if it lies elsewhere.
    names : PictureNames
        The pictures.
    class_column : str or None
        Name of the column of labels, if a user gave it.
    is_sure : bool
        Whether a user said that it is such a table: then a single further column is that of labels,
        whatever its name.

    Raises
    ------
    ConfigError
        If there is no column `class_column`.
    DataError
        If it cannot be read, or no column names pictures.
    """
    table = _open(path)
    file_column, rows = _file_column(table, folder, names)
    others = [name for name in table.names if name != file_column]
    split_column = column_named(others, SPLIT_COLUMNS) or ""
    if class_column is None:
        rest = [name for name in others if name and name != split_column]
        is_plain = len(rest) == 1 and (is_sure or rest[0] in ("1", "2"))  # without names
        column = column_named(others, CLASS_COLUMNS) or (rest[0] if is_plain else "")
    else:
        column = label_column_of(path, others, class_column) or ""
    return PictureTable(table, folder, file_column, column, split_column, rows)


def columns_text(table: PictureTable) -> str:
    """Return the columns of a table for an error.

    Parameters
    ----------
    table : PictureTable
        The table.
    """
    return listed_columns([name for name in table.table.names if name != table.file_column])


class _ParquetTable(PathTable):
    """A parquet file beside pictures."""

    def __init__(self, path: Path) -> None:
        from latentlab.data.formats.parquet_files import check_rows, schema_of

        super().__init__(path)
        check_rows(path)
        self.names = list(schema_of(path).names)
        check_columns(path, self.names)

    def sample(self) -> list[Sequence[Any]]:
        """Return the first rows."""
        from latentlab.data.formats.parquet_files import first_values

        columns = [list(map(_plain, first_values(self.path, name, SAMPLE))) for name in self.names]
        return list(zip(*columns, strict=False))  # fewer of large values

    def column(self, name: str) -> list[Any]:
        """Return all values; those that are neither text nor a number are None."""
        from latentlab.data.formats.parquet_files import all_values

        return list(map(_plain, all_values([self.path], name)))


def _plain(value: Any) -> Any:
    """Return text or a number; None for anything else."""
    return value if isinstance(value, (str, int, float)) else None


def _open(path: Path) -> PathTable:
    return _ParquetTable(path) if path.suffix.lower() == ".parquet" else open_table(path, None)


def _sampled_columns(table: PathTable) -> dict[str, list[Any]]:
    """Return the first values of each column; None where a row is too short."""
    rows = table.sample()
    columns = {}
    for place, name in enumerate(table.names):
        columns[name] = [row[place] if place < len(row) else None for row in rows]
    return columns


def _file_column(
    table: PathTable, folder: str, names: PictureNames
) -> tuple[str, tuple[list[int], ...]]:
    """Return the column that names pictures, and the images that each row means."""
    usual = [name for name in FILE_COLUMNS if column_named(table.names, [name])]
    columns = dict.fromkeys(column_named(table.names, [name]) or "" for name in usual)
    sampled = _sampled_columns(table)
    for column in (*columns, *(name for name in table.names if name not in columns)):
        # A number of a column of another name may be the name of a picture by chance.
        by_stem = column in columns
        texts = [str(value) for value in sampled[column] if value not in (None, "")]
        hits = sum(bool(names.positions(text, folder, by_stem)) for text in texts)
        if hits and hits >= SAMPLE_SHARE * len(texts):
            values = ("" if value is None else str(value) for value in table.column(column))
            return column, tuple(names.positions(value, folder, by_stem) for value in values)
    raise DataError(
        f"{table.path} names none of the images: none of its columns"
        f" ({listed_columns(table.names)}) holds their paths, names or ids."
    )


def _searched(folders: Iterable[str]) -> list[str]:
    """Return folders and all above them, the outermost first, no more than `MOST_FOLDERS`."""
    searched = {""}
    for folder in set(folders):
        parts = folder.split("/") if folder else []
        searched.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
    ordered = sorted(searched, key=lambda folder: (folder.count("/") + bool(folder), folder))
    return ordered[:MOST_FOLDERS]


def _table_files(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
        return [
            path
            for path in entries
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and not is_own_file(path.name)
            and not _DUMMY.search(path.name)
            and path.is_file()
            and path.stat().st_size <= MOST_BYTES
        ]
    except OSError:
        return []


def _unique(files: Iterable[str], key: Any) -> dict[str, str | None]:
    """Return the only file of each key; None for keys of several files."""
    file_of: dict[str, str | None] = {}
    for file in files:
        name = key(file)
        file_of[name] = None if name in file_of else file
    return file_of
