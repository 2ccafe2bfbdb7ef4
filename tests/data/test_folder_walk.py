"""What a folder holds, without what is none of the user's data, and within its bounds."""

import os

import pytest

from latentlab.data import folder_walk
from latentlab.data.folder_walk import walk_folder
from latentlab.errors import DataError

RUN_JSON = '{"format": 1, "created": "", "stages": {}}'


def write(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def walked(folder, **options):
    walk = walk_folder(folder, **options)
    counts = {entry.reason: entry.count for entry in walk.passed_over.passed_over()}
    return sorted(walk.files), counts


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".DS_Store", "hidden"),
        ("._a.jpg", "hidden"),
        (".thumbnails/a.jpg", "hidden"),
        ("b/.ipynb_checkpoints/a.png", "hidden"),
        ("@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "thumbnails of a camera or NAS"),
        ("My.photoslibrary/resources/derivatives/a.jpg", "thumbnails of a camera or NAS"),
        ("#recycle/a.jpg", "deleted files"),
        ("$RECYCLE.BIN/S-1/a.jpg", "deleted files"),
        ("__MACOSX/b/._a.jpg", "files of the system"),
        ("Thumbs.db", "files of the system"),
        ("b/desktop.ini", "files of the system"),
        ("IMG_1.AAE", "side files of a camera"),
        ("IMG_1.xmp", "side files of a camera"),
        ("GOPR1.THM", "side files of a camera"),
        ("predictions.parquet", "own output"),
        ("b/clusters.parquet", "own output"),
    ],
)
def test_what_is_nobodys_picture_is_passed_over_by_name(tmp_path, path, reason):
    write(tmp_path / "b" / "good.png")
    write(tmp_path / path)
    files, counts = walked(tmp_path)
    assert files == ["b/good.png"]
    assert counts == {reason: 1}
    (entry,) = walk_folder(tmp_path).passed_over.passed_over()
    assert entry.is_expected


def test_names_that_look_alike_are_data(tmp_path):
    for path in (
        "runs/a.png",
        "resources/a.png",
        "report/index.png",
        "MACOSX/a.png",
        "eaDir/a.png",
    ):
        write(tmp_path / path)
    assert len(walked(tmp_path)[0]) == 5


def test_whatever_lies_below_a_run_is_own_output(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "runs" / "one" / "run.json", RUN_JSON)
    write(tmp_path / "runs" / "one" / "report" / "figures" / "map.png")
    write(tmp_path / "elsewhere" / "run.json", "{}")
    write(tmp_path / "elsewhere" / "b.png")
    write(tmp_path / "runs" / "of-mine.png")
    files, counts = walked(tmp_path)
    assert files == ["a.png", "runs/of-mine.png"]
    assert counts == {"own output": 4}


def test_comparisons_and_exports_are_own_output(tmp_path):
    write(tmp_path / "comparison" / "comparison.json")
    write(tmp_path / "comparison" / "index.html")
    write(tmp_path / "comparison" / "comparison.png")
    write(tmp_path / "by-cluster" / folder_walk.OUTPUT_FILE)
    write(tmp_path / "by-cluster" / "0" / "a.png")
    assert walked(tmp_path) == ([], {"own output": 5})


@pytest.mark.parametrize("below", ["", "report", "report/figures"])
def test_a_run_is_no_data(tmp_path, below):
    write(tmp_path / "run" / "run.json", RUN_JSON)
    write(tmp_path / "run" / "report" / "figures" / "map.png")
    with pytest.raises(DataError, match="a run of latentlab, which holds results and no data"):
        walk_folder(tmp_path / "run" / below)


def test_a_file_of_somebody_else_called_run_json_is_no_run(tmp_path):
    write(tmp_path / "run.json", '{"name": "experiment 4"}')
    write(tmp_path / "a.png")
    assert walked(tmp_path)[0] == ["a.png", "run.json"]


def test_links_that_lead_out_are_followed_on_request_only(tmp_path):
    data, outside = tmp_path / "data", tmp_path / "outside"
    write(data / "a.png")
    write(outside / "b.png")
    write(outside / "deep" / "c.png")
    write(tmp_path / "data-2" / "d.png")  # its path begins with that of the folder
    os.symlink("../outside/b.png", data / "file.png")
    os.symlink(outside, data / "folder")
    os.symlink("../data-2", data / "sibling")
    assert walked(data) == (["a.png"], {folder_walk.LEADS_OUT: 3})
    files, counts = walked(data, follow_links=True)
    assert files == ["a.png", "folder/b.png", "folder/deep/c.png", "sibling/d.png"]
    assert counts == {folder_walk.SECOND_FILE: 1}  # file.png, which lies in `folder`


def test_a_link_behind_a_link_does_not_lead_out(tmp_path):
    data = tmp_path / "data"
    write(data / "a.png")
    write(data / ".store" / "b.png")
    write(tmp_path / "secret.png")
    os.symlink("../../secret.png", data / ".store" / "out.png")
    os.symlink(".store", data / "store")
    os.symlink("store/out.png", data / "again.png")
    files, counts = walked(data)
    assert files == ["a.png", "store/b.png"]
    assert counts[folder_walk.LEADS_OUT] == 2


def test_nothing_is_there_twice(tmp_path):
    write(tmp_path / "cats" / "a.png")
    write(tmp_path / "dogs" / "b.png")
    os.symlink("..", tmp_path / "cats" / "up")
    os.symlink("cats", tmp_path / "zz_cats")
    os.symlink(tmp_path, tmp_path / "itself")
    os.symlink("../cats/a.png", tmp_path / "dogs" / "a.png")
    files, counts = walked(tmp_path)
    assert files == ["cats/a.png", "dogs/b.png"]
    assert counts == {folder_walk.SECOND_FOLDER: 3, folder_walk.SECOND_FILE: 1}


def test_two_links_to_one_hidden_file_are_one(tmp_path):
    write(tmp_path / ".annex" / "key")
    os.symlink(".annex/key", tmp_path / "a.png")
    os.symlink(".annex/key", tmp_path / "b.png")
    files, counts = walked(tmp_path)
    assert files == ["a.png"]
    assert counts[folder_walk.SECOND_FILE] == 1


def test_links_to_nothing_are_counted(tmp_path):
    write(tmp_path / "a.png")
    os.symlink(".git/annex/objects/1", tmp_path / "lost.png")
    os.symlink("round.png", tmp_path / "round.png")
    os.symlink("/nowhere/at/all", tmp_path / "far.png")
    assert walked(tmp_path) == (["a.png"], {folder_walk.LEADS_NOWHERE: 3})


def test_links_into_a_run_are_own_output(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "runs" / "one" / "run.json", RUN_JSON)
    write(tmp_path / "runs" / "one" / "report" / "map.png")
    os.symlink("one", tmp_path / "runs" / "latest")
    os.symlink("runs/one/report/map.png", tmp_path / "map.png")
    assert walked(tmp_path) == (["a.png"], {"own output": 4})


def test_a_folder_that_is_a_link_itself_is_gone_through(tmp_path):
    write(tmp_path / "real" / "a.png")
    os.symlink("real", tmp_path / "name")
    assert walked(tmp_path / "name") == (["a.png"], {})


def test_what_is_no_regular_file_is_counted(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    assert walked(tmp_path) == (["pipe.png"], {folder_walk.SPECIAL: 1})


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_folders_that_cannot_be_opened_are_counted(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "closed").mkdir(mode=0)
    assert walked(tmp_path) == (["a.png"], {folder_walk.CLOSED_FOLDER: 1})
    with pytest.raises(DataError, match="cannot be opened: Permission denied"):
        walk_folder(tmp_path / "closed")
