"""A run with a map, for the viewer and exports."""

import shutil

import pytest

from latentlab import pipeline
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def run_with_map(finished_run, tmp_path_factory):
    """Return a copy of the finished run with its map; tests must not change it."""
    folder = tmp_path_factory.mktemp("viewed") / "run"
    shutil.copytree(finished_run.path, folder)
    return pipeline.project(Run.open(folder), sample=100)
