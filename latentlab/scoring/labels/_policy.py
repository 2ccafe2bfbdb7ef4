"""Labels by what a user asks for: the folders of pictures, a table, or the names of files."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.layouts.arrangement import Arrangement, arrange, match_of_name
from latentlab.data.layouts.policies import FOLDER, NAME, TABLE, class_policy, name_expression
from latentlab.data.source import Source
from latentlab.scoring.labels._encoding import Labels, encode_labels, first_labels
from latentlab.scoring.labels._listed import as_one_kind


def read_arranged(source: Source, data: DataOptions) -> tuple[Labels | None, str]:
    """Read the labels of images with paths, by folders, tables or names.

    Parameters
    ----------
    source : Source
        Where the images come from.
    data : DataOptions
        What to open; `labels` says where the labels are, and "auto" finds them.

    Returns
    -------
    Labels or None
        None if there are none.
    str
        Where they come from, or why there are none, in one line.

    Raises
    ------
    ConfigError
        If the labels are not where `labels` says.
    DataError
        If a table cannot be read.
    """
    index = source.index(data, source.parse_options(data.source_options))
    path = source.path(data) if _has_path(source, data) else None
    root = path if path is None or path.is_dir() else path.parent
    arrangement = arrange(index.ids.tolist(), data, root)
    values, notes = _values(arrangement, data)
    text = "; ".join([arrangement.classes_text, *notes])
    if values is None:
        return None, text
    numbers, class_names = encode_labels(values)
    return replace(first_labels(numbers, class_names, index, data), origin=text), text


def _values(arrangement: Arrangement, data: DataOptions) -> tuple[list[Any] | None, list[str]]:
    """Return the label of each image, and what to know of them; None if there are none."""
    policy = class_policy(data)
    if arrangement.class_kind == TABLE:
        return _of_tables(arrangement)
    if arrangement.class_kind == NAME:
        expression = name_expression(policy.pattern)
        matches = (match_of_name(expression, name) for name in arrangement.ids)
        return [match.group(1) if match else None for match in matches], []
    if arrangement.class_kind == FOLDER:
        return list(arrangement.layout.class_folders(policy.depth)), []
    return None, []


def _of_tables(arrangement: Arrangement) -> tuple[list[Any], list[str]]:
    """Return the labels in tables; the first table that has one of an image counts."""
    labels: list[Any] = [None] * len(arrangement.ids)
    differing = 0
    for table in arrangement.class_tables:
        values, doubtful = table.values(table.class_column, len(labels))
        labels = [_first(label, other) for label, other in zip(labels, values, strict=True)]
        differing += doubtful
    if not differing:
        return as_one_kind(labels), []
    images = "1 image has" if differing == 1 else f"{differing:,} images have"
    return as_one_kind(labels), [f"{images} rows that differ, not scored"]


def _first(label: Any, other: Any) -> Any:
    return other if label in (None, "") else label


def arranged_labels_of_ids(data: DataOptions, ids: Sequence[str]) -> Labels | None:
    """Return the labels that the ids of images tell, by their folders or names.

    Parameters
    ----------
    data : DataOptions
        What was opened once.
    ids : sequence of str
        Ids of the images.

    Returns
    -------
    Labels or None
        None if they tell none, as where a table said them.
    """
    if class_policy(data).kind == TABLE:
        return None
    arrangement = arrange(list(ids), data, None)
    values, _ = _values(arrangement, data)
    if values is None:
        return None
    numbers, class_names = encode_labels(values)
    return Labels(np.array(ids), numbers, class_names, arrangement.classes_text)


def _has_path(source: Source, data: DataOptions) -> bool:
    """Return whether the data are a file or folder, and not one that a source knows by its name."""
    return data.data != source.name or data.data_dir is not None
