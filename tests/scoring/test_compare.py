"""Comparisons: matched numbers, moves counted by hand, paired intervals, bad input."""

import dataclasses

import numpy as np
import pytest

from latentlab.cli.texts.compare import comparison_text
from latentlab.errors import DataError
from latentlab.reporting import plots
from latentlab.scoring.compare import (
    Candidate,
    ComparedClusters,
    Comparison,
    Side,
    common_images,
    comparison_frame,
    overlap_of,
    score_differences,
)
from latentlab.storage import text_tables
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import NamedCluster
from latentlab.storage.json_form import to_json


def assigned(name, ids, splits, clusters, k):
    return Candidate(name, Assignments(np.array(ids), np.array(splits), np.array(clusters)), k)


def test_renumbered_clusters_have_not_moved():
    first = Side("a", np.array([0, 0, 1, 1, 2, 2]), 3)
    comparison = overlap_of(first, Side("b", np.array([2, 2, 0, 0, 1, 1]), 3))
    assert comparison.moved == 0
    assert comparison.partner == (1, 2, 0)
    assert comparison.flows == ()


def test_clusters_that_edits_have_emptied_are_nobodys_partner():
    first = Side("a", np.array([1, 1, 1, 2, 2]), 3, shown=(1, 2))
    second = Side("b", np.array([0, 0, 3, 3, 3]), 4, shown=(0, 3))
    comparison = overlap_of(first, second)
    assert comparison.partner == (1, None, None, 2)
    assert comparison.moved == pytest.approx(0.2)
    assert to_json(comparison.flows) == [{"from": 1, "to": 3, "images": 1}]


def test_flows_are_told_by_the_names_that_clusters_were_given():
    first, second = (
        Side("a", np.array([0, 0, 0, 1]), 2),
        Side("b", np.array([0, 0, 1, 1]), 2),
    )
    sides = (
        ComparedClusters("a", "with 1 edit by hand", (NamedCluster(0, "cats", 3),)),
        ComparedClusters("b", "as computed", (NamedCluster(1, "cluster 1", 2),)),
    )
    comparison = Comparison("a", 4, (overlap_of(first, second),), sides=sides)
    text = comparison_text(comparison)
    assert "1 from 0 cats to 1" in text
    assert "clusters with 1 edit by hand: a" in text


def test_moves_are_counted_by_hand_with_more_clusters_than_before():
    first = Side("a", np.repeat([0, 1], [6, 4]), 2)
    comparison = overlap_of(first, Side("b", np.array([1, 1, 1, 1, 2, 2, 0, 0, 0, 1]), 3))
    assert comparison.partner == (1, 0, None)
    assert comparison.moved == pytest.approx(0.3)
    assert to_json(comparison.flows) == [
        {"from": 0, "to": 2, "images": 2},
        {"from": 1, "to": 1, "images": 1},
    ]


def test_only_images_that_all_have_are_compared_in_one_order():
    common = common_images(
        [
            assigned("a", ["y", "x", "w"], ["test", "train", "test"], [0, 1, 2], 3),
            assigned("b", ["x", "z", "y"], ["train", "test", "test"], [5, 6, 7], 8),
        ]
    )
    assert common.ids.tolist() == ["x", "y"]
    assert [side.clusters.tolist() for side in common.sides] == [[1, 0], [5, 7]]
    assert common.splits.tolist() == ["train", "test"]


def test_other_images_and_other_splits_are_refused():
    one = assigned("a", ["x"], ["train"], [0], 1)
    with pytest.raises(DataError, match="share no image"):
        common_images([one, assigned("b", ["y"], ["train"], [0], 1)])
    with pytest.raises(DataError, match="split the images differently"):
        common_images([one, assigned("b", ["x"], ["test"], [0], 1)])


@pytest.fixture
def sides():
    """Return two sides, classes and splits of 600 images.

    Both sides are wrong for the same third, except that the second is right for 10 held-out images
    of it.
    """
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
    row = score_differences(first, second, classes, splits, 3)[0]
    assert row.metric == "purity"
    assert row.split == "test"
    assert row.difference == pytest.approx(10 / 300)
    assert (
        0 < row.low < row.difference < row.high < 0.07
    )  # unpaired: 1.96 * sqrt(2 * 0.22 / 300) = 0.075 to each side
    assert row.verdict == "higher"
    assert score_differences(second, first, classes, splits, 3)[0].verdict == "lower"


def test_a_clustering_does_not_differ_from_itself_renumbered(sides):
    first, _, classes, splits = sides
    for row in score_differences(
        first, Side("again", (first.clusters + 1) % 3, 3), classes, splits, 3
    ):
        assert row.difference == pytest.approx(0, abs=1e-12)
        rounded = dataclasses.replace(row, low=round(row.low, 9), high=round(row.high, 9))
        assert rounded.verdict == "no clear difference"


def test_tables_and_figure_are_written(sides, tmp_path):
    first, second, classes, splits = sides
    side = dataclasses.replace(
        overlap_of(first, second._replace(name="runs_b:kmeans")),
        scores=score_differences(first, second, classes, splits, 3),
    )
    comparison = Comparison("a", 600, (side,))
    paths = text_tables.write(comparison_frame(comparison), tmp_path, "comparison")
    csv, markdown, latex = (path.read_text() for path in paths)
    assert csv.splitlines()[0].startswith("run,against,images moved,metric")
    assert markdown.count("\n") == 2 + 4
    assert r"runs\_b:kmeans" in latex
    assert r"\toprule" in latex
    assert "+0.033 [" in comparison_text(comparison)
    figure = plots.score_differences([side], "a")
    assert plots.save_png(figure, tmp_path / "x.png").stat().st_size > 5000


def test_without_labels_the_table_has_no_scores(sides):
    first, second, *_ = sides
    assert comparison_frame(Comparison("a", 600, (overlap_of(first, second),))).shape == (1, 3)
