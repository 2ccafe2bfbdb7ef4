"""What commands print: names of files and classes give a terminal no orders."""

import json
import logging

import pytest
from click.testing import CliRunner
from helpers.names import HOSTILE

from latentlab.cli import cli


@pytest.fixture(autouse=True)
def log_as_it_was():
    """Put the log back, which each command leads to its own standard error stream."""
    logger = logging.getLogger("latentlab")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


ORDERS = ["\x1b[2J", "\u202eevil", "a\x07b", "\x9b31m", "\x7f"]


@pytest.mark.parametrize("name", ORDERS)
def test_errors_spell_escapes_out(name, tmp_path):
    done = CliRunner().invoke(cli, ["evaluate", "--run", str(tmp_path / name)])
    assert done.exit_code == 4
    assert done.output.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ORDERS)
def test_wrong_usage_spells_escapes_out(name, capsys, monkeypatch):
    from latentlab.cli import main

    monkeypatch.setattr("sys.argv", ["latentlab", "fit", f"--no-{name}"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.replace("\n", "").isprintable()


def test_results_and_messages_spell_escapes_out(capsys):
    from latentlab.cli._group import _InWordsOfFlags
    from latentlab.cli._output import say

    for name in HOSTILE:
        say(f"run: {name}")
        record = logging.LogRecord("latentlab", logging.INFO, "", 0, "run %s", (name,), None)
        shown = _InWordsOfFlags(cli).format(record)
        assert shown.replace("\n", "").replace("\t", "").isprintable()
    assert capsys.readouterr().out.replace("\n", "").replace("\t", "").isprintable()


def test_json_stays_exact(tmp_path):
    done = CliRunner().invoke(cli, ["runs", str(tmp_path), "--json"])
    assert json.loads(done.stdout)["command"] == "runs"
