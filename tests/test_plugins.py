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
