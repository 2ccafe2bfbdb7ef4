"""Which columns of parquet files hold pictures or their paths, labels and splits."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from latentlab.data.formats.column_names import (
    SPLIT_COLUMNS,
    column_named,
    listed_columns,
    only_column,
)
from latentlab.data.formats.file_sets import files_of
from latentlab.data.formats.parquet_files import (
    SUFFIXES,
    all_values,
    check_sizes,
    first_values,
    is_bytes,
    metadata_of,
    picture_column,
    schema_of,
)
from latentlab.data.formats.path_tables import (
    SAMPLE,
    PathTable,
    check_columns,
    holds_paths,
    label_column_of,
    path_column,
)
from latentlab.data.pictures.sniffing import HEAD_BYTES, kind_of
from latentlab.errors import ConfigError, DataError
from latentlab.storage import memory_budget

MAIN_COLUMNS = ("image", "img")  # that win over other columns of pictures
PICTURES = 8  # that are looked at; each may be large
FEATURES = b"huggingface"  # entry of the metadata in which Hugging Face datasets writes


@dataclass(frozen=True)
class PictureColumn:
    """The column of pictures.

    Attributes
    ----------
    name : str
        Its name.
    holds_paths : bool
        Whether it names files, instead of holding pictures.
    """

    name: str
    holds_paths: bool


class ParquetTable(PathTable):
    """Parquet files with a column of paths: texts, or structs with a path and no bytes.

    Parameters
    ----------
    files : sequence of Path
        The files, which have the same columns.
    home : Path
        The folder to which relative paths belong.
    max_bytes : int or None
        See `latentlab.storage.memory_budget`.
    """

    def __init__(self, files: Sequence[Path], home: Path, max_bytes: int | None = None) -> None:
        super().__init__(files[0], home)
        self.files = files
        self.max_bytes = max_bytes
        schema = schema_of(files[0])
        self.names = [field.name for field in schema]
        self.candidates = [field.name for field in schema if _is_text(field.type)]
        check_columns(self.path, self.candidates or self.names)

    def sample(self) -> list[Sequence[Any]]:
        """Return the first rows of the columns that may hold paths."""
        columns = []
        for name in self.candidates:
            values = first_values(self.path, name, SAMPLE, self.max_bytes)
            columns.append(list(map(_path_in, values)))
        return list(zip(*columns, strict=False))  # fewer of large values

    def column(self, name: str) -> list[Any]:
        """Return all values of a column; of structs their paths."""
        return list(map(_path_in, all_values(self.files, name, self.max_bytes)))


def parquet_files_of(path: Path) -> list[Path]:
    """Return the parquet files of a data set.

    Parameters
    ----------
    path : Path
        A file, a pattern, a folder of files, or a clone of Hugging Face with `data/*.parquet`.

    Raises
    ------
    DataError
        If there is none, one cannot be read, or none has rows.
    """
    files = files_of(path, SUFFIXES)
    if not any(metadata_of(file).num_rows for file in files):
        raise DataError(f"{path} has no rows: it holds no pictures.")
    return files


def home_of(path: Path, files: Sequence[Path]) -> Path:
    """Return the folder to which paths in `files` belong: `path` if it is one, or else theirs."""
    return path if path.is_dir() else files[0].parent


def find_picture_column(
    files: Sequence[Path], wanted: str | None, max_bytes: int | None, home: Path
) -> PictureColumn:
    """Return the column of pictures, by the content of its first rows.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    wanted : str or None
        A name that the user gave; None finds it.
    max_bytes : int or None
        Largest size of a row group of pictures, unpacked; see `latentlab.storage.memory_budget`.
    home : Path
        See `ParquetTable`.

    Raises
    ------
    ConfigError
        If the column that the user named holds neither pictures nor paths.
    DataError
        If no column does, or several do and no name decides.
    """
    status = files[0].stat()
    column = _column_of_first(files[0], status.st_mtime_ns, status.st_size, wanted, max_bytes, home)
    if not column.holds_paths:
        picture_column(files, column.name)
    return column


@functools.lru_cache(maxsize=32)
def _column_of_first(  # noqa: PLR0913  # what the answer depends on
    file: Path, _mtime_ns: int, _size: int, wanted: str | None, max_bytes: int | None, home: Path
) -> PictureColumn:
    fields = [field for field in schema_of(file) if is_bytes(field.type)]
    if wanted is not None:
        fields = [field for field in fields if field.name == wanted]
    table = ParquetTable([file], home, max_bytes)
    if wanted is not None and not fields and not holds_paths(table, wanted):
        there = listed_columns(_columns_of_pictures(file) or table.candidates)
        raise ConfigError(
            f": {file} has no such column of pictures; it has {there}",
            field="image_column",
            value=wanted,
        )
    for field in fields:
        check_sizes([file], field.name, max_bytes)
    looks = {field.name: _look(file, field.name, max_bytes) for field in fields}
    pictures = [name for name, look in looks.items() if look == "pictures"]
    if pictures:
        return PictureColumn(
            only_column(file, pictures, MAIN_COLUMNS, "pictures"), holds_paths=False
        )
    paths = [name for name, look in looks.items() if look == "paths"]
    if paths:
        name = only_column(file, paths, MAIN_COLUMNS, "pictures")
        return PictureColumn(name, holds_paths=True)
    return _text_column(table, wanted, [field.name for field in fields])


def _text_column(table: ParquetTable, wanted: str | None, others: list[str]) -> PictureColumn:
    """Return a column of paths; else one of bytes of no known kind, so that reading says why."""
    if wanted in others:
        return PictureColumn(str(wanted), holds_paths=False)
    try:
        return PictureColumn(path_column(table, wanted), holds_paths=True)
    except DataError:
        if others:
            return PictureColumn(others[0], holds_paths=False)
        raise DataError(
            f"{table.path} has no column of pictures (bytes, or a struct of bytes and path) or of"
            f" their paths; its columns are {listed_columns(table.names)}."
        ) from None


def _look(file: Path, column: str, max_bytes: int | None) -> str:
    """Return what the first rows of a column of bytes hold: "pictures", "paths" or ""."""
    heads: list[bytes] = []
    has_path = False
    for value in first_values(file, column, PICTURES, max_bytes):
        heads.append((_bytes_in(value) or b"")[:HEAD_BYTES])
        has_path |= isinstance(_path_in(value), str)
    heads = list(filter(None, heads))
    if heads:
        count = sum(kind_of(head).is_picture for head in heads)
        return "pictures" if 2 * count >= len(heads) else ""
    return "paths" if has_path else ""


def find_label_column(file: Path, image_column: str | None, wanted: str | None) -> str | None:
    """Return the column of labels, None if there is none.

    Parameters
    ----------
    file : Path
        A parquet file.
    image_column : str or None
        The column of pictures, which holds no labels.
    wanted : str or None
        A name that the user gave; None takes a usual name, or the one column of class labels.

    Raises
    ------
    ConfigError
        If there is no such column.
    """
    schema = schema_of(file)
    if wanted is not None:
        return label_column_of(file, schema.names, wanted)
    names = [field.name for field in schema if field.name != image_column]
    names = [name for name in names if _is_plain(schema.field(name).type)]
    by_name = label_column_of(file, names, None)
    if by_name is not None:
        return by_name
    declared = [name for name in names if declared_classes(file, name)]
    return declared[0] if len(declared) == 1 else None


def find_split_column(file: Path, image_column: str) -> str | None:
    """Return the column of splits of a parquet file, None if there is none.

    Parameters
    ----------
    file : Path
        The file.
    image_column : str
        The column of pictures.
    """
    names = [field.name for field in schema_of(file) if _is_text(field.type)]
    return column_named([name for name in names if name != image_column], SPLIT_COLUMNS)


def plain_columns(file: Path) -> list[str]:
    """Return the columns of numbers, texts and truth values, without those of class labels.

    Parameters
    ----------
    file : Path
        A parquet file.
    """
    names = [field.name for field in schema_of(file) if _is_plain(field.type)]
    return [name for name in names if not declared_classes(file, name)]


def declared_classes(file: Path, column: str) -> tuple[str, ...]:
    """Return the class names that Hugging Face datasets wrote into the metadata; none is ().

    Parameters
    ----------
    file : Path
        A parquet file.
    column : str
        Name of the column of labels.
    """
    try:
        text = (schema_of(file).metadata or {})[FEATURES]
        metadata = memory_budget.parsed_json(text, memory_budget.allowed_bytes(file))
        names = metadata["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _path_in(value: Any) -> Any:
    """Return the path of a struct; other values as they are."""
    return value.get("path") if isinstance(value, dict) else value


def _bytes_in(value: Any) -> bytes | None:
    """Return the bytes of a struct; bytes as they are."""
    return value.get("bytes") if isinstance(value, dict) else value


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.get_field_index("path") >= 0 and kind.get_field_index("bytes") < 0
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind))


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Return whether values of a column may be labels: numbers, text or yes and no."""
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_nothing = pa.types.is_null(kind)
    return bool(is_number or is_nothing or pa.types.is_boolean(kind) or _is_text(kind))


def _columns_of_pictures(file: Path) -> list[str]:
    return [field.name for field in schema_of(file) if is_bytes(field.type)]
