"""Texts that are passed on tell neither where files were nor whose they are."""

import getpass
import platform

import pytest

from latentlab.reporting.privacy import Privacy, public_ids, shortest_ends

ANN = Privacy(("/home/ann/my photos", "/srv/data/birds", "C:\\Users\\ann\\x"), {"ann": "user"})


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/home/ann/my photos", "my photos"),
        ("/home/ann/my photos/a b.png cannot be read", "my photos/a b.png cannot be read"),
        ("--data=/srv/data/birds --k 4", "--data=birds --k 4"),
        ("labels of /mnt/elsewhere/labels.csv, 3 columns", "labels of labels.csv, 3 columns"),
        ("D:\\bob\\runs\\r", "r"),
        ("~/photos", "photos"),
        ("made by Ann", "made by user"),
        ("annex and joann stay", "annex and joann stay"),
        (r"labels: $\frac{$x, \$ stay", r"labels: $\frac{$x, \$ stay"),
        (r"\\server\ann\x", "x"),
        ("3/4 and train/cat.png stay", "3/4 and train/cat.png stay"),
        ("https://example.org/a/b stays", "https://example.org/a/b stays"),
    ],
)
def test_folders_and_names_go(text, public):
    assert ANN.public(text) == public


def test_values_of_json_go_and_names_of_data_stay():
    value = {"a": ["/home/ann/x", 1, None], "class_names": ["/m/0abc"], "k/x": True}
    assert ANN.public_values(value) == {
        "a": ["x", 1, None],
        "class_names": ["/m/0abc"],
        "k/x": True,
    }


def test_this_user_and_machine_are_known(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "plantedann")
    monkeypatch.setattr(platform, "node", lambda: "plantedhost.local")
    privacy = Privacy.here("/home/plantedbob/x")
    text = "plantedann on plantedhost.local, plantedhost; of /home/plantedbob/x"
    assert privacy.public(text) == "user on machine, machine; of x"
    assert privacy.name_in("by PlantedBob") == "PlantedBob"


def test_common_names_are_no_secrets(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.setattr(platform, "node", lambda: "vm")
    assert Privacy.here().public("the root of a vm") == "the root of a vm"


def test_bytes_are_searched_for_paths_and_the_folders_above():
    assert ANN.path_in(b"\x00/home/ann/other\x00") == "/home/ann"
    assert ANN.path_in(b"/srv/other /home") == ""


def test_ids_lose_the_folders_that_they_share():
    assert public_ids(["a/b.png", "c.png"]) == ["a/b.png", "c.png"]
    assert public_ids(["/home/ann/a/1.png", "/home/ann/b/1.png"]) == ["a/1.png", "b/1.png"]
    assert shortest_ends(["/x/run", "/x/run"]) == ["run", "run"]
    assert public_ids([]) == []
