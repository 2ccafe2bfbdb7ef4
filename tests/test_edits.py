"""Clusters edited by hand: what each edit does, how it is kept and undone, what is refused."""

import json
import shutil

import numpy as np
import pytest

from latentlab.errors import ConfigError, RunError
from latentlab.reporting.edits import Edited, Editor, apply, describe
from latentlab.storage.run import Run

IDS = np.array(["a", "b", "c", "d", "e", "f"])


def state() -> Edited:
    return Edited(IDS, np.array([0, 0, 1, 1, 2, 2], np.int32), ("", "", ""))


@pytest.fixture
def editor(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Editor(Run.open(tmp_path / "run"), "kmeans-k4")


@pytest.mark.parametrize(
    ("edit", "clusters"),
    [
        ({"action": "merge", "clusters": [2, 0]}, [2, 2, 1, 1, 2, 2]),
        ({"action": "drop", "clusters": [1]}, [0, 0, -1, -1, 2, 2]),
        ({"action": "split", "images": ["b", "c"]}, [0, 3, 3, 1, 2, 2]),
        ({"action": "move", "images": ["a", "f"], "cluster": 1}, [1, 0, 1, 1, 2, 1]),
        ({"action": "name", "cluster": 1, "name": " cats "}, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_edits_change_what_they_say_and_nothing_else(edit, clusters):
    before = state()
    after = apply(before, edit)
    assert after.clusters.tolist() == clusters
    assert before.clusters.tolist() == [0, 0, 1, 1, 2, 2]
    assert [after.name(c) for c in range(len(after.names))][1] == (
        "cats" if edit["action"] == "name" else "cluster 1"
    )


def test_marks_are_set_replaced_and_taken_away():
    marked = apply(state(), {"action": "mark", "images": ["a", "b"], "mark": "blurred"})
    marked = apply(marked, {"action": "mark", "images": ["b"], "mark": "odd"})
    assert marked.marks == {"a": "blurred", "b": "odd"}
    assert apply(marked, {"action": "mark", "images": ["a", "b"], "mark": ""}).marks == {}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"action": "burn"}, "one of name, merge"),
        ([], "one of name, merge"),
        ({"action": "name", "cluster": 3, "name": "x"}, "from 0 to 2"),
        ({"action": "name", "cluster": True, "name": "x"}, "from 0 to 2"),
        ({"action": "name", "cluster": 0, "name": "x\ny"}, "one line"),
        ({"action": "name", "cluster": 0, "name": "x" * 81}, "80 characters"),
        ({"action": "name", "cluster": 0}, "needs cluster and name, not cluster"),
        ({"action": "merge", "clusters": [1]}, "two clusters or more"),
        ({"action": "merge", "clusters": [1, 1]}, "two clusters or more"),
        ({"action": "drop", "clusters": []}, "needs a cluster"),
        ({"action": "split", "images": ["a", "nobody"]}, "no image 'nobody'"),
        ({"action": "split", "images": []}, "list of image ids"),
        ({"action": "mark", "images": ["a"], "mark": 7}, "one line"),
    ],
)
def test_wrong_edits_are_refused_in_one_line(edit, told):
    with pytest.raises(ConfigError, match=told) as error:
        apply(state(), edit)
    assert "\n" not in str(error.value)


def test_edits_are_kept_undone_and_redone(editor):
    assert not editor.path.exists()
    assert not editor.undo()
    before = editor.state().clusters
    editor.add({"action": "name", "cluster": 0, "name": "red"})
    editor.add({"action": "merge", "clusters": [0, 1]})
    kept = json.loads(editor.path.read_text())
    assert [edit["action"] for edit in kept["edits"]] == ["name", "merge"]
    assert [describe(edit) for edit in kept["edits"]] == [
        "named cluster 0 'red'",
        "merged clusters 0, 1",
    ]
    again = Editor(Run.open(editor.run.path), editor.name)
    assert (again.state().clusters == 1).sum() == 0
    assert again.state().names[0] == "red"
    assert again.undo()
    np.testing.assert_array_equal(again.state().clusters, before)
    assert again.state().names[0] == "red"
    assert again.redo()
    assert (again.state().clusters == 1).sum() == 0
    again.undo()
    again.add({"action": "drop", "clusters": [2]})
    assert not again.redo()


def test_edits_of_other_assignments_and_damaged_ones_are_refused(editor):
    editor.add({"action": "name", "cluster": 0, "name": "red"})
    whole = editor.path.read_text()
    for text, told in (
        (whole.replace(json.loads(whole)["assignments"], "0" * 64), "other assignments"),
        (whole[:-20], "cannot be read"),
        ("[]", "not a list of edits"),
        (whole.replace('"format": 1', '"format": 9'), "newer latentlab"),
        (whole.replace('"cluster": 0', '"cluster": 99'), "cannot be applied"),
    ):
        editor.path.write_text(text)
        with pytest.raises(RunError, match=told):
            editor.state()


def test_a_refused_edit_leaves_the_file_as_it_was(editor):
    editor.add({"action": "name", "cluster": 0, "name": "red"})
    whole = editor.path.read_text()
    with pytest.raises(ConfigError):
        editor.add({"action": "merge", "clusters": [0, 77]})
    assert editor.path.read_text() == whole
