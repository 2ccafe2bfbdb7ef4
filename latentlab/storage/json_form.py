"""Dataclasses as JSON and back: the one way from results to files and to what `--json` prints.

A result is a frozen dataclass. Its fields become the keys of a JSON object, in their order. Nested
dataclasses, tuples, mappings, NumPy numbers and arrays are converted on the way. Metadata of a
field, set by `json_field`, changes its key or leaves it out where it is None.

A class with methods of its own for this, `to_json()` and `from_json(value)`, is asked instead: a
feature spec is stored as text. A field named `extra` collects the keys of newer files.

Reasons: docs/decisions/0050-results-as-dataclasses.md.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from latentlab.errors import RunError
from latentlab.storage.files import read_json, write_json

T = TypeVar("T")
EXTRA = "extra"  # name of the field that takes the keys which the class does not have


def json_field(
    key: str = "",
    optional: bool = False,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
) -> Any:
    """Return a dataclass field with a JSON key of another name, or one that may be left out.

    Parameters
    ----------
    key : str
        Key in JSON, such as "from", which Python does not allow as a name; "" is the field's name.
    optional : bool
        Leave the key out where the value is None. The default is then None.
    default : Any
        Value of the field where the file does not have the key.
    default_factory : callable
        Function that returns this value, for values that can be changed.

    Returns
    -------
    dataclasses.Field

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Flow:
    ...     source: int = json_field(key="from")
    ...     note: str | None = json_field(optional=True)
    >>> to_json(Flow(3))
    {'from': 3}
    """
    if optional and default is dataclasses.MISSING and default_factory is dataclasses.MISSING:
        default = None
    metadata = {"key": key, "optional": optional}
    return dataclasses.field(default=default, default_factory=default_factory, metadata=metadata)


def to_json(value: Any) -> Any:
    """Return a value as plain dicts, lists, numbers and text, which `json.dumps` takes.

    Parameters
    ----------
    value : Any
        A dataclass, a mapping, a sequence, a NumPy array or number, a path, or a plain value.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Examples
    --------
    >>> to_json({"sizes": np.array([2, 3]), "folder": Path("runs/a"), "pair": (1, None)})
    {'sizes': [2, 3], 'folder': 'runs/a', 'pair': [1, None]}
    """
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


def from_json(cls: type[T], value: Any) -> T:
    """Return a dataclass made of what JSON holds: the way back from `to_json`.

    Keys that the class does not have are ignored, or put into its field `extra`. Numbers are kept
    as they are, so that `to_json` of the result gives the same text again.

    Parameters
    ----------
    cls : type
        The dataclass.
    value : Any
        A JSON object as a dict.

    Returns
    -------
    cls

    Raises
    ------
    ValueError
        If a key without a default is missing, or a value has another type than its field.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Row:
    ...     metric: str
    ...     values: tuple[float, ...] = ()
    >>> from_json(Row, {"metric": "nmi", "values": [0.5, 0.25], "newer": True})
    Row(metric='nmi', values=(0.5, 0.25))
    """
    return _converted(cls, value, cls.__name__)


def read(cls: type[T], path: Path) -> T:
    """Return a dataclass from a JSON file of a run.

    Parameters
    ----------
    cls : type
        The dataclass.
    path : Path
        The file.

    Returns
    -------
    cls

    Raises
    ------
    RunError
        If the file is missing or damaged, or holds something else.
    """
    value = read_json(path)
    try:
        return from_json(cls, value)
    except ValueError as error:
        raise RunError(f"{path} cannot be read ({error}). Run its stage again.") from error


def write(path: Path, value: Any) -> Path:
    """Write a dataclass as indented JSON, atomically, and return the path.

    Parameters
    ----------
    path : Path
        The file; its folder is created.
    value : Any
        Anything that `to_json` takes.

    Returns
    -------
    Path
    """
    write_json(path, to_json(value))
    return path


# To JSON


def _object(value: Any) -> dict[str, Any]:
    """Return a dataclass as a JSON object; the keys of its field `extra` come last."""
    result = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        left_out = item is None and field.metadata.get("optional", False)
        if field.name != EXTRA and not left_out:
            result[_key(field)] = to_json(item)
    result.update(to_json(getattr(value, EXTRA, None) or {}))
    return result


def _key(field: Any) -> str:
    return field.metadata.get("key") or field.name


# From JSON


def _converted(kind: Any, value: Any, place: str) -> Any:
    """Return a JSON value as the type that an annotation names; `place` is for errors."""
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if dataclasses.is_dataclass(kind):
        return _instance(kind, value, place)
    convert = _CONTAINERS.get(typing.get_origin(kind))
    if convert is not None:
        return convert(typing.get_args(kind), value, place)
    return _plain(kind, value, place)


def _instance(cls: Any, value: Any, place: str) -> Any:
    """Return a dataclass from a JSON object."""
    _require(isinstance(value, Mapping), value, "an object", place)
    hints = _hints(cls)
    arguments = {}
    rest = dict(value)
    for field in dataclasses.fields(cls):
        key = _key(field)
        if field.name != EXTRA and key in rest:
            item = rest.pop(key)
            arguments[field.name] = _converted(hints[field.name], item, f"{place}.{key}")
        elif field.name != EXTRA and not _has_default(field):
            raise ValueError(f"{place} lacks {key!r}")
    if EXTRA in hints:
        arguments[EXTRA] = rest
    return cls(**arguments)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    """Return the types of a dataclass' fields, with names in quotes resolved."""
    return typing.get_type_hints(cls)


def _has_default(field: Any) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _tuple(kinds: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    """Return a JSON list as a tuple: of one type (`tuple[int, ...]`), or of one type per place."""
    _require(isinstance(value, list | tuple), value, "a list", place)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    _require(len(kinds) == len(value), value, f"a list of {len(kinds)}", place)
    return tuple(_converted(kind, item, place) for kind, item in zip(kinds, value, strict=True))


def _list(kinds: tuple[Any, ...], value: Any, place: str) -> list[Any]:
    return list(_tuple((kinds[0], Ellipsis), value, place))


def _mapping(kinds: tuple[Any, ...], value: Any, place: str) -> dict[Any, Any]:
    """Return a JSON object as a dict; JSON's keys are text, and numbers where the type says so."""
    _require(isinstance(value, Mapping), value, "an object", place)
    key_of = int if kinds[0] is int else str
    return {
        key_of(key): _converted(kinds[1], item, f"{place}.{key}") for key, item in value.items()
    }


def _union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """Return the value as the first of the types that takes it."""
    if value is None and type(None) in kinds:
        return None
    error = ValueError(f"{place} is null")
    for kind in kinds:
        try:
            if kind is not type(None):
                return _converted(kind, value, place)
        except ValueError as refused:
            error = refused
    raise error


def _literal(choices: tuple[Any, ...], value: Any, place: str) -> Any:
    _require(value in choices, value, f"one of {', '.join(map(str, choices))}", place)
    return value


def _plain(kind: Any, value: Any, place: str) -> Any:
    """Return text, a number or an untyped value; build an array or a path from it."""
    if kind is np.ndarray:
        return np.asarray(value)
    if kind is Path:
        return Path(value)
    allowed = _PLAIN.get(kind)
    if allowed is not None:
        matches = isinstance(value, allowed) and (kind is bool or not isinstance(value, bool))
        _require(matches, value, kind.__name__, place)
    return value


def _require(condition: bool, value: Any, expected: str, place: str) -> None:
    if not condition:
        raise ValueError(f"{place} is {type(value).__name__}, not {expected}")


_CONTAINERS: dict[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    tuple: _tuple,
    list: _list,
    dict: _mapping,
    typing.get_origin(Mapping[str, int]): _mapping,
    types.UnionType: _union,
    typing.Union: _union,
    typing.Literal: _literal,
}
_PLAIN: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
}
