"""The run folder: stages, locks, rows, kills."""

import os
import threading

import pytest
from helpers.files import read_json

from latentlab.errors import RunError
from latentlab.storage.run import Run, find_runs


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


def test_a_kill_while_a_run_is_cleared_is_made_good(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run")
    (run.path / "checkpoints" / "epoch-0001").mkdir(parents=True)
    run.note(config={"of": "before"})

    class KilledError(BaseException):
        pass

    def killed(path):
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr("latentlab.storage.run.remove_folder", killed)
        run.clear()
    again = Run.open(run.path)
    with again.lock():
        assert not again.has_config
        assert not (run.path / "checkpoints").exists()


def test_a_torn_row_does_not_swallow_the_next_one(tmp_path):
    run = Run.create(tmp_path / "run")
    run.append_metrics({"stage": "fit", "epoch": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "fit", "epo')  # a full disk, or a kill
    run.append_metrics({"stage": "fit", "epoch": 2})
    assert run.metrics() == [{"stage": "fit", "epoch": 1}, {"stage": "fit", "epoch": 2}]


def test_a_process_that_comes_later_keeps_what_the_first_one_did(tmp_path):
    """The second opened the run before the first finished its stage, as in two terminals."""
    first, second = Run.create(tmp_path / "run"), Run.open(tmp_path / "run")
    with first.lock(), first.stage("a", {}):
        pass
    with second.lock(), second.stage("b", {}):
        pass
    assert list(Run.open(tmp_path / "run").stage_names()) == ["a", "b"]
    assert first.is_done("b", {})


def test_of_many_that_take_one_run_exactly_one_proceeds(tmp_path):
    holding, refused, barrier = [], [], threading.Barrier(6)
    release = threading.Event()

    def take():
        barrier.wait()
        try:
            run = Run.create(tmp_path / "run")
            with run.lock():
                holding.append(run)
                release.wait(20)
        except RunError as error:
            refused.append(str(error))
            if len(refused) == 5:
                release.set()

    workers = [threading.Thread(target=take) for _ in range(6)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert len(holding) == 1
    assert len(refused) == 5
    assert all("in use by another process" in text for text in refused)


def test_the_newest_clusters_do_not_depend_on_the_clock(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run")
    for name, year in (("cluster/first", 2030), ("cluster/second", 2020), ("cluster/first", 2010)):
        monkeypatch.setattr(
            "latentlab.storage.run.now", lambda year=year: f"{year}-01-01T00:00:00+00:00"
        )
        with run.stage(name, {}):
            pass
    assert run.stage_names() == ["cluster/second", "cluster/first"]
