"""A run is a sealed tree: links that lead out are not followed, special files not opened."""

import json
import os

import pytest

from latentlab.errors import RunError
from latentlab.storage import changes, checkpoints, files, guard, npz, rows, seal, tables
from latentlab.storage.run import Run, find_runs

SECRET = '{"secret": 1}\n'


@pytest.fixture
def outside(tmp_path):
    """Return a folder beside the runs, with one file in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.json").write_text(SECRET)
    return folder


@pytest.fixture
def run(tmp_path):
    """Return an open run."""
    return Run.create(tmp_path / "run")


@pytest.fixture
def accepted_runs(tmp_path, monkeypatch):
    """Return what accepts a run, by a state folder of the test."""
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return seal.accept


READERS = {
    "json": files.read_json,
    "digest": files.sha256,
    "table": tables.read,
    "columns": tables.schema,
    "rows": tables.count_rows,
    "arrays": npz.read_stored,
    "array": npz.read_stored_array,
    "headers": npz.read_headers,
    "last row": rows.last_check,
    "checkpoint": lambda path: checkpoints.load(path.parent),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_not_follow_a_link_out_of_the_run(run, outside, name):
    link = run.path / ("state.json" if name == "checkpoint" else "file")
    link.symlink_to(outside / "secret.json")
    with pytest.raises(RunError, match="leads out of the run") as caught:
        READERS[name](link)
    assert "secret" not in str(caught.value)
    assert str(link) in str(caught.value)


def test_nor_through_a_linked_folder_a_dangling_link_or_a_circle(run, outside):
    (run.path / "folder").symlink_to(outside)
    (run.path / "nothing").symlink_to(outside / "not-there")
    (run.path / "circle").symlink_to(run.path / "circle")
    for name in ("folder/secret.json", "nothing", "circle"):
        with pytest.raises(RunError, match="leads out of the run"):
            files.read_json(run.path / name)


def test_a_pipe_is_refused_and_not_waited_for(run):
    os.mkfifo(run.path / "file.json")
    with pytest.raises(RunError, match="is a pipe and not a file"):
        files.read_json(run.path / "file.json")


def write_atomically(path):
    with files.atomic_path(path) as temporary:
        temporary.write_text("new")


def replace_folder(path):
    with files.atomic_folder(path) as temporary:
        (temporary / "file").write_text("new")


WRITERS = {
    "file": write_atomically,
    "folder": replace_folder,
    "row": lambda path: files.append_line(path, "new"),
    "json": lambda path: files.write_json(path, {"new": 1}),
    "removed": files.remove_folder,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("is_accepted", [False, True])
def test_a_writer_changes_nothing_behind_a_link(run, outside, name, is_accepted, accepted_runs):
    (run.path / "folder").symlink_to(outside)
    (run.path / "link").symlink_to(outside / "secret.json")
    (run.path / "nothing").symlink_to(outside / "not-there")
    if is_accepted:
        accepted_runs(run.path)
    for path in ("folder", "folder/secret.json", "folder/new", "link", "nothing"):
        with pytest.raises(RunError, match="leads out of the run"):
            WRITERS[name](run.path / path)
    assert [path.name for path in outside.iterdir()] == ["secret.json"]
    assert (outside / "secret.json").read_text() == SECRET


def test_links_in_the_places_of_work_that_a_kill_left_stay_unfollowed(run, outside, accepted_runs):
    for name in (".tmp-1-aaaaaaaa-file", ".tmp-replaced-file", ".tmp-old-file"):
        (run.path / name).symlink_to(outside)
    accepted_runs(run.path)
    with run.lock():
        write_atomically(run.path / "file")
        with pytest.raises(RunError, match="leads out of the run"):
            replace_folder(run.path / "file")
    assert (outside / "secret.json").read_text() == SECRET


def test_changes_of_a_killed_update_do_not_lead_out(run, outside, accepted_runs):
    (run.path / "there").symlink_to(outside)
    new = run.path / "update" / "new" / "there"
    new.mkdir(parents=True)
    (new / "secret.json").write_text("new")
    journal = {"written": ["there/secret.json"], "removed": []}
    (run.path / changes.JOURNAL).write_text(json.dumps(journal))
    accepted_runs(run.path)
    with pytest.raises(RunError, match="leads out of the run"):
        Run.open(run.path)
    journal = {"written": [], "removed": ["there/secret.json"]}
    (run.path / changes.JOURNAL).write_text(json.dumps(journal))
    with pytest.raises(RunError, match="leads out of the run"):
        Run.open(run.path)
    assert (outside / "secret.json").read_text() == SECRET


def test_clearing_a_run_removes_links_in_folders_and_not_where_they_lead(
    run, outside, accepted_runs
):
    (run.path / "deep").mkdir()
    (run.path / "deep" / "link").symlink_to(outside)
    accepted_runs(run.path)
    run.clear()
    assert not (run.path / "deep").exists()
    assert (outside / "secret.json").read_text() == SECRET


@pytest.mark.parametrize("name", ["run.json", "run.lock", "run.lock.json", "metrics.jsonl"])
def test_the_files_of_the_run_itself_are_no_links(tmp_path, outside, name, accepted_runs):
    path = Run.create(tmp_path / "run").path
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to(outside / "secret.json")
    accepted_runs(path)

    def use():
        run = Run.open(path)
        with run.lock():
            run.append_metrics({"epoch": 1})

    with pytest.raises(RunError, match="leads out of the run") as caught:
        use()
    assert "secret" not in str(caught.value)
    assert (outside / "secret.json").read_text() == SECRET


def test_the_holder_that_a_message_names_is_not_read_through_a_link(tmp_path):
    run = Run.create(tmp_path / "run")
    (tmp_path / "victim").write_text('{"pid": "SECRET", "host": "SECRET", "since": "SECRET"}')
    with run.lock():
        other = Run.open(run.path)
        (run.path / "run.lock.json").unlink()
        (run.path / "run.lock.json").symlink_to(tmp_path / "victim")
        with pytest.raises(RunError) as caught, other.lock():
            pass
    assert "SECRET" not in str(caught.value)
    assert "SECRET" in (tmp_path / "victim").read_text()


def test_a_run_whose_manifest_is_a_link_is_not_listed(tmp_path, outside):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "run.json").symlink_to(Run.create(tmp_path / "b").path / "run.json")
    assert find_runs(tmp_path / "runs") == []


def test_the_run_and_what_is_above_it_may_be_links(tmp_path):
    Run.create(tmp_path / "disk" / "a").append_metrics({"epoch": 1})
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    (tmp_path / "newest").symlink_to(tmp_path / "runs" / "a")
    for path in (tmp_path / "runs" / "a", tmp_path / "newest"):
        run = Run.open(path)
        with run.lock():
            run.append_metrics({"epoch": 2})
        assert len(run.metrics()) == 2


def test_a_link_within_the_run_is_followed(run):
    (run.path / "a.json").write_text("1")
    (run.path / "b.json").symlink_to("a.json")
    assert files.read_json(run.path / "b.json") == 1


def test_the_outer_run_of_a_run_in_seeds_counts(tmp_path):
    outer = Run.create(tmp_path / "run")
    inner = Run.create(outer.path / "seeds" / "seed1")
    (outer.path / "a.json").write_text("1")
    (inner.path / "a.json").symlink_to("../../a.json")
    assert files.read_json(inner.path / "a.json") == 1


def test_rows_are_appended_to_a_copy_where_a_file_has_a_second_name(run, outside):
    victim = outside / "secret.json"
    os.link(victim, run.path / "metrics.jsonl")
    run.append_metrics({"epoch": 1})
    assert victim.read_text() == SECRET
    assert (run.path / "metrics.jsonl").read_text().startswith(SECRET)
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_lock_file_with_content_and_a_second_name_is_not_emptied(run, outside):
    (run.path / "run.lock").unlink(missing_ok=True)
    os.link(outside / "secret.json", run.path / "run.lock")
    with pytest.raises(RunError, match="is no lock"), run.lock():
        pass
    assert (outside / "secret.json").read_text() == SECRET


def test_the_holder_is_written_to_a_file_of_its_own(run, outside):
    os.link(outside / "secret.json", run.path / "run.lock.json")
    with run.lock():
        assert "pid" in (run.path / "run.lock.json").read_text()
    assert (outside / "secret.json").read_text() == SECRET


def test_paths_below_no_run_are_not_looked_at(tmp_path, outside):
    (tmp_path / "link.json").symlink_to(outside / "secret.json")
    assert files.read_json(tmp_path / "link.json") == {"secret": 1}
    guard.writing(tmp_path / "link.json")


def test_a_copied_folder_takes_nothing_from_outside(run, outside, tmp_path):
    folder = run.path / "checkpoints" / "epoch-0001"
    folder.mkdir(parents=True)
    (folder / "extra").symlink_to(outside / "secret.json")
    (tmp_path / "copy").mkdir()
    with pytest.raises(RunError, match="leads out of the run"):
        files.copy_folder(folder, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_an_output_outside_runs_takes_the_place_of_a_link_and_its_target_stays(tmp_path, outside):
    out = tmp_path / "out.json"
    out.symlink_to(outside / "secret.json")
    files.write_json(out, {"new": 1})
    assert not out.is_symlink()
    assert (outside / "secret.json").read_text() == SECRET
