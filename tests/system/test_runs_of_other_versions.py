"""Runs that another version wrote."""

import dataclasses
import shutil

from helpers.files import STORED_RUN
from helpers.runs import small_fit

from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions
from latentlab.storage import tables
from latentlab.storage.run import Run


def test_a_run_of_the_first_format_loads_and_goes_on(tmp_path):
    shutil.copytree(STORED_RUN, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    pipeline.embed(run)
    assert pipeline.cluster(run, ClusterOptions(k=4)).k == 4
    assert {
        path: path.stat().st_mtime_ns for path in before
    } == before  # all of it was done already
    again = pipeline.fit(
        DataOptions(data="digits", limit=40, size=16),
        dataclasses.replace(small_fit(), arch_options={"width": 2, "code_channels": 2}),
        run.path,
    )
    assert again.record("fit") == run.record("fit")
    assert pipeline.cluster(run, ClusterOptions(k=3)).result.sizes["train"]
    table = tables.read(
        pipeline.predict(
            run, "dcec-k3", DataOptions(data="digits", limit=40, size=16), tmp_path / "new.parquet"
        )
    )
    assert (
        table["cluster"].to_pylist()
        == tables.read(run.path / "clusters" / "dcec-k3" / "assignments.parquet")[
            "cluster"
        ].to_pylist()
    )
    assert sum(path.stat().st_size for path in STORED_RUN.rglob("*") if path.is_file()) < 300_000
