"""Runs from somebody else are read-only until the user accepts them."""

import os
import shutil

import pytest

from latentlab.errors import RunError
from latentlab.storage import seal
from latentlab.storage.run import Run


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run; what the user accepts is kept in a folder of the test."""
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Run.create(tmp_path / "run")


def lock(run):
    with Run.open(run.path).lock():
        return True


def test_a_run_with_a_link_is_read_only_and_says_how_to_accept_it(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    with pytest.raises(RunError) as caught:
        lock(run)
    assert str(caught.value) == (
        f"{run.path} is read-only, since it holds the link notes: it may come from somebody else."
        f" If that is as it should be, say so with: `verify(run='{run.path}', accept=True)`"
    )
    assert caught.value.exit_code == 4
    assert Run.open(run.path).metrics() == []


@pytest.mark.parametrize("kind", ["link", "pipe", "link in a folder"])
def test_what_was_accepted_stays_accepted_and_more_does_not(run, tmp_path, kind):
    (run.path / "folder").mkdir()
    if kind == "pipe":
        os.mkfifo(run.path / "folder" / "a")
    else:
        (run.path / ("folder/a" if "folder" in kind else "a")).symlink_to(tmp_path)
    with pytest.raises(RunError, match="read-only"):
        lock(run)
    assert len(seal.accept(run.path)) == 1
    assert lock(run)
    (run.path / "folder" / "more").symlink_to(tmp_path)
    with pytest.raises(RunError, match="read-only"):
        lock(run)
    (run.path / "folder" / "more").unlink()
    assert lock(run)


def test_an_acceptance_opens_the_run_that_is_open_already(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    opened = Run.open(run.path)
    with pytest.raises(RunError, match="read-only"), opened.lock():
        pass
    seal.accept(run.path)
    with opened.lock():
        opened.note(title="mine")


def test_it_holds_for_the_folder_and_not_for_another_of_its_name(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    seal.accept(run.path)
    run.path.rename(tmp_path / "old")
    shutil.copytree(tmp_path / "old", run.path, symlinks=True)
    with pytest.raises(RunError, match="read-only"):
        lock(run)


def test_it_holds_by_whichever_path_the_run_is_opened(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    (tmp_path / "newest").symlink_to(run.path)
    seal.accept(tmp_path / "newest")
    assert lock(run)


def test_the_acceptance_is_not_kept_in_the_run(run, tmp_path):
    (run.path / "notes").symlink_to(tmp_path)
    before = {path: path.lstat().st_mtime_ns for path in run.path.rglob("*")}
    seal.accept(run.path)
    assert {path: path.lstat().st_mtime_ns for path in run.path.rglob("*")} == before


@pytest.mark.parametrize("content", ["", "[]", "null", '{"folder": 1}', '{"findings": 3}'])
def test_a_damaged_acceptance_counts_for_nothing(run, tmp_path, content):
    (run.path / "notes").symlink_to(tmp_path)
    seal.accept(run.path)
    (recorded,) = (tmp_path / "state").rglob("*.json")
    recorded.write_text(content)
    with pytest.raises(RunError, match="read-only"):
        lock(run)


def test_a_copy_by_its_own_user_changes_nothing(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    assert list(seal.scan(str(tmp_path / "copy"))) == []
    assert lock(Run.open(tmp_path / "copy"))


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
@pytest.mark.parametrize("name", ["file", "folder", "."])
def test_files_of_another_user_are_seen(run, name):
    (run.path / "file").write_text("")
    (run.path / "folder").mkdir()
    os.chown(run.path / name, 12345, 12345)
    assert list(seal.scan(str(run.path))) == ["files of another user (number 12345)"]
    with pytest.raises(RunError, match="files of another user"):
        lock(run)
    seal.accept(run.path)
    assert lock(run)


def test_without_a_place_for_acceptances_it_says_so(run, tmp_path, monkeypatch):
    (run.path / "notes").symlink_to(tmp_path)
    monkeypatch.setattr(seal, "private_state", lambda name: None)
    with pytest.raises(RunError, match="no place to remember"):
        seal.accept(run.path)


def test_only_runs_are_accepted(tmp_path):
    with pytest.raises(RunError, match="holds no latentlab run"):
        seal.accept(tmp_path)
