"""Clusters edited by hand: what each edit does, how it is kept and undone, what is refused."""

import json
import shutil

import numpy as np
import pytest

from latentlab.errors import ConfigError, RunError
from latentlab.reporting.edits import (
    Accept,
    Drop,
    EditedClusters,
    EditLog,
    Editor,
    Mark,
    Merge,
    Move,
    Name,
    Reject,
    Split,
    StaleEditError,
    StampedEdit,
    Tag,
    parse_edit,
)
from latentlab.storage.run import Run

IDS = np.array(["a", "b", "c", "d", "e", "f"])


def unedited() -> EditedClusters:
    return EditedClusters(IDS, np.array([0, 0, 1, 1, 2, 2], np.int32), ("", "", ""))


@pytest.fixture
def editor(finished_run, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    return Editor(Run.open(tmp_path / "run").clustering("kmeans-k4"))


@pytest.mark.parametrize(
    ("edit", "clusters"),
    [
        (Merge([2, 0]), [2, 2, 1, 1, 2, 2]),
        (Drop([1]), [0, 0, -1, -1, 2, 2]),
        (Split(["b", "c"]), [0, 3, 3, 1, 2, 2]),
        (Move(["a", "f"], 1), [1, 0, 1, 1, 2, 1]),
        (Name(1, " cats "), [0, 0, 1, 1, 2, 2]),
    ],
)
def test_edits_change_what_they_say_and_nothing_else(edit, clusters):
    before = unedited()
    after = edit.apply(before)
    assert after.clusters.tolist() == clusters
    assert before.clusters.tolist() == [0, 0, 1, 1, 2, 2]
    assert after.name(1) == ("cats" if isinstance(edit, Name) else "cluster 1")


def test_marks_are_set_replaced_and_taken_away():
    marked = Mark(["a", "b"], "blurred").apply(unedited())
    marked = Mark(["b"], "odd").apply(marked)
    assert marked.marks == {"a": "blurred", "b": "odd"}
    assert Mark(["a", "b"], "").apply(marked).marks == {}


def test_an_image_has_several_tags_until_they_are_taken_away():
    tagged = Tag(["b"], "odd").apply(Tag(["a", "b"], " blurred ").apply(unedited()))
    assert tagged.tags == {"a": ("blurred",), "b": ("blurred", "odd")}
    assert Tag(["b"], "odd").apply(tagged).tags == tagged.tags
    assert Tag(["b"], "").apply(tagged).tags == {"a": ("blurred",)}
    assert tagged.clusters.tolist() == unedited().clusters.tolist()


def test_clusters_are_accepted_or_rejected_and_their_images_stay():
    judged = Reject([2]).apply(Accept([0, 1]).apply(unedited()))
    assert judged.status == ("accepted", "accepted", "rejected")
    assert judged.clusters.tolist() == unedited().clusters.tolist()
    assert Accept([2]).apply(judged).status == ("accepted",) * 3
    assert Split(["a"]).apply(judged).status == (*judged.status, "")


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        (Merge([1, 0]), ("", "accepted", "rejected")),
        (Merge([0, 2]), ("", "accepted", "")),
        (Drop([1, 2]), ("accepted", "", "")),
    ],
)
def test_a_judgement_of_a_cluster_ends_where_the_cluster_becomes_another(edit, status):
    judged = Reject([2]).apply(Accept([0, 1]).apply(unedited()))
    assert edit.apply(judged).status == status


@pytest.mark.parametrize(
    ("edit", "file_format"), [(Name(0, "cats"), 1), (Tag(["a"], "x"), 2), (Reject([0]), 2)]
)
def test_older_versions_read_a_file_without_the_newer_edits(edit, file_format):
    log = EditLog("kmeans-k3", "digest", (StampedEdit(edit),))
    assert log.to_json()["format"] == file_format
    assert parse_edit(log.to_json()["edits"][0]) == edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"action": "burn"}, "one of name, merge"),
        ({"action": []}, "one of name, merge"),
        ([], "one of name, merge"),
        ({"action": "name", "cluster": 3, "name": "x"}, "from 0 to 2"),
        ({"action": "name", "cluster": True, "name": "x"}, "from 0 to 2"),
        ({"action": "name", "cluster": 0, "name": "x\ny"}, "one line"),
        ({"action": "name", "cluster": 0, "name": "x" * 81}, "80 characters"),
        ({"action": "name", "cluster": 0}, "needs cluster and name, not cluster"),
        ({"action": "merge", "clusters": [1]}, "two clusters or more"),
        ({"action": "merge", "clusters": [1, 1]}, "two clusters or more"),
        ({"action": "merge", "clusters": 1}, "from 0 to 2"),
        ({"action": "drop", "clusters": []}, "needs a cluster"),
        ({"action": "split", "images": ["a", "nobody"]}, "no image 'nobody'"),
        ({"action": "split", "images": []}, "list of image ids"),
        ({"action": "mark", "images": ["a"], "mark": 7}, "one line"),
        ({"action": "tag", "images": ["a"], "tag": "x; y"}, "separates tags"),
        ({"action": "tag", "images": ["nobody"], "tag": "x"}, "no image 'nobody'"),
        ({"action": "accept", "clusters": []}, "accept needs a cluster"),
        ({"action": "reject", "clusters": [3]}, "from 0 to 2"),
    ],
)
def test_wrong_edits_are_refused_in_one_line(edit, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_edit(edit).apply(unedited())
    assert "\n" not in str(error.value)


def test_the_file_holds_edits_in_the_documented_form(editor):
    editor.add(Name(0, "red"))
    editor.add(Merge([0, 1]))
    content = json.loads(editor.path.read_text())
    assert list(content) == ["format", "clusters", "assignments", "edits", "undone"]
    assert [list(edit) for edit in content["edits"]] == [
        ["action", "cluster", "name", "at"],
        ["action", "clusters", "at"],
    ]
    assert content["edits"][1]["clusters"] == [0, 1]


def test_edits_are_described_in_a_few_words():
    assert Name(0, "red").describe() == "named cluster 0 'red'"
    assert Merge([0, 1]).describe() == "merged clusters 0, 1"
    assert Mark(["a"], "odd").describe() == "marked 1 images 'odd'"


def test_edits_are_kept_undone_and_redone(editor):
    assert not editor.path.exists()
    assert not editor.undo()
    before = editor.state().clusters
    editor.add(Name(0, "red"))
    editor.add(Merge([0, 1]))
    reopened = Editor(Run.open(editor.clustering.run.path).clustering(editor.clustering.name))
    assert (reopened.state().clusters == 1).sum() == 0
    assert reopened.state().names[0] == "red"
    assert reopened.undo()
    np.testing.assert_array_equal(reopened.state().clusters, before)
    assert reopened.state().names[0] == "red"
    assert reopened.redo()
    assert (reopened.state().clusters == 1).sum() == 0


def test_edits_whose_images_are_all_gone_keep_the_numbers_of_later_ones(editor):
    log = editor.read()
    for edit in (Split([]), Tag([], "odd"), Name(4, "none"), Name(1, "red")):
        log = log.add(StampedEdit(edit))
    edited = editor.state_after(log)
    assert edited.names == ("", "red", "", "", "none")
    assert edited.clusters.tolist() == editor.state().clusters.tolist()
    with pytest.raises(ConfigError, match="list of image ids"):
        editor.add(Split([]))


def test_a_new_edit_forgets_what_was_undone(editor):
    editor.add(Merge([0, 1]))
    editor.undo()
    editor.add(Drop([2]))
    assert not editor.redo()


def as_of_an_older_version(editor):
    """Return the text of edits.json, which alone holds the edits: nothing records them."""
    text = editor.path.read_text()
    editor.journal_path.unlink()
    run = editor.clustering.run
    with run.lock():
        run.note(edits={})
        run.let_go(editor.path.relative_to(run.path).as_posix())
    return text


def test_edits_of_other_assignments_and_wrong_ones_are_refused(editor):
    editor.add(Name(0, "red"))
    whole = as_of_an_older_version(editor)
    for text, message in (
        (whole.replace(json.loads(whole)["assignments"], "0" * 64), "other assignments"),
        (whole[:-20], "cannot be read"),
        ("[]", "not a list of edits"),
        (whole.replace('"format": 1', '"format": 9'), "newer latentlab"),
        (whole.replace('"cluster": 0', '"cluster": 99'), "cannot be applied"),
        (whole.replace('"action": "name"', '"action": "burn"'), "cannot be applied"),
    ):
        editor.path.write_text(text)
        with pytest.raises(RunError, match=message):
            editor.state()


def test_edits_of_an_older_version_are_read_and_go_on(editor):
    editor.add(Name(0, "red"))
    editor.path.write_text(as_of_an_older_version(editor).replace("red", "blue"))
    assert editor.state().names[0] == "blue"
    editor.add(Name(1, "green"))
    editor.path.unlink()
    assert editor.state().names[:2] == ("blue", "green")


DAMAGES = {
    "deleted": None,
    "cut": lambda text: text[: len(text) // 2],
    "changed": lambda text: text.replace("red", "rad"),
    "emptied": lambda text: "",
}


def damage(path, how):
    if how is None:
        path.unlink()
    else:
        path.write_text(how(path.read_text()))


@pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES.keys())
def test_either_file_of_the_edits_stands_for_the_other(editor, how):
    editor.add(Name(0, "red"))
    editor.add(Merge([0, 1]))
    files = {path: path.read_bytes() for path in (editor.path, editor.journal_path)}
    expected = editor.read()
    for path in files:
        damage(path, how)
        assert editor.read() == expected
        editor.undo()
        editor.redo()
        assert editor.read() == expected
        assert json.loads(editor.path.read_text())["edits"] == expected.to_json()["edits"]
    damage(editor.path, how)
    damage(editor.journal_path, how)
    with pytest.raises(RunError, match="0 of the 2 edits made by hand are left"):
        editor.state()
    assert editor.give_up() == 0
    assert editor.read().edits == ()


def test_cut_edits_are_counted_and_what_is_left_is_taken(editor):
    for number in range(4):
        editor.add(Name(number, f"name {number}"))
    lines = editor.journal_path.read_text().splitlines(keepends=True)
    editor.journal_path.write_text("".join(lines[:3]))
    editor.path.unlink()
    with pytest.raises(RunError, match="2 of the 4 edits made by hand are left"):
        editor.state()
    assert editor.give_up() == 2
    assert editor.state().names == ("name 0", "name 1", "", "")


def test_a_kill_behind_the_journal_keeps_the_edit(editor, monkeypatch):
    editor.add(Name(0, "red"))

    def kill(*arguments, **values):
        raise KeyboardInterrupt

    monkeypatch.setattr("latentlab.reporting.edits.write_json", kill)
    with pytest.raises(KeyboardInterrupt):
        editor.add(Name(1, "green"))
    monkeypatch.setattr(type(editor.clustering.run), "note", kill)
    with pytest.raises(KeyboardInterrupt):
        editor.add(Name(2, "blue"))
    monkeypatch.undo()
    reopened = Editor(Run.open(editor.clustering.run.path).clustering(editor.clustering.name))
    assert reopened.state().names[:3] == ("red", "green", "blue")
    reopened.undo()
    assert json.loads(reopened.path.read_text())["edits"] == reopened.read().to_json()["edits"]


def test_a_refused_edit_leaves_the_file_as_it_was(editor):
    editor.add(Name(0, "red"))
    whole = editor.path.read_text()
    with pytest.raises(ConfigError):
        editor.add(Merge([0, 77]))
    assert editor.path.read_text() == whole


def test_an_edit_on_an_older_state_is_refused_and_changes_nothing(editor):
    seen = editor.read().version()
    editor.add(Name(1, "cats"), seen)
    newest = editor.read()
    for stale in (lambda: editor.add(Drop([0]), seen), lambda: editor.undo(seen)):
        with pytest.raises(StaleEditError, match="changed elsewhere"):
            stale()
    with pytest.raises(StaleEditError):
        editor.redo(seen)
    assert editor.read() == newest
    assert editor.undo(newest.version())
    assert editor.state().names[1] == ""
