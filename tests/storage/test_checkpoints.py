"""Checkpoints after kills, and the newest of them."""

import os

import numpy as np
import pytest

from latentlab.errors import RunError
from latentlab.storage import checkpoints, files


def test_a_kill_while_a_folder_is_replaced_loses_neither(tmp_path):
    checkpoints.save(tmp_path, "epoch", 3, {"weight-0000": np.arange(3)}, {"epoch": 3})
    os.rename(
        tmp_path / "epoch-0003", tmp_path / f"{files.REPLACED_PREFIX}epoch-0003"
    )  # where the kill came
    (tmp_path / ".tmp-999999999-ab-epoch-0003").mkdir()
    files.recover(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0003"]
    assert checkpoints.load(tmp_path / "epoch-0003")[1] == {"epoch": 3}


def test_newest_checkpoint_is_by_number_and_odd_folders_do_not_count(tmp_path):
    for name in ("epoch-9999", "epoch-10000", "epoch-x", "epoch-1.old"):
        (tmp_path / name).mkdir()
    assert checkpoints.newest(tmp_path, "epoch").name == "epoch-10000"


def test_a_changed_checkpoint_is_refused(tmp_path):
    state = {"epoch": 3, "loss": 0.25}
    checkpoints.save(tmp_path, "epoch", 3, {"weight-0000": np.arange(300)}, state)
    checkpoints.save(tmp_path / "other", "epoch", 3, {"weight-0000": np.arange(300) + 1}, state)
    folder = tmp_path / "epoch-0003"
    arrays, text = (folder / "arrays.npz").read_bytes(), (folder / "state.json").read_text()
    (folder / "arrays.npz").write_bytes((tmp_path / "other/epoch-0003/arrays.npz").read_bytes())
    with pytest.raises(RunError, match=r"arrays\.npz was changed"):
        checkpoints.load(folder)
    (folder / "arrays.npz").write_bytes(arrays)
    (folder / "state.json").write_text(text.replace("0.25", "0.75"))
    with pytest.raises(RunError, match=r"state\.json was changed"):
        checkpoints.load(folder)
    (folder / "state.json").write_text(text)
    assert checkpoints.load(folder)[1] == state


def test_a_checkpoint_of_an_older_version_is_read(tmp_path):
    checkpoints.save(tmp_path, "epoch", 3, {"weight-0000": np.arange(3)}, {"epoch": 3})
    (tmp_path / "epoch-0003" / "state.json").write_text('{"epoch": 3}')
    assert checkpoints.load(tmp_path / "epoch-0003")[1] == {"epoch": 3}
