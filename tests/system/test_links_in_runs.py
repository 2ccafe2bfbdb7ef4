"""Runs from somebody else on the command line: links in them change and show nothing outside."""

import shutil

import pytest
from click.testing import CliRunner

from latentlab.cli import cli
from latentlab.storage.run import Run

SECRET = "what nobody may see\n"


@pytest.fixture
def theirs(finished_run, tmp_path, monkeypatch):
    """Return the folder of a copied run, and a folder outside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(finished_run.path, tmp_path / "theirs")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "index.html").write_text(SECRET)
    return tmp_path / "theirs", tmp_path / "outside"


def put(place, target):
    """Put a link in the place of a file or folder."""
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def latentlab(*words):
    """Return exit code and text of a command."""
    result = CliRunner().invoke(cli, list(map(str, words)), prog_name="latentlab")
    return result.exit_code, result.stdout + result.stderr


def errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


COMMANDS = {
    "run.lock.json": ("cluster", "--k", "3"),
    "report": ("report", "--sample", "50"),
    "checkpoints": ("fit", "--epochs", "1", "--overwrite"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_meets_a_link_ends_with_one_line_and_leaves_its_target(theirs, name):
    run, outside = theirs
    put(run / name, outside / "index.html" if name.endswith("json") else outside)
    data = Run.open(run).config.images.data
    words = [*COMMANDS[name], "--run", run]
    if words[0] == "fit":
        words += ["--data", data]
    for expected in ("is read-only", "leads out of the run"):
        code, text = latentlab(*words)
        assert code == 4, text
        assert [expected in line for line in errors(text)] == [True]
        assert SECRET.strip() not in text
        # Whether the user has accepted the run makes no difference.
        latentlab("verify", run, "--accept")
    assert [path.name for path in outside.iterdir()] == ["index.html"]
    assert (outside / "index.html").read_text() == SECRET


def test_a_run_with_a_link_is_written_once_it_is_accepted(theirs):
    run, outside = theirs
    put(run / "notes", outside)
    words = ("cluster", "--run", run, "--k", "3")
    code, text = latentlab(*words)
    assert code == 4
    assert "holds the link notes" in text
    assert f"latentlab verify {run} --accept" in text
    assert latentlab("export", "--run", run, "--out", outside.parent / "x.csv")[0] == 0
    code, text = latentlab("verify", run, "--accept")
    assert "is accepted, with the link notes" in text
    assert latentlab(*words)[0] == 0


def test_commands_that_read_name_the_link_that_they_meet_and_show_nothing_of_it(theirs):
    run, outside = theirs
    put(run / "clusters" / "kmeans-k4" / "assignments.parquet", outside / "index.html")
    for words in (
        ("export", "--run", run, "--out", outside.parent / "x.csv"),
        ("verify", run),
        ("compare", run, run, "--out", outside.parent / "compared"),
    ):
        code, text = latentlab(*words)
        assert code == 4, text
        assert len(errors(text)) == 1
        assert "assignments.parquet is a link that leads out of the run" in text
        assert SECRET.strip() not in text
    assert (outside / "index.html").read_text() == SECRET


def test_verify_looks_for_no_runs_outside(theirs):
    run, outside = theirs
    (outside / "run-1").mkdir()
    shutil.copy(run / "run.json", outside / "run-1" / "run.json")
    put(run / "seeds", outside)
    code, text = latentlab("verify", run)
    assert code == 4, text
    assert len(errors(text)) == 1
    assert "seeds is a link that leads out of the run" in text
    assert "run-1" not in text
