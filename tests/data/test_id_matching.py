"""Vectors and images belong together by the first rule that fits."""

import pytest

from latentlab.data.id_matching import match_ids
from latentlab.errors import DataError

IMAGES = ["cats/1.png", "cats/2.png", "dogs/1.png", "dogs/3.png"]


@pytest.mark.parametrize(
    ("ids", "rule", "rows", "positions"),
    [
        (["dogs/3.png", "cats/1.png", "x"], "same id", [1, 0], [0, 3]),
        (
            ["/home/me/dogs/3.png", r"C:\data\cats\1.png", "3.png"],
            "end of the path",
            [1, 0],
            [0, 3],
        ),
        (["/a/cats/1.png", "/b/cats/1.png", "/a/cats/2.png"], "end of the path", [2], [1]),
        (["x/3.png", "x/1.png", "2.png"], "file name", [2, 0], [1, 3]),  # two are called 1.png
        (None, "order", [0, 1, 2, 3], [0, 1, 2, 3]),
        (["0", "1", "2", "3"], "order", [0, 1, 2, 3], [0, 1, 2, 3]),
    ],
)
def test_rules(ids, rule, rows, positions):
    match = match_ids("v.csv", len(ids or IMAGES), ids, IMAGES)
    assert match.rule == rule
    assert match.rows.tolist() == rows
    assert match.positions.tolist() == positions


@pytest.mark.parametrize(
    ("ids", "count", "reason"),
    [
        (["x", "y", "z", "q"], 4, "not one of the 4 ids in v.csv .* such as 'x'.* called 'cats/1"),
        (None, 3, "3 vectors without ids of images, and there are 4 images"),
        (["0", "1", "2"], 3, "3 vectors without ids of images"),
    ],
)
def test_what_matches_nothing_is_refused(ids, count, reason):
    with pytest.raises(DataError, match=reason):
        match_ids("v.csv", count, ids, IMAGES)
