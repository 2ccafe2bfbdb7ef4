"""A run whose encoder can teach."""

import shutil

import pytest

from latentlab import pipeline
from latentlab.storage.run import Run


@pytest.fixture(scope="module")
def teacher(shared_strong_run, tmp_path_factory):
    """Return an embedded copy of the run of SwAV; tests must not change it."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    shutil.copytree(shared_strong_run.path, folder)
    return pipeline.embed(Run.open(folder))
