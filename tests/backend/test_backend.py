"""Devices: arithmetic of the processor, memory of an accelerator, determinism."""

import os
import subprocess
import sys

from helpers.files import ROOT
from helpers.runs import small_fit

from latentlab import backend, pipeline
from latentlab.cli import cli
from latentlab.config import ClusterOptions
from latentlab.storage import files


def test_only_what_an_accelerator_has_room_for_stays_there(monkeypatch):
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    assert not backend.stays_on_device(1)
    monkeypatch.setattr(backend, "on_gpu", lambda: True)
    assert backend.stays_on_device(50_000 * 32 * 32 * 3)
    assert not backend.stays_on_device(backend.MOST_RESIDENT_BYTES + 1)


def test_deterministic_is_noted_in_the_run_and_asked_for_by_one_flag(data, tmp_path, monkeypatch):
    from latentlab import backend

    monkeypatch.setenv("LATENTLAB_DETERMINISTIC", "1")
    first, second = (pipeline.fit(data, small_fit(epochs=1), tmp_path / name) for name in "ab")
    clustered = [pipeline.cluster(run, ClusterOptions(k=4)) for run in (first, second)]
    assert first.fact("deterministic") is True
    assert clustered[0].result == clustered[1].result
    for name in (
        "encoder/weights.npz",
        "clusters/kmeans-k4/assignments.parquet",
        "clusters/kmeans-k4/model.npz",
    ):
        assert files.sha256(first.path / name) == files.sha256(second.path / name)
    assert "--deterministic" in {option for parameter in cli.params for option in parameter.opts}
    backend.set_deterministic(False)
    assert not backend.is_deterministic()


def test_devices_are_set_up_where_keras_was_imported_before():
    """As in a notebook; else --deterministic would be noted and not be done."""
    code = (
        "import keras; from latentlab import backend; backend.start();"
        "from tensorflow.python.framework import config; print(config.is_op_determinism_enabled())"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": "tensorflow",
        "LATENTLAB_DETERMINISTIC": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.stdout == "True\n", done.stderr[-1000:]


def test_what_is_installed_is_what_runs():
    installed, running = backend.installed_versions(), backend.versions()
    assert installed.keys() == running.keys()
    assert {**installed, "device": ""} == {**running, "device": ""}
