"""Manifests of newer versions, and manifests that point outside the run."""

import json
import shutil

import pytest
from helpers.files import STORED_RUN, read_json

from latentlab.errors import RunError
from latentlab.storage.manifest import FORMAT
from latentlab.storage.run import Run


def test_a_newer_run_is_refused_in_one_line(tmp_path):
    shutil.copytree(STORED_RUN, tmp_path / "run")
    manifest = read_json(tmp_path / "run" / "run.json")
    (tmp_path / "run" / "run.json").write_text(
        json.dumps(manifest | {"format": FORMAT + 1, "stages": "of another form"})
    )
    with pytest.raises(
        RunError,
        match=rf"newer latentlab \(format {FORMAT + 1}, known up to {FORMAT}\). Update latentlab.",
    ):
        Run.open(tmp_path / "run")


def test_manifests_that_point_outside_are_refused(tmp_path):
    manifest = read_json(STORED_RUN / "run.json")
    entry = manifest["stages"]["fit"]
    for name, output in (("cluster/../../x", "y"), ("/x", "y"), ("x", "../y"), ("x", "/y")):
        changed = {**entry, "outputs": [{"path": output, "bytes": 1, "sha256": "0"}]}
        (tmp_path / "run.json").write_text(json.dumps(manifest | {"stages": {name: changed}}))
        with pytest.raises(RunError, match="is not the manifest of a run"):
            Run.open(tmp_path)
