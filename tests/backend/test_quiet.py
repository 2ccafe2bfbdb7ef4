"""Imports of large packages: without their noise, and with a folder for what they compile."""

import os
import tempfile
from pathlib import Path

import pytest

from latentlab.backend import quiet
from latentlab.errors import LatentlabError

NOWHERE = Path("/proc/no-such-folder")  # where not even root may write


# Folders for compiled code


def test_numba_keeps_its_own_folder_where_it_may(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    quiet.keep_compiled_code_in([NOWHERE, tmp_path / "new"])
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_numba_gets_a_temporary_folder_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(NOWHERE))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    quiet.keep_compiled_code_in([NOWHERE])
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path


def test_without_any_folder_there_is_one_line(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(NOWHERE))
    with pytest.raises(LatentlabError, match="UMAP needs a folder to compile in"):
        quiet.keep_compiled_code_in([])
