"""Comparisons: numbers matched, moves counted by hand, paired intervals that find what unpaired ones would not, bad input."""

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.reporting import plots
from latentlab.scoring import comparing
from latentlab.scoring.comparing import Side
from latentlab.storage import text_tables


def assigned(name, ids, splits, clusters, k):
    return name, (np.array(ids), np.array(splits), np.array(clusters)), k


def test_renumbered_clusters_have_not_moved():
    first = Side("a", np.array([0, 0, 1, 1, 2, 2]), 3)
    found = comparing.moved(first, Side("b", np.array([2, 2, 0, 0, 1, 1]), 3))
    assert found["moved"] == 0
    assert found["partner"] == [1, 2, 0]
    assert found["flows"] == []


def test_moves_are_counted_by_hand_with_more_clusters_than_before():
    first = Side("a", np.repeat([0, 1], [6, 4]), 2)
    found = comparing.moved(first, Side("b", np.array([1, 1, 1, 1, 2, 2, 0, 0, 0, 1]), 3))
    assert found["partner"] == [1, 0, None]
    assert found["moved"] == pytest.approx(0.3)
    assert found["flows"] == [{"from": 0, "to": 2, "images": 2}, {"from": 1, "to": 1, "images": 1}]


def test_only_images_that_all_have_are_compared_in_one_order():
    sides, ids, splits = comparing.common(
        [
            assigned("a", ["y", "x", "w"], ["test", "train", "test"], [0, 1, 2], 3),
            assigned("b", ["x", "z", "y"], ["train", "test", "test"], [5, 6, 7], 8),
        ]
    )
    assert ids.tolist() == ["x", "y"]
    assert [side.clusters.tolist() for side in sides] == [[1, 0], [5, 7]]
    assert splits.tolist() == ["train", "test"]


def test_other_images_and_other_splits_are_refused():
    one = assigned("a", ["x"], ["train"], [0], 1)
    with pytest.raises(DataError, match="share no image"):
        comparing.common([one, assigned("b", ["y"], ["train"], [0], 1)])
    with pytest.raises(DataError, match="split the images differently"):
        comparing.common([one, assigned("b", ["x"], ["test"], [0], 1)])


@pytest.fixture
def sides():
    """Return two sides that are wrong for the same third of 600 images, the second for 10 of the held-out ones less, and classes."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 600)
    wrong = rng.random(600) < 1 / 3
    first = np.where(wrong, (classes + 1) % 3, classes)
    second = first.copy()
    mended = np.flatnonzero(wrong & (np.arange(600) >= 300))[:10]
    second[mended] = classes[mended]
    return (
        Side("first", first, 3),
        Side("second", second, 3),
        classes,
        np.repeat(["train", "test"], 300),
    )


def test_a_paired_difference_is_clear_where_the_scores_own_intervals_overlap(sides):
    first, second, classes, splits = sides
    row = comparing.differences(first, second, classes, splits, 3)[0]
    assert row["metric"] == "purity"
    assert row["split"] == "test"
    assert row["difference"] == pytest.approx(10 / 300)
    assert (
        0 < row["low"] < row["difference"] < row["high"] < 0.07
    )  # unpaired: 1.96 * sqrt(2 * 0.22 / 300) = 0.075 to each side
    assert comparing.verdict(row) == "higher"
    assert comparing.verdict(comparing.differences(second, first, classes, splits, 3)[0]) == "lower"


def test_a_clustering_does_not_differ_from_itself_renumbered(sides):
    first, _, classes, splits = sides
    for row in comparing.differences(
        first, Side("again", (first.clusters + 1) % 3, 3), classes, splits, 3
    ):
        assert row["difference"] == pytest.approx(0, abs=1e-12)
        assert (
            comparing.verdict({**row, "low": round(row["low"], 9), "high": round(row["high"], 9)})
            == "no clear difference"
        )


def test_tables_and_figure_are_written(sides, tmp_path):
    first, second, classes, splits = sides
    side = {
        "name": "runs_b:kmeans",
        **comparing.moved(first, second),
        "scores": comparing.differences(first, second, classes, splits, 3),
    }
    found = {"first": "a", "images": 600, "others": [side]}
    paths = text_tables.write(comparing.frame(found), tmp_path, "comparison")
    csv, markdown, latex = (path.read_text() for path in paths)
    assert csv.splitlines()[0].startswith("run,against,images moved,metric")
    assert markdown.count("\n") == 2 + 4
    assert r"runs\_b:kmeans" in latex
    assert r"\toprule" in latex
    assert "+0.033 [" in comparing.text(found)
    assert (
        plots.save_png(plots.score_differences([side], "a"), tmp_path / "x.png").stat().st_size
        > 5000
    )
    assert comparing.frame(
        {"first": "a", "images": 600, "others": [{"name": "b", "moved": 0.5}]}
    ).shape == (1, 3)  # no labels, no scores
