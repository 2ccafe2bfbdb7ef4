"""Samples of the scripts that look for faults: kills at random moments, hostile inputs."""

import json
import os
import subprocess
import sys

from helpers.files import ROOT


def script(name: str, *arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def test_kills_at_random_writes_and_moments_resume_to_the_same_bits(tmp_path):
    """A sample of scripts/reliability.py, whose long version reports/reliability keeps."""
    done = script("reliability.py", "kills", "--work", tmp_path, "--count", "4", "--upto", "embed")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "kills.jsonl").read_text().splitlines()]
    assert sum(row["kills"] for row in rows) >= 4
    assert [row for row in rows if row["broken"] or not row["equal"]] == []


def test_a_sample_of_the_hostile_inputs_finds_no_fault(tmp_path):
    done = script("hostile_inputs.py", "--work", tmp_path, "--every", "130")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert int(done.stdout.splitlines()[-1].split()[0]) >= 50
