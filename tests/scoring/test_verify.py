"""An untouched run reproduces, changed or lost files are named, and the run is not changed."""

import json
import logging
import shutil
import signal

import numpy as np
import pytest
from click.testing import CliRunner

from latentlab import pipeline
from latentlab.cli import cli
from latentlab.storage import tables
from latentlab.storage.run import Run


@pytest.fixture(autouse=True)
def _process_as_before():
    """Undo what the command line sets up for its process: the answer to SIGTERM and the logger."""
    logger = logging.getLogger("latentlab")
    handler, kept = (
        signal.getsignal(signal.SIGTERM),
        (logger.handlers[:], logger.level, logger.propagate),
    )
    yield
    signal.signal(signal.SIGTERM, handler)
    logger.handlers[:], logger.level, logger.propagate = kept


@pytest.fixture
def run(finished_run, tmp_path):
    """Return a copy of the finished run that may be spoiled."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def times(run):
    return {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}


def test_an_untouched_run_reproduces_and_is_not_changed(run):
    before = times(run)
    verification = pipeline.verify(run)
    assert verification.reproduces, verification
    assert {check.subject for check in verification.checks} >= {
        "files of fit",
        "images",
        "codes",
        "clusters kmeans-k4",
        "scores kmeans-k4",
    }
    assert verification.versions == ()
    assert times(run) == before


def test_codes_of_other_weights_and_clusters_of_other_centers_are_found(run):
    path = run.path / "encoder" / "weights.npz"
    with np.load(path) as arrays:
        weights = {name: arrays[name] * np.float32(1.5) for name in arrays.files}
    np.savez(path, **weights)
    assert {"files of fit", "codes"} <= set(pipeline.verify(run).failed)


def test_another_score_and_another_assignment_are_found(run):
    folder = run.path / "clusters" / "kmeans-k4"
    table = tables.read(folder / "assignments.parquet")
    turned = table.set_column(
        table.column_names.index("cluster"),
        "cluster",
        [((np.asarray(table["cluster"]) + 1) % 4).astype(np.int32)],
    )
    tables.write(folder / "assignments.parquet", turned)
    scores = json.loads((folder / "scores.json").read_text())
    scores["rows"][0]["value"] += 0.01
    (folder / "scores.json").write_text(json.dumps(scores))
    assert set(pipeline.verify(run).failed) == {
        "files of cluster/kmeans-k4",
        "files of evaluate/kmeans-k4",
        "clusters kmeans-k4",
        "scores kmeans-k4",
    }


@pytest.mark.parametrize("spoil", ["missing", "damaged"])
def test_lost_and_damaged_files_end_in_code_7_and_one_line(run, spoil):
    path = run.path / "clusters" / "kmeans-k4" / "model.npz"
    path.unlink() if spoil == "missing" else path.write_bytes(path.read_bytes()[:200])
    result = CliRunner().invoke(cli, ["-q", "verify", str(run.path)])
    assert result.exit_code == 7, result.output
    assert (
        "FAILED  files of cluster/kmeans-k4: missing or changed: clusters/kmeans-k4/model.npz"
        in result.output
    )
    assert result.output.splitlines()[-1].startswith(
        f"error: {run.path} does not reproduce here: files of cluster/kmeans-k4, clusters kmeans-k4"
    )
    assert "bug" not in result.output


def test_unknown_runs_and_names_are_code_4_and_other_versions_are_told(run, tmp_path):
    assert CliRunner().invoke(cli, ["-q", "verify", str(tmp_path / "none")]).exit_code == 4
    assert (
        CliRunner().invoke(cli, ["-q", "verify", str(run.path), "--name", "nonsense"]).exit_code
        == 4
    )
    run.note(keras="0.0.1")
    result = CliRunner().invoke(cli, ["-q", "verify", str(run.path), "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)["result"]
    assert found["reproduces"]
    assert found["versions"][0].startswith("keras was 0.0.1 and is ")
