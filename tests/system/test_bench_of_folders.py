"""The parts of scripts/bench_folders.py: measures, its table, how often criteria were right."""

import dataclasses
import sys

import numpy as np
import pytest
from helpers.files import ROOT

SCRIPTS = str(ROOT / "scripts")


@pytest.fixture(scope="module")
def scripts():
    """Return the modules of the bench, imported from the folder of scripts."""
    sys.path.insert(0, SCRIPTS)
    try:
        import _folder_measures
        import _folder_page
        import _folder_table
    finally:
        sys.path.remove(SCRIPTS)
    return _folder_measures, _folder_page, _folder_table


def test_measures_of_perfect_clusters(scripts):
    measures, _, _ = scripts
    vectors = np.repeat(np.eye(3, dtype=np.float32), 12, axis=0)
    classes = np.repeat(["a", "b", "c"], 12)
    clusters = np.repeat([2, 0, 1], 12)
    measured = measures.measures_of(clusters, classes, vectors)
    assert dataclasses.astuple(measured) == pytest.approx((1, 1, 1))
    assert measures.purity(np.zeros(36, int), classes) == pytest.approx(1 / 3)
    assert measures.agreement_between([clusters, 5 - clusters]) == 1


def test_table_is_read_as_it_was_written(scripts, tmp_path):
    _, _, tables = scripts
    row = tables.Row("f", "e", "default", "", 10, 2, 2, 0, 0.9, 1.0, 0.5, 0.6, 1.5)
    table = tables.Table(tmp_path / "table.csv")
    table.add([row, dataclasses.replace(row, seed=1, purity=0.7)])
    again = tables.Table(tmp_path / "table.csv")
    assert again.rows == table.rows
    assert again.has("f", "e", "default", [0, 1])
    assert not again.has("f", "e", "default", [0, 1, 2])
    assert again.means("purity")["f", "e", "default"][0] == pytest.approx(0.8)
    assert "0.800 ± 0.141" in tables.markdown(again, "purity", [("e", "default")], ["f"])


def test_hits_count_best_encoders_and_pairs(scripts):
    _, page, _ = scripts
    values = {"silhouette": 0.9, "seed-stability": 0.1, "neighbours": 0.5, "mean rank": 1.0}
    others = {"silhouette": 0.1, "seed-stability": 0.9, "neighbours": 0.4, "mean rank": 2.0}
    said = {"f": {"good": values, "bad": others}, "noise": {"good": others, "bad": values}}
    purities = {("f", "good"): 0.9, ("f", "bad"): 0.5}
    hits = {row["criterion"]: row for row in page.hits_of(said, purities)}
    assert hits["silhouette"] == {
        "criterion": "silhouette",
        "best": 1,
        "folders": 1,
        "pairs_right": 1,
        "pairs": 1,
    }
    assert hits["seed-stability"]["best"] == 0
    assert hits["mean rank"]["pairs_right"] == 1
