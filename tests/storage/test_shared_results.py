"""Results that runs share: found again, bounded, safe to damage and to delete, nobody else's."""

import os

import numpy as np
import pytest
from click.testing import CliRunner

from latentlab.cli import cli
from latentlab.storage import shared_results

KEY = "a" * 64
CLUSTERS = np.array([0, 2, 1, 1], np.int32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of shared results of an empty cache."""
    monkeypatch.setenv("LATENTLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / shared_results.FOLDER


def test_what_was_kept_comes_back_for_the_same_number_of_images_and_clusters():
    assert shared_results.look_up(KEY, 4, 3) is None
    shared_results.keep(KEY, CLUSTERS)
    np.testing.assert_array_equal(shared_results.look_up(KEY, 4, 3), CLUSTERS)
    assert shared_results.look_up(KEY, 5, 3) is None
    assert shared_results.look_up(KEY, 4, 2) is None


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"x" * 200])
def test_a_damaged_file_is_passed_over_and_written_anew(folder, content):
    shared_results.keep(KEY, CLUSTERS)
    (folder / f"{KEY}.npy").write_bytes(content)
    assert shared_results.look_up(KEY, 4, 3) is None
    shared_results.keep(KEY, CLUSTERS)
    np.testing.assert_array_equal(shared_results.look_up(KEY, 4, 3), CLUSTERS)


def test_what_was_used_longest_ago_goes_when_there_is_no_room(monkeypatch, folder):
    keys = [letter * 64 for letter in "abc"]
    for age, key in enumerate(keys):
        shared_results.keep(key, CLUSTERS)
        os.utime(folder / f"{key}.npy", (1000 + age, 1000 + age))
    shared_results.look_up(keys[0], 4, 3)
    size = (folder / f"{KEY}.npy").stat().st_size
    monkeypatch.setattr(shared_results, "MOST_BYTES", 3 * size)
    shared_results.keep("d" * 64, CLUSTERS)
    left = {result.path.stem for result in shared_results.shared_results()}
    assert left == {keys[0], keys[2], "d" * 64}


def test_nothing_is_shared_where_others_may_write(folder, tmp_path):
    shared_results.keep(KEY, CLUSTERS)
    (tmp_path / "cache").chmod(0o777)
    assert shared_results.look_up(KEY, 4, 3) is None
    shared_results.keep("b" * 64, CLUSTERS)
    assert not (folder / ("b" * 64 + ".npy")).exists()


def test_the_command_lists_and_clears_only_what_is_shared(folder):
    shared_results.keep(KEY, CLUSTERS)
    (folder / "note.txt").write_text("mine")
    listed = CliRunner().invoke(cli, ["cache"]).output
    assert "aaaaaaaaaaaaaaaa" in listed
    assert "1 shared results" in listed
    assert "removed 1 shared results" in CliRunner().invoke(cli, ["cache", "--clear"]).output
    assert shared_results.shared_results() == []
    assert (folder / "note.txt").exists()
