"""The script of the second stage on a small run: parts, table, curves, choice without labels."""

import json
import sys

import pytest
from helpers.files import ROOT


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import second_stage

    return second_stage


def test_a_small_run_is_trained_scored_and_reported(script, strong_run, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "BATCH", 60)
    quick = {"batch_size": 30, "neighbors": 10, "momentum": 0.9, "threshold": 0.5}
    monkeypatch.setitem(script.SETTINGS, "quick", quick)
    line = f"--run {strong_run.path} --k 4 --settings quick --epochs 2 --seeds 0"
    places = f"--work {tmp_path / 'work'} --out {tmp_path / 'out'}"
    monkeypatch.setattr(sys, "argv", ["second_stage.py", *line.split(), *places.split()])
    script.main()
    part = json.loads(next((tmp_path / "out" / "parts").iterdir()).read_text())
    assert part["rounds"] == 2
    assert len(part["purity"]["train_by_round"]) == 3
    assert 0.25 <= part["purity"]["test_after"] <= 1
    assert part["certainty"]["first"]["agreement"] > 0.5
    assert "quick-2epochs-seed0" in (tmp_path / "out" / "README.md").read_text()
    assert (tmp_path / "out" / "curves.png").stat().st_size > 5000
    monkeypatch.setattr(script, "train", None)
    script.main()  # all is done already


def test_the_choice_reads_no_label(script):
    def part(agreement, confidence, went_back=""):
        last = {"agreement": agreement, "confidence": confidence}
        return {"certainty": {"last": last}, "went_back": went_back, "purity": None}

    parts = {"a": part(0.80, 0.7), "b": part(0.797, 0.8), "c": part(0.9, 0.9, "it fell")}
    assert script.chosen(parts) == "b"
    assert script.chosen({"c": parts["c"]}) == ""
