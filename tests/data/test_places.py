"""Names of data in titles and in names of runs."""

import os

import pytest

from latentlab.cli.places import _short_name
from latentlab.config import DataOptions
from latentlab.data.opening import name_of
from latentlab.data.places import name_of_path
from latentlab.data.source import Source


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work inside a folder "photos" that has a sub-folder and a link to it beside it."""
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (".", "photos"),
        ("./", "photos"),
        ("cats/..", "photos"),
        ("cats/", "cats"),
        ("../linked", "linked"),
        ("../linked/", "linked"),
        ("~/photos/", "photos"),
    ],
)
def test_a_folder_is_called_by_its_name(photos, text, name):
    data = DataOptions(data=text)
    assert name_of(data) == name
    assert Source.named("folder").title(data, None) == name
    assert _short_name(text) == name


def test_the_folder_above_has_its_own_name(photos, tmp_path):
    assert name_of_path("..") == tmp_path.name


def test_bytes_that_are_no_utf8_are_spelled_out():
    assert name_of_path(os.fsdecode(b"scans/caf\xe9")) == r"caf\xe9"


def test_the_root_has_a_name():
    assert name_of_path("/") == "/"
    assert _short_name("/") == "images"
