"""How much a reader may unpack: one rule for every file that may come from somebody else.

A file may take `EXPANSION` times its own size in memory, at least `LEAST` and at most what its
reader allows. Most files take no more than ten times; one that takes a thousand was made to do so,
or holds next to nothing. `max_bytes` sets the limit for files that a user trusts.

What is compared is what a reader would take, and it is known before memory is taken: from the
headers of pages, members and arrays, which are compared with each other, or from a count of what
stands in a text.

Reasons: docs/decisions/0080-memory-budget.md.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

LEAST = 256 << 20  # bytes that even the smallest file may take
EXPANSION = 100
LARGEST = 2 << 30  # bytes, where neither reader nor user says otherwise
ROW_BYTES = 128  # of an image or an entry in lists: its id, its split, a label
OBJECT_BYTES = 64  # of a number or an empty text as a Python object, with its place in a list
MOST_EMPTY = 1_000_000  # rows of an array that holds nothing
SMALL_JSON = 1 << 20  # bytes; so many take no more than 30 times as much as Python objects
PIECE = 1 << 20  # bytes that are read at once
DEEPEST = 100  # lists and mappings of JSON within each other
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


class TooLargeError(ValueError):
    """A file would take more memory than it may."""


def allowed_bytes(path: Path, max_bytes: int | None = None, largest: int | None = LARGEST) -> int:
    """Return how many bytes the content of a file may take in memory.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int or None
        What a user allows; it counts alone.
    largest : int or None
        What the reader allows a large file; None is no limit.

    Raises
    ------
    OSError
        If the file cannot be looked at.
    """
    return max_bytes or allowed_for(path.stat().st_size, largest)


def allowed_for(size: int, largest: int | None = LARGEST, expansion: int = EXPANSION) -> int:
    """Return how many bytes a content may take that has `size` bytes in its file.

    Parameters
    ----------
    size : int
        Bytes of the file.
    largest : int or None
        See `allowed_bytes`.
    expansion : int
        How many times its own size it may take.

    Examples
    --------
    >>> allowed_for(4096) >> 20, allowed_for(10 << 20) >> 20, allowed_for(1 << 40) >> 20
    (256, 1000, 2048)
    """
    allowed = max(LEAST, expansion * size)
    return allowed if largest is None else min(allowed, largest)


def check(taken: int, allowed: int, owner: str) -> None:
    """Raise TooLargeError if more would be taken than is allowed.

    Parameters
    ----------
    taken, allowed : int
        Bytes.
    owner : str
        What takes them, such as "its arrays".

    Examples
    --------
    >>> check(5, 4, "its arrays")
    Traceback (most recent call last):
    latentlab.storage.memory_budget.TooLargeError: its arrays take 5 bytes, more than 4
    """
    if taken > allowed:
        raise TooLargeError(f"{owner} take {taken:,} bytes, more than {allowed:,}")


def check_shape(shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse an array that announces many rows and holds nothing, since each takes an id.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    itemsize : int
        Bytes of an entry.

    Raises
    ------
    ValueError
        If its largest axis has more than `MOST_EMPTY` entries of nothing.

    Examples
    --------
    >>> check_shape((0, 8), 4)
    >>> check_shape((300000000, 0, 8), 1)
    Traceback (most recent call last):
    ValueError: its header announces the shape (300000000, 0, 8), which holds nothing
    """
    is_empty = 0 in shape or itemsize == 0
    if is_empty and max(shape, default=0) > MOST_EMPTY:
        raise ValueError(f"its header announces the shape {shape}, which holds nothing")


def count_lines(path: Path, most: int) -> int:
    """Return how many lines a file has; a count above `most` is not finished.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Lines after which it does not matter any more.
    """
    if path.stat().st_size <= most:
        return 0  # it has no more lines than bytes
    lines = 0
    with path.open("rb") as file:
        while lines <= most and (piece := file.read(PIECE)):
            lines += piece.count(b"\n")
    return lines


def parsed_json(content: bytes | str, allowed: int, deepest: int = DEEPEST) -> Any:
    """Return what JSON holds; its size in memory and its depth are known before it is parsed.

    Parameters
    ----------
    content : bytes or str
        JSON; bytes are UTF-8.
    allowed : int
        Largest number of bytes that it may take as Python objects.
    deepest : int
        Lists and mappings that may stand within each other.

    Raises
    ------
    TooLargeError
        If it would take more.
    ValueError
        If it is no JSON, or deeper.

    Examples
    --------
    >>> parsed_json('{"a": [1]}', 10_000)
    {'a': [1]}
    """
    check(bytes_of_json(content), allowed, "its lists, mappings and texts")
    encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if encoded.count(b"[") + encoded.count(b"{") > deepest and _depth(encoded) > deepest:
        raise ValueError(f"more than {deepest} lists or mappings stand within each other")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("its lists and mappings stand within each other too deeply") from error


def json_content(path: Path) -> bytes:
    """Return the content of a JSON file of a run, of which it is known that it may be parsed.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    TooLargeError
        If it would take more than `LARGEST` as Python objects.
    """
    size = path.stat().st_size
    check(size, LARGEST, "its contents")
    content = path.read_bytes()
    if size > SMALL_JSON:
        check(bytes_of_json(content), LARGEST, "its lists, mappings and texts")
    return content


def bytes_of_json(content: bytes | str) -> int:
    """Return about how many bytes JSON takes as Python objects at most, by its marks alone.

    Parameters
    ----------
    content : bytes or str
        JSON.

    Examples
    --------
    >>> bytes_of_json("[1, 2, 3]") > 3 * 40
    True
    """
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    objects = 72 * text.count("[") + 232 * text.count("{") + 28 * text.count('"')
    return sys.getsizeof(text) + objects + 40 * (text.count(",") + text.count(":"))


def _depth(content: bytes) -> int:
    """Return how many lists and mappings stand within each other at most."""
    brackets = _NO_BRACKET.sub(b"", _TEXT.sub(b"", content))
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
