"""Imports of large packages: without their noise, and with a folder for what they compile."""

import os
import tempfile

import pytest

from latentlab import private_folders
from latentlab.backend import quiet
from latentlab.errors import RunError

NOWHERE = "/proc/no-such-folder"  # where not even root may write


def in_quiet():
    with quiet.frameworks_hidden():
        return os.environ["NUMBA_CACHE_DIR"]


@pytest.fixture
def without_folders(monkeypatch):
    """Let no folder of ours be kept, and none for temporary files be remembered."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that what is set meanwhile goes at the end
    monkeypatch.setenv("LATENTLAB_CACHE", NOWHERE)
    private_folders._temporary_folder.cache_clear()
    yield
    private_folders._temporary_folder.cache_clear()


# Folders for compiled code


def test_numba_keeps_compiled_code_in_a_folder_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # so that what is set meanwhile goes at the end
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "cache"))
    assert in_quiet() == str(tmp_path / "cache" / "numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert in_quiet() == str(tmp_path / "chosen")


def test_numba_gets_a_temporary_folder_where_nothing_can_be_written(
    tmp_path, monkeypatch, without_folders
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert os.path.dirname(in_quiet()) == str(tmp_path)


def test_without_any_folder_there_is_one_line(monkeypatch, without_folders):
    monkeypatch.setattr(tempfile, "tempdir", NOWHERE)
    monkeypatch.setattr(private_folders, "_MEMORY", ())
    with pytest.raises(RunError, match="no folder for temporary files can be written to"):
        in_quiet()
