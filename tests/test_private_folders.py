"""Our own folders: nobody else can put anything into them."""

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.processes import python

from latentlab import private_folders
from latentlab.errors import RunError
from latentlab.private_folders import private_folder, private_state

NOT_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
NOWHERE = "/proc/no-such-folder"  # where not even root may write
pytestmark = NOT_WINDOWS


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of our cache, which does not exist."""
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary(tmp_path)))
    private_folders._temporary_folder.cache_clear()
    yield tmp_path / "cache"
    private_folders._temporary_folder.cache_clear()


def temporary(tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir(exist_ok=True)
    return folder


def test_a_private_folder_is_made_for_its_user_only(cache):
    folder = private_folder("numba")
    assert folder == cache / "numba"
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IRWXU
    assert private_folder("numba") == folder


def test_a_folder_that_others_may_only_read_is_closed_to_them(cache):
    (cache / "numba").mkdir(parents=True, mode=0o755)
    assert private_folder("numba") == cache / "numba"
    assert stat.S_IMODE((cache / "numba").stat().st_mode) == stat.S_IRWXU


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(cache, tmp_path, mode):
    (cache / "numba").mkdir(parents=True)
    (cache / "numba").chmod(mode)
    assert private_folder("numba").parent == temporary(tmp_path)


def test_a_folder_that_others_may_rename_is_not_used(cache, tmp_path):
    cache.mkdir()
    cache.chmod(0o777)
    assert private_folder("numba").parent == temporary(tmp_path)
    cache.chmod(0o1777)
    assert private_folder("numba") == cache / "numba"


def test_a_link_is_not_used_as_our_folder_but_may_lead_to_the_cache(cache, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    cache.mkdir()
    (cache / "numba").symlink_to(elsewhere)
    assert private_folder("numba").parent == temporary(tmp_path)
    (tmp_path / "linked").symlink_to(cache)
    os.environ["LATENTLAB_CACHE"] = str(tmp_path / "linked")
    assert private_folder("other") == cache / "other"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_a_folder_of_another_user_is_not_used(cache, tmp_path):
    (cache / "numba").mkdir(parents=True, mode=0o700)
    os.chown(cache / "numba", 12345, 12345)
    assert private_folder("numba").parent == temporary(tmp_path)


def test_a_relative_variable_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LATENTLAB_CACHE", "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", ".")
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    if sys.platform == "linux":
        assert private_folder("numba") == tmp_path / "home/.cache/latentlab/numba"
    assert private_state("accepted") == tmp_path / "home/.local/state/latentlab/accepted"
    monkeypatch.setenv("HOME", "home")
    assert private_state("accepted") is None


def test_state_has_its_place_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert private_state("accepted") == tmp_path / "latentlab" / "accepted"
    monkeypatch.setenv("XDG_STATE_HOME", NOWHERE)
    assert private_state("accepted") is None


def test_without_any_folder_there_is_one_line(cache, monkeypatch):
    monkeypatch.setenv("LATENTLAB_CACHE", NOWHERE)
    monkeypatch.setattr(tempfile, "tempdir", NOWHERE)
    monkeypatch.setattr(private_folders, "_MEMORY", ())
    with pytest.raises(RunError, match="no folder for temporary files can be written to"):
        private_folder("numba")


def test_a_temporary_folder_goes_when_the_process_ends():
    code = (
        "from latentlab.private_folders import private_folder as folder;"
        "assert folder('a') == folder('a'); print(folder('a'))"
    )
    done = python("-c", code, env={"LATENTLAB_CACHE": NOWHERE})
    assert done.returncode == 0, done.stderr
    assert "latentlab-a-" in done.stdout
    assert not Path(done.stdout.strip()).exists()
