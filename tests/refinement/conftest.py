"""A fitted run for tests of deep clustering, and the same run clustered by every method."""

import shutil

import pytest
from helpers.refinement import METHODS, options_of
from helpers.runs import small_fit
from helpers.shared_runs import run_made_once

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.storage.run import Run


@pytest.fixture(scope="session")
def fitted(stripes_file, tmp_path_factory):
    """Return a function that gives a copy of a fitted and embedded run."""

    def make(folder):
        data = DataOptions(data=str(stripes_file))
        pipeline.embed(pipeline.fit(data, small_fit(), folder / "run"))

    folder = run_made_once(tmp_path_factory, "fitted", make).path

    def copy(name):
        target = folder.with_name(name)
        shutil.copytree(folder, target)
        return Run.open(target)

    return copy


@pytest.fixture(scope="session")
def clustered(fitted):
    """Return a run that was clustered by every method; tests must not change it."""
    run = fitted("clustered")
    for method in METHODS:
        pipeline.cluster(run, options_of(method))
    return run
