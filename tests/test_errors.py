"""Errors name the argument to a Python user, and the flag to one of the command line."""

import pytest
from helpers.runs import small_fit

from latentlab import backend, pipeline
from latentlab.cli import cli
from latentlab.cli.errors import Translator
from latentlab.config import ClusterOptions, FitOptions
from latentlab.errors import (
    ConfigError,
    DataError,
    MissingDependencyError,
    RunError,
    TrainingError,
)
from latentlab.refinement.refiner import Refiner
from latentlab.storage.run import Run


def texts_of(raised):
    """Return what Python says of an error, and what the command line says."""
    return str(raised.value), Translator(cli).error_text(raised.value)


def test_a_config_error_names_argument_and_flag():
    with pytest.raises(ConfigError) as raised:
        ClusterOptions(k=0)
    assert texts_of(raised) == ("`k=0`: must be at least 1.", "--k 0: must be at least 1.")
    assert (raised.value.field, raised.value.value, raised.value.limit) == ("k", 0, 1)


def test_all_wrong_options_are_named_at_once():
    with pytest.raises(ConfigError) as raised:
        FitOptions(epochs=0, batch_size=-1)
    python, terminal = texts_of(raised)
    assert python == "`epochs=0`: must be at least 1; `batch_size=-1`: must be at least 1."
    assert terminal == "--epochs 0: must be at least 1; --batch-size -1: must be at least 1."


def test_wrong_settings_of_a_method_are_named_within_their_argument():
    with pytest.raises(ConfigError) as raised:
        Refiner.named("dec").parse_options({"interval": 0, "batch_size": 0})
    python, terminal = texts_of(raised)
    assert "`settings.interval=0`" in python
    assert "`settings.batch_size=0`" in python
    assert "--set interval=0: must be" in terminal
    assert "--set batch_size=0: must be" in terminal


def test_a_data_error_names_argument_and_flag(finished_run):
    with pytest.raises(DataError) as raised:
        pipeline.cluster(finished_run, ClusterOptions(k=121))
    python, terminal = texts_of(raised)
    assert python == "`k=121` is more than the 120 training images. Choose a smaller `k`."
    assert terminal == "--k 121 is more than the 120 training images. Choose a smaller --k."
    assert raised.value.limit == 120


def test_a_run_error_names_call_and_command(tmp_path):
    with pytest.raises(RunError) as raised:
        Run.open(tmp_path / "none")
    python, terminal = texts_of(raised)
    assert f"`fit(run='{tmp_path}/none')`" in python
    assert f"latentlab fit --run {tmp_path}/none" in terminal


def test_a_training_error_names_argument_and_flag(data, tmp_path):
    with pytest.raises(TrainingError) as raised:
        pipeline.fit(data, small_fit(learning_rate=1e30), tmp_path / "run")
    python, terminal = texts_of(raised)
    assert "Lower `learning_rate`" in python
    assert "Lower --learning-rate" in terminal


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    def no_torch(framework):
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr(backend, "_set_up_devices", no_torch)
    with pytest.raises(MissingDependencyError) as raised:
        backend._import_keras(backend.framework_named("torch"))
    python, terminal = texts_of(raised)
    assert python == terminal
    assert "pip install 'latentlab[torch]'" in python
