"""The command line as a user meets it, in processes of its own."""

import json
import os
import resource
import subprocess
import sys

from helpers.command_line import FAST, error_line
from helpers.files import ROOT
from helpers.processes import latentlab_command, latentlab_in_turn, warm_command, words


def test_help_answers_within_its_budget_and_imports_nothing_heavy():
    code = (
        "import sys, resource, runpy\n"
        "sys.argv = ['latentlab', '--help']\n"
        "try:\n    runpy.run_module('latentlab', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = set('tensorflow keras jax torch numpy pandas sklearn umap matplotlib pyarrow rich'"
        ".split()) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, result.stderr
    assert "latentlab cluster --k 10" in result.stdout
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0
    )  # 0.3 is the promise; machines are noisy


def test_the_main_job_by_commands(stripes_file, tmp_path):
    run = tmp_path / "run"
    fitted = latentlab_command("fit", "--data", stripes_file, "--run", run, *FAST, "--json")
    assert fitted.returncode == 0, fitted.stderr
    assert json.loads(fitted.stdout)["result"]["epochs"] == 1
    assert "loss on one image before training" in fitted.stderr
    assert "cpu_feature_guard" not in fitted.stderr  # what TensorFlow prints as it starts
    clustered, scored, reported, listed = latentlab_in_turn(
        ("cluster", "--run", run, "--k", "4"),
        ("evaluate", "--run", run),
        ("report", "--run", run),
        ("runs", tmp_path),
    )
    assert "sizes" in clustered.stdout, clustered.stderr
    assert "pixels+kmeans" in scored.stdout, scored.stderr
    assert reported.returncode == 0, reported.stderr
    assert reported.stdout.strip().endswith("index.html")
    assert "cluster/kmeans-k4" in listed.stdout


def test_sweep_draws_one_figure(stripes_file, tmp_path):
    line = "sweep --learning-rate 0.01,0.001 --data {} --run {}"
    result = warm_command(*words(line, stripes_file, tmp_path / "sweep"), *FAST)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "sweep" / "learning-rates.png").read_bytes().startswith(b"\x89PNG")
    assert "numbers separated by commas" in error_line(
        warm_command("sweep", "--learning-rate", "a,b", "--run", tmp_path / "s"), 2
    )
