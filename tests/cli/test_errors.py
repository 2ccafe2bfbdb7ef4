"""Errors in the words of the command line."""

import logging
import signal

import pytest
from click.testing import CliRunner

from latentlab.cli import cli
from latentlab.cli._group import _log_to_stderr
from latentlab.cli.errors import Translator
from latentlab.errors import ConfigError, RunError
from latentlab.progress import ONCE

TRANSLATIONS = {
    "`k`": "--k",
    "`k=5000`": "--k 5000",
    "`features='pol'`": "--features 'pol'",
    "`label=a b`": "--name a b",
    "`run`": "--run",
    "`run_path`": "--run",
    "`batch_size=0`": "--batch-size 0",
    "`recipe=strong`": "--recipe strong",
    "`settings.gamma=0.1`": "--set gamma=0.1",
    "`settings`": "--set",
    "`objective_options.teacher`": "--set teacher",
    "`source_options.count=3`": "--set count=3",
    "`overwrite=True`": "--overwrite",
    "`resume=False`": "--no-resume",
    "`switches`": "--switches",
    "`backend`": "--backend",
    "`file_format`": "--format",
    "`fit(run='runs/x', overwrite=True)`": "latentlab fit --run runs/x --overwrite",
    "`cluster(run='my runs/x', k=10)`": "latentlab cluster --run 'my runs/x' --k 10",
    "`choose_k(run='x')`": "latentlab choose-k --run x",
    "`verify(run='x')`": "latentlab verify x",
    "`read_labels`": "read_labels",
    "`gather(x=1)`": "gather(x=1)",
    "`fit(run=path)`": "fit(run=path)",
    "`two words`": "two words",
    "not quoted: k=3": "not quoted: k=3",
}


@pytest.mark.parametrize("text", TRANSLATIONS)
def test_names_and_calls_in_backticks_become_flags_and_commands(text):
    assert Translator(cli).text(text) == TRANSLATIONS[text]


def test_errors_are_translated_with_their_field_and_hint():
    translated = Translator(cli).error_text
    error = ConfigError(
        "is more than the 9 images", field="k", value=10, hint="Choose a smaller `k`."
    )
    assert translated(error) == "--k 10 is more than the 9 images. Choose a smaller --k."
    assert translated(ConfigError("is missing", field="k")) == "--k is missing."
    odd = ConfigError(": no", field="label", value="a`k`b")
    assert translated(odd) == "--name a`k`b: no."
    nested = ConfigError(": must be above 0", field="gamma", value=-1).within("settings")
    assert translated(nested) == "--set gamma=-1: must be above 0."
    missing = RunError("no run here.", hint="Make one with: `fit(run='x')`")
    assert translated(missing) == "no run here. Make one with: latentlab fit --run x"


def test_log_lines_are_translated_as_errors_are(capsys):
    logger = logging.getLogger("latentlab")
    before = logger.handlers[:], logger.level, logger.propagate
    try:
        _log_to_stderr(cli, verbose=False, quiet=True)
        logger.warning("%s are gone. Say where they are now with `data`.", "a.png", extra=ONCE)
        logger.warning("plain")
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
    assert capsys.readouterr().err == "a.png are gone. Say where they are now with --data.\nplain\n"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("can't start new thread"), 1, "not enough memory"),
        (OSError(12, "Cannot allocate memory"), 1, "not enough memory"),
        (OSError(5, "Input/output error", "x"), 4, "x: Input/output error"),
        (KeyError("x"), 1, "this is a bug"),
    ],
)
def test_what_no_stage_foresees_is_one_line_with_its_code(monkeypatch, capsys, error, code, text):
    def raising(folder):
        raise error

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("latentlab.storage.run.find_runs", raising)
    try:
        assert cli.main(["runs"], standalone_mode=False) == code
    finally:
        [signal.signal(number, handler) for number, handler in kept.items()]
    assert capsys.readouterr().err.startswith(f"error: {text}")


@pytest.mark.parametrize("word", ["a\0b", "\ud83e", "x/\udfff"])
def test_a_word_that_can_name_no_file_is_wrong_use(word):
    for words in (["runs", word], ["fit", "--data", word], [word]):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 2
        assert "holds a character that no file is named by" in done.output


def test_bytes_of_a_name_that_are_no_text_may_be_a_file():
    done = CliRunner().invoke(cli, ["evaluate", "--run", "r\udcff"])  # as Python passes b"\xff"
    assert "holds no latentlab run" in done.output
    assert done.exit_code == 4
