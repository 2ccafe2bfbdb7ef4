"""Summaries of plugins, and folders of plugins that are broken."""

import importlib.metadata
import os
import subprocess

import pytest
from helpers.processes import latentlab_command

from latentlab import plugins
from latentlab.errors import ConfigError


def test_every_plugin_says_in_a_line_what_it_is(monkeypatch):
    for kind in plugins.KINDS:
        for name in plugins.names(kind):
            assert 20 < len(plugins.summary(kind, name)) < 140, (kind, name)
    foreign = [importlib.metadata.EntryPoint("theirs", "nowhere.at_all", "latentlab.encoders")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: foreign)
    assert plugins.summary("encoders", "theirs") == ""


def test_a_broken_folder_of_plugins_is_one_line(tmp_path):
    result = latentlab_command("methods", LATENTLAB_PLUGINS=str(tmp_path / "none"))
    assert isinstance(result, subprocess.CompletedProcess)
    assert result.returncode == ConfigError.exit_code
    assert "which is not a folder" in result.stderr
    shown = latentlab_command("cluster", "--help", LATENTLAB_PLUGINS=str(tmp_path / "none"))
    assert "Traceback" not in shown.stderr


def test_installed_plugins_are_looked_up_again_when_the_folders_of_packages_change(
    monkeypatch, tmp_path
):
    """Without that the files of all packages would be read at every opening of data."""
    assert "theirs" not in plugins.names("clustering")
    record = tmp_path / "theirs-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[latentlab.clustering]\ntheirs = nowhere:AtAll\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "theirs" in plugins.names("clustering")
    look_ups = []
    look_up = importlib.metadata.entry_points

    def counted(group):
        look_ups.append(group)
        return look_up(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    assert [plugins.names("clustering") for _ in range(3)] == 3 * [plugins.names("clustering")]
    assert look_ups == ["latentlab.clustering"]
    monkeypatch.undo()
    assert "theirs" not in plugins.names("clustering")


@pytest.mark.parametrize("folder", [".", "plugins"])
def test_a_folder_of_the_working_directory_is_refused(folder, tmp_path, monkeypatch):
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTLAB_PLUGINS", folder)
    with pytest.raises(ConfigError, match="Give its whole path"):
        plugins.names("clustering")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such modes")
def test_a_folder_that_every_user_writes_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENTLAB_PLUGINS", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="to which every user may write"):
        plugins.names("clustering")


@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", os.mkdir)])
def test_what_is_no_file_is_no_plugin(make, tmp_path, monkeypatch):
    """To read a pipe would take for ever."""
    make(tmp_path / "evil.py")
    monkeypatch.setenv("LATENTLAB_PLUGINS", str(tmp_path))
    assert "evil" not in plugins.names("clustering")
    with pytest.raises(ConfigError, match="unknown name"):
        plugins.load("clustering", "evil")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise SystemExit(0)", "cannot be imported"),
        ("class A(Clusterer):\n    def __init__(self): raise KeyError(1)", "cannot be made"),
        ("x = " + "-" * 100_000 + "1", "names none of|cannot be imported"),
    ],
)
def test_a_plugin_that_fails_at_once_is_one_line(body, problem, tmp_path, monkeypatch):
    text = f"from latentlab.clustering.clusterer import Clusterer\n{body}\n"
    if "class" in body:
        text += "A.__abstractmethods__ = frozenset()\n"
    (tmp_path / "evil.py").write_text(text)
    monkeypatch.setenv("LATENTLAB_PLUGINS", str(tmp_path))
    with pytest.raises(ConfigError, match=problem):
        plugins.load("clustering", "evil")


@pytest.mark.parametrize("value", ["os:system", ":", "a b", "collections:OrderedDict"])
def test_an_entry_point_that_is_no_plugin_is_one_line(value, tmp_path, monkeypatch):
    record = tmp_path / "theirs-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[latentlab.clustering]\nevil = {value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.summary("clustering", "evil")
    with pytest.raises(ConfigError, match="evil"):
        plugins.load("clustering", "evil")
