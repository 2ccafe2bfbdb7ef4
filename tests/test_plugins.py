"""Summaries of plugins, and folders of plugins that are broken."""

import importlib.metadata
import subprocess

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
