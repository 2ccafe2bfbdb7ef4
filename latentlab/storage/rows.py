"""Files of rows, a JSON object a line, that grow while a loop runs: metrics.jsonl and the like.

    {"stage": "fit", "epoch": 1, ..., "check": "9f86d081884c7d65"}

The check of a row is made of the row and the check before it, so that a changed row and a missing
one are both noticed. Older versions wrote rows without.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlab.errors import RunError
from latentlab.storage import guard, memory_budget

CHECK = "check"
CHECK_DIGITS = 16
TAIL = 1 << 16  # bytes at the end of a file in which its last line is looked for
Row = dict[str, Any]


def sealed_line(row: Mapping[str, Any], path: Path) -> str:
    """Return a row as the line that follows those of a file.

    Parameters
    ----------
    row : mapping
        The row, as JSON.
    path : pathlib.Path
        The file, which need not exist.
    """
    return json.dumps({**row, CHECK: check_of(row, last_check(path))})


def check_of(row: Mapping[str, Any], before: str) -> str:
    """Return the check of a row.

    Parameters
    ----------
    row : mapping
        The row without its check.
    before : str
        Check of the row before; "" for the first.

    Examples
    --------
    >>> check_of({"epoch": 1}, "") == check_of({"epoch": 1}, "00")
    False
    """
    text = before + json.dumps(row)
    return hashlib.sha256(text.encode()).hexdigest()[:CHECK_DIGITS]


def last_check(path: Path) -> str:
    """Return the check of the last whole line of a file; "" if there is none.

    Parameters
    ----------
    path : pathlib.Path
        The file, which need not exist.
    """
    guard.inside(path)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        lines = file.read().split(b"\n")[:-1]  # what follows the last end is torn
    row = _parsed(lines[-1].decode(errors="replace")) if lines else None
    return str(row.get(CHECK, "")) if row is not None else ""


def read(path: Path) -> list[Row]:
    """Return the rows of a file without their checks; a torn last line is dropped.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    RunError
        If a row is not as it was written, or rows before it are missing.
    """
    rows, damaged_line = read_whole_part(path)
    if damaged_line:
        raise RunError(
            f"{path}, line {damaged_line}, was changed or damaged since it was written, or lines"
            " before it are missing. It cannot be made again: restore the file from a copy, or"
            " make another run."
        )
    return rows


def read_whole_part(path: Path) -> tuple[list[Row], int]:
    """Return the rows of a file up to the first that is damaged, and its number.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    rows : list of dict
        Without their checks.
    damaged_line : int
        Number of the line, from 1, that is not as it was written; 0 if all are.

    Raises
    ------
    RunError
        If the file has more than 2 GiB.
    """
    guard.inside(path)
    if path.stat().st_size > memory_budget.LARGEST:
        raise RunError(f"{path} is too large to be read. Restore it from a copy.")
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    rows: list[Row] = []
    before = ""
    for number, line in enumerate(lines, start=1):
        row = _parsed(line)
        check = None if row is None else row.pop(CHECK, None)
        if check is None and not before:  # of an older version, which left torn lines
            rows += [] if row is None else [row]
        elif row is None or check != check_of(row, before):
            return rows, number
        else:
            rows.append(row)
            before = check
    return rows, 0


def _parsed(line: str) -> Row | None:
    """Return the object that a line holds; None if it holds none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
