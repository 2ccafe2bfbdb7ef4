"""What lies beside pictures and tells them apart: tables, arrays, JSON of each picture.

For looking only, as `latentlab.data.columns` says: what may be labels is left out by its name.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.columns import ImageColumns, telling_columns
from latentlab.data.container_source import ContainerSet
from latentlab.data.formats.array_files import ArrayFile, other_arrays, read_arrays
from latentlab.data.formats.array_names import LABEL_NAMES, SPLIT_WORDS, split_of
from latentlab.data.formats.containers import LABEL_KEYS, MOST_LABEL_BYTES, Member, SortedMembers
from latentlab.data.formats.picture_tables import (
    CLASS_COLUMNS,
    FILE_COLUMNS,
    SUFFIXES,
    PictureNames,
    PictureTable,
    tables_beside,
)
from latentlab.data.layouts.policies import TABLE, class_policy
from latentlab.data.splits import numbered_ids
from latentlab.storage import memory_budget

MOST_READ = 100  # columns of a table; each takes a pass over it
MOST_MEMBERS = 200_000  # members with JSON that are read
_WORDS = re.compile(r"[^\W\d_]+")


# Tables in a folder of pictures


def has_tables(root: Path) -> bool:
    """Return whether a folder holds any file that may be a table, by the names of files alone.

    Parameters
    ----------
    root : Path
        The folder.
    """
    for _, _, files in os.walk(root):
        if any(os.path.splitext(name)[1].lower() in SUFFIXES for name in files):
            return True
    return False


def columns_of_tables(root: Path, ids: Sequence[str], data: DataOptions) -> ImageColumns | None:
    """Return what tables beside pictures say of them, such as metadata.csv or metadata.jsonl.

    Parameters
    ----------
    root : Path
        The folder of the pictures.
    ids : sequence of str
        Their ids: paths below it.
    data : DataOptions
        Holds `labels` and `label_column`.

    Returns
    -------
    ImageColumns or None
        None without such a table. Of columns of one name in several tables the first counts.
    """
    names = PictureNames(ids)
    folders = {image_id.rpartition("/")[0] for image_id in ids}
    values: dict[str, Sequence[Any]] = {}
    tables = tables_beside(root, sorted(folders), names, None)
    for table in tables:
        if not _is_named_for_labels(table, root, data):
            for column in _columns_to_read(table, data):
                values.setdefault(column, _values_of(table, column, len(ids)))
    return telling_columns(ids, values, []) if tables else None


def _is_named_for_labels(table: PictureTable, root: Path, data: DataOptions) -> bool:
    """Return whether a user said that the labels are in this table: any column may hold them."""
    policy = class_policy(data)
    if policy.kind != TABLE:
        return False
    path = Path(policy.table).expanduser()
    return table.table.path.resolve() in (path.resolve(), (root / path).resolve())


def _columns_to_read(table: PictureTable, data: DataOptions) -> list[str]:
    """Return the columns that say neither which picture, nor its label, nor its split."""
    used = {table.file_column, table.class_column, table.split_column, data.label_column or ""}
    passed_over = {*CLASS_COLUMNS, *FILE_COLUMNS}
    names = table.table.names[:MOST_READ]
    return [name for name in names if name not in used and name.lower() not in passed_over]


def _values_of(table: PictureTable, column: str, n_images: int) -> list[Any]:
    """Return the value of each image; None for an image without a row, or with rows that differ."""
    values: list[Any] = [None] * n_images
    differing: set[int] = set()
    for positions, value in zip(table.rows, table.table.column(column), strict=False):
        for position in positions:
            if values[position] not in (None, value):
                differing.add(position)
            values[position] = value
    for position in differing:
        values[position] = None
    return values


# Arrays in an .npz file


def columns_of_arrays(file: ArrayFile, data: DataOptions) -> ImageColumns | None:
    """Return what further arrays with a value for each image say, such as `age`.

    Of a file with several arrays of images, `age_train` and `age_test` are one column.

    Parameters
    ----------
    file : ArrayFile
        The file.
    data : DataOptions
        `max_bytes` limits the bytes to read.
    """
    names = {name: parts for name, parts in _columns_in(file).items() if not _may_be_labels(name)}
    if not names:
        return None
    wanted = [part for parts in names.values() for part in parts]
    arrays = read_arrays(file.path, wanted, data)
    values = {}
    for name, parts in names.items():
        whole = np.concatenate([_as_values(arrays[part]) for part in parts])
        values[name] = whole.tolist()
    return telling_columns(numbered_ids(file.splits).tolist(), values, [data.label_column])


def _columns_in(file: ArrayFile) -> dict[str, list[str]]:
    """Return the arrays that make each column, in the order of the arrays of images."""
    lengths = other_arrays(file)
    if len(file.counts) == 1:
        return {name: [name] for name, count in lengths.items() if count == file.counts[0]}
    by_column: dict[str, dict[str, str]] = defaultdict(dict)
    for name in lengths:
        by_column[_without_split(name)][split_of(name)] = name
    columns = {}
    for name, part_of in by_column.items():
        parts = [part_of.get(split, "") for split in file.names.splits]
        if [lengths.get(part) for part in parts] == list(file.counts):
            columns[name] = parts
    return columns


def _without_split(name: str) -> str:
    """Return the name of an array without the word of its split.

    >>> _without_split("age_train")
    'age'
    """
    words = [word for word in name.split("_") if word.lower() not in SPLIT_WORDS]
    return "_".join(words) or name


def _may_be_labels(name: str) -> bool:
    return not set(map(str.lower, _WORDS.findall(name))).isdisjoint(LABEL_NAMES)


def _as_values(array: np.ndarray) -> np.ndarray:
    """Return an array whose items Python takes as texts or numbers."""
    texts = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
    return texts.astype(object)


# JSON beside each picture in an archive


def columns_of_members(pictures: ContainerSet, data: DataOptions) -> ImageColumns | None:
    """Return what the .json members beside pictures say, as WebDataset has them.

    Parameters
    ----------
    pictures : ContainerSet
        The pictures.
    data : DataOptions
        Holds `label_column`.

    Returns
    -------
    ImageColumns or None
        None without such members, or with more than 200,000.
    """
    if not 0 < sum(len(part.facts) for part in pictures.parts) <= MOST_MEMBERS:
        return None
    records: list[Mapping[str, Any]] = []
    for part, picture in pictures.pictures:
        records.append(_facts_of(part, picture))
    names = dict.fromkeys(name for record in records for name in record)
    values = {name: [record.get(name) for record in records] for name in list(names)[:MOST_READ]}
    return telling_columns(pictures.ids.tolist(), values, [*LABEL_KEYS, data.label_column])


def _facts_of(part: SortedMembers, picture: Member) -> Mapping[str, Any]:
    """Return the plain values in the JSON beside a picture; empty if there is none to read."""
    member = part.fact_member(picture)
    if member is None or member.size > MOST_LABEL_BYTES:
        return {}
    try:
        content = memory_budget.parsed_json(part.container.read(member) or b"", memory_budget.LEAST)
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if not isinstance(value, dict | list)}
