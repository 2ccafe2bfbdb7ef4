"""Files and folders are written as a whole or not at all."""

import pytest

from latentlab.storage import files


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
