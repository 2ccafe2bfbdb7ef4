"""Files and folders are written as a whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from latentlab.errors import RunError
from latentlab.storage import files
from latentlab.storage.files import atomic_folder, atomic_path, fingerprint


def test_what_a_killed_process_left_beside_a_result_is_removed(tmp_path):
    for name in (".tmp-999999999-0123abcd-out.csv", ".tmp-999999999-0123abcd-about.csv"):
        (tmp_path / name).write_text("half")
    (tmp_path / ".tmp-999999999-0123abcd-folder").mkdir()
    (tmp_path / f"{files.REPLACED_PREFIX}folder").mkdir()
    with files.atomic_path(tmp_path / "out.csv") as path:
        path.write_text("whole")
    with pytest.raises(KeyboardInterrupt), files.atomic_folder(tmp_path / "folder"):
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".tmp-999999999-0123abcd-about.csv",
        "folder",
        "out.csv",
    ]


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


def test_recover_leaves_what_a_living_process_is_writing(tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / f".tmp-{sleeper.pid}-ab-x").write_text("")
    files.recover(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    sleeper.communicate(b"\n")
    files.recover(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_at_a_library_s_write_is_one_line(tmp_path):
    """zipfile raises ValueError while it closes a file that a full disk has cut.

    The disk's own error is behind it.
    """
    with (
        pytest.raises(RunError, match=r"cannot write .*x\.npz: No space left"),
        files.atomic_path(tmp_path / "x.npz") as path,
    ):
        path.write_bytes(b"")
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            message = "Can't close the ZIP file while there is an open writing handle on it."
            raise ValueError(message)  # noqa: B904
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_while_a_row_is_appended_is_one_line():
    with pytest.raises(RunError, match="cannot write /dev/full: No space left"):
        files.append_line(Path("/dev/full"), "{}")
