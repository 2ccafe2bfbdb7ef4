"""Texts for people in the columns of their terminal: no number or word is broken at its edge.

A table that is too wide continues below with its first column again. Its last column, and any other
line, is broken between words, with its beginning kept free. What is piped somewhere stays as it is.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

SMALLEST_TEXT = 24  # columns that the last column of a table needs to be broken in place
GAP = re.compile(r"(?<=\S)\s{2,}(?=\S)")


def terminal_columns() -> int | None:
    """Return the columns of the terminal that reads the standard output; None if none does."""
    if not (sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()):
        return None
    return shutil.get_terminal_size().columns


def fitted(text: str, columns: int) -> str:
    r"""Return a text whose lines have room in a terminal.

    Parameters
    ----------
    text : str
        Lines; tables have two spaces or more between their columns.
    columns : int
        Of the terminal.

    Examples
    --------
    >>> print(fitted("name  value  chance\na     0.125  0.500", 14))
    name  value
    a     0.125
    <BLANKLINE>
    name  chance
    a     0.500
    """
    lines = text.split("\n")
    if max(map(len, lines)) <= columns:
        return text
    parts: list[str] = []
    for is_row, group in groupby(lines, key=lambda line: bool(GAP.search(line))):
        block = list(group)
        if max(map(len, block)) <= columns:
            parts += block
        elif is_row and len(block) > 1:
            parts += _narrow_table(block, columns)
        else:
            parts += [_broken(line, columns) for line in block]
    return "\n".join(parts)


def _narrow_table(rows: Sequence[str], columns: int) -> list[str]:
    """Return a table in several parts below each other."""
    starts = _starts(rows)
    if len(starts) < 2:
        return [_broken(row, columns) for row in rows]
    width = max(map(len, rows))
    edges = list(zip(starts, [*starts[1:], width], strict=True))
    head = edges[0][1]
    parts = list(_parts(edges[1:], columns - head))
    table: list[str] = []
    for number, (left, right) in enumerate(parts):
        table += [""] if number else []
        for row in rows:
            line = (row[:head].ljust(head) + row[left:right]).rstrip()
            table.append(_broken(line, columns, head + starts[-1] - left if right == width else 0))
    return table


def _parts(edges: Sequence[tuple[int, int]], room: int) -> Iterator[tuple[int, int]]:
    """Yield where each part of a table begins and ends: as many columns as there is room for."""
    left, right = edges[0]
    for start, end in edges[1:]:
        is_last = end == edges[-1][1]
        needed = start + SMALLEST_TEXT if is_last and end - start > SMALLEST_TEXT else end
        if needed - left > room:
            yield left, right
            left = start
        right = end
    yield left, right


def _starts(rows: Sequence[str]) -> list[int]:
    """Return where the columns of a table begin: after two spaces or more in every row."""
    width = max(map(len, rows))
    is_free = [all(not row[place : place + 1].strip() for row in rows) for place in range(width)]
    is_start = [
        not is_free[place] and place > 1 and is_free[place - 1] and is_free[place - 2]
        for place in range(width)
    ]
    first = next(place for place in range(width) if not is_free[place])
    return [0, *(place for place in range(width) if is_start[place] and place > first)]


def _broken(line: str, columns: int, indent: int = 0) -> str:
    """Return a line broken between words; its rest begins at `indent`, or where the line does."""
    if len(line) <= columns:
        return line
    indent = indent if 0 < indent <= columns - SMALLEST_TEXT // 2 else _indent(line)
    return "\n".join(
        textwrap.wrap(
            line,
            columns,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
