"""Atomic writes and the run folder."""

import os

import pytest
from conftest import read_json

from latentlab.errors import RunError
from latentlab.storage.files import atomic_folder, atomic_path, fingerprint
from latentlab.storage.run import Run, find_runs


def test_atomic_path_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyError), atomic_path(target) as path:
        path.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_atomic_folder_failure_keeps_the_old_folder(tmp_path):
    target = tmp_path / "folder"
    with atomic_folder(target) as path:
        (path / "a").write_text("1")
    with pytest.raises(KeyError), atomic_folder(target) as path:
        (path / "a").write_text("2")
        raise KeyError
    assert (target / "a").read_text() == "1"
    assert os.listdir(tmp_path) == ["folder"]


def test_atomic_path_unwritable_place_is_a_run_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match="cannot write"),
        atomic_path(tmp_path / "file" / "below") as path,
    ):
        path.write_text("x")


def test_fingerprint_ignores_key_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_stage_is_done_only_with_same_config_and_outputs(tmp_path):
    run = Run.create(tmp_path / "run")
    with run.stage("s", {"x": 1}) as outputs:
        (run.path / "out").write_text("1")
        outputs.append(run.path / "out")
    again = Run.open(run.path)
    assert again.is_done("s", {"x": 1})
    assert not again.is_done("s", {"x": 2})
    (run.path / "out").unlink()
    assert not again.is_done("s", {"x": 1})


def test_failed_stage_is_not_recorded(tmp_path):
    run = Run.create(tmp_path / "run")
    with pytest.raises(KeyError), run.stage("s", {}):
        raise KeyError
    assert read_json(run.path / "run.json")["stages"] == {}


def test_second_holder_of_the_lock_gets_one_clear_line(tmp_path):
    run = Run.create(tmp_path / "run")
    with (
        run.lock(),
        pytest.raises(RunError, match=f"in use by another process.*{os.getpid()}"),
        Run.open(run.path).lock(),
    ):
        pass
    with run.lock():
        pass


def test_open_missing_damaged_newer_and_foreign_folders(tmp_path):
    with pytest.raises(RunError, match="holds no latentlab run"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(RunError, match="not the manifest"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99, "stages": {}}')
    with pytest.raises(RunError, match="newer latentlab"):
        Run.open(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("")
    with pytest.raises(RunError, match="not a latentlab run"):
        Run.create(tmp_path / "photos")


def test_metrics_drop_a_torn_row_and_keep_the_last_of_an_epoch(tmp_path):
    run = Run.create(tmp_path / "run")
    run.append_metrics({"stage": "fit", "epoch": 1, "loss": 2.0})
    run.append_metrics({"stage": "fit", "epoch": 1, "loss": 1.0})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "fit", "epo')
    assert run.metrics() == [{"stage": "fit", "epoch": 1, "loss": 1.0}]


def test_find_runs_lists_readable_runs_only(tmp_path):
    Run.create(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run.json").write_text("broken")
    assert [run.path.name for run in find_runs(tmp_path)] == ["a"]
