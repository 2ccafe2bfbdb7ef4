"""Rows with checks: torn ones are dropped, changed and missing ones refused."""

import json

import pytest

from latentlab.errors import RunError
from latentlab.storage import rows
from latentlab.storage.files import append_line

ROWS = [{"epoch": epoch, "loss": 0.5**epoch} for epoch in range(4)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for row in ROWS:
        append_line(path, rows.sealed_line(row, path))
    return path


def test_rows_come_back_without_their_checks(path):
    assert rows.read(path) == ROWS
    assert all("check" in json.loads(line) for line in path.read_text().splitlines())


def test_a_torn_row_is_dropped_and_the_next_one_follows_the_last_whole_one(path):
    path.write_bytes(path.read_bytes()[:-9])
    assert rows.read(path) == ROWS[:3]
    append_line(path, rows.sealed_line({"epoch": 9}, path))
    assert rows.read(path) == [*ROWS[:3], {"epoch": 9}]


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
        (lambda lines: [*lines[:2], lines[2].replace("0.25", "0.26"), lines[3]], 3),
        (lambda lines: [*lines[:3], '{"epoch": 3}\n'], 4),
        (lambda lines: [*lines[:3], "\0" * 20 + "\n"], 4),
    ],
)
def test_changed_and_missing_rows_are_refused_with_their_line(path, damage, line):
    path.write_text("".join(damage(path.read_text().splitlines(keepends=True))))
    with pytest.raises(RunError, match=f"line {line}, was changed"):
        rows.read(path)


def test_rows_of_older_versions_have_no_checks_and_go_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 0}\ntorn{\n{"epoch": 1}\n')
    append_line(path, rows.sealed_line({"epoch": 2}, path))
    assert rows.read(path) == [{"epoch": 0}, {"epoch": 1}, {"epoch": 2}]
