"""Classes of pictures in archives.

WebDataset keeps a label beside each picture: KEY.cls with a number or a word, or KEY.json with a
key named label, class, cls, category or target, or as `label_column` says. Pictures in other
archives have the class of their folder.
"""

from typing import Any

from latentlab.config import DataOptions
from latentlab.data.container_source import (
    ContainerSet,
    ContainerSource,
    container_splits,
)
from latentlab.data.formats.containers import LABEL_KEYS, MOST_LABEL_BYTES, Member, SortedMembers
from latentlab.data.layouts.name_splits import name_classes
from latentlab.data.source import ImageIndex, Source
from latentlab.errors import ConfigError, DataError
from latentlab.scoring.labels._encoding import MOST_DIGITS, Labels, encode_labels, first_labels
from latentlab.storage import memory_budget


def read_container_labels(name: str, data: DataOptions) -> Labels | None:
    """Return the class of every picture of archives.

    Parameters
    ----------
    name : {"zip", "tar"}
        Name of the source.
    data : DataOptions
        What to open.

    Returns
    -------
    Labels or None
        None if there are none.

    Raises
    ------
    DataError
        If a label cannot be read.
    """
    source = Source.named(name)
    assert isinstance(source, ContainerSource)
    pictures = source.container_set(data)
    values = _values(pictures, data)
    if len({value for value in values if value not in (None, "")}) == 0:
        return None
    class_numbers, class_names = encode_labels(values)
    index = ImageIndex(pictures.ids, container_splits(pictures, data).splits)
    return first_labels(class_numbers, class_names, index, data)


def _values(pictures: ContainerSet, data: DataOptions) -> list[Any]:
    """Return the label of each picture: a number, a word, or None."""
    if not pictures.has_label_members(data.label_column):
        return list(name_classes(pictures.names, data) or [])
    texts = [_text(part, picture) for part, picture in pictures.pictures]
    values = [_value(text, suffix, data.label_column) for text, suffix in texts]
    present = [value for value in values if value is not None]
    # Numbers and words cannot be put in one order.
    if all(isinstance(value, int) for value in present):
        return values
    return [None if value is None else str(value) for value in values]


def _text(part: SortedMembers, picture: Member) -> tuple[str, str]:
    """Return the content of the member with a picture's label, and its suffix."""
    member = part.label_member(picture)
    if member is None:
        return "", ""
    place = f"{part.container.path}: {member.name}"
    if member.size > MOST_LABEL_BYTES:
        raise DataError(f"{place} has {member.size} bytes, which is no label.")
    content = part.container.read(member)
    if content is None:
        raise DataError(f"{place} cannot be read. Fetch the archive again.")
    return content.decode(errors="replace"), member.name.rpartition(".")[2].lower()


def _value(text: str, suffix: str, wanted: str | None) -> int | str | None:
    """Return a label as a number where it is one, or as a word; None for none."""
    if suffix != "json":
        return _number_or_word(text.strip())
    try:
        content = memory_budget.parsed_json(text, memory_budget.LEAST)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    if wanted is not None and wanted not in content:
        raise ConfigError(
            f": the .json members have no such key; they have {', '.join(list(content)[:10])}",
            field="label_column",
            value=wanted,
        )
    key = wanted or next((key for key in LABEL_KEYS if key in content), None)
    return None if key is None else _number_or_word(str(content[key]).strip())


def _number_or_word(text: str) -> int | str | None:
    digits = text.removeprefix("-")
    if digits.isdecimal() and len(digits) <= MOST_DIGITS:
        return int(text)
    return text or None
