"""The server of `latentlab view`, which answers its own page only, and what `latentlab export` writes."""

import shutil

import pytest

from latentlab import pipeline
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewed") / "run"
    shutil.copytree(finished_run.path, folder)
    return pipeline.project(Run.open(folder), sample=100)
