"""The benchmark against peers, on a few items."""

import json
import subprocess
import sys

from helpers.files import ROOT


def test_rows_name_their_peer_and_stay_when_others_are_measured(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "benchmark.py"), "--small", "--rows"]
    for rows in ("decode,train", "limit,kmeans"):
        line = [*command, rows, "--out", str(tmp_path)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        assert ("train: left out, since torch" in done.stdout) == ("train" in rows)
    measured = json.loads((tmp_path / "results.json").read_text())
    assert len(measured) == 4
    assert all(row["ratio_to_peer"] > 0 and row["peer"] for row in measured)
    page = (tmp_path / "README.md").read_text()
    assert all(row["row"] in page for row in measured)
