"""The account in run.json, in files and on the log."""

import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from latentlab.data import account
from latentlab.data.intake import Intake, LeftOut
from latentlab.storage.run import Run

LOUD = Intake(20, (LeftOut("HEIC", 80, ("a.heic",)),), splits="nothing is held out")
QUIET = Intake(100, (LeftOut("HEIC", 1, ("a.heic",)),))


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run")


def told(caplog):
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_run_json_gives_the_account_back(run):
    run.note(intake=account.to_json(LOUD))
    assert account.recorded(Run.open(run.path)) == LOUD
    assert run.fact("intake")["text"] == LOUD.text


@pytest.mark.parametrize("value", [None, 3, {}, {"used": "many"}, {"passed_over": [{"count": 1}]}])
def test_runs_of_other_versions_have_none_or_an_empty_one(run, value):
    run.note(intake=value)
    assert account.recorded(run) in (None, Intake())
    account.tell_recorded(run)


def test_a_loud_account_is_a_warning_with_names(caplog):
    with caplog.at_level(logging.INFO, "latentlab"):
        account.tell(LOUD)
        account.tell(QUIET)
    (loud, loud_text), (quiet, quiet_text) = told(caplog)
    assert (loud, quiet) == (logging.WARNING, logging.INFO)
    assert loud_text.startswith("intake: 80 of what may be 100 images are left out, such as a.heic")
    assert loud_text.endswith(LOUD.text)
    assert quiet_text == f"intake: {QUIET.text}"


@pytest.mark.parametrize(
    ("intake", "is_complete", "only_if_loud", "count"),
    [
        (LOUD, True, True, 1),
        (QUIET, True, True, 0),
        (QUIET, True, False, 1),
        (LOUD, False, False, 0),  # it is told once the pictures have been read
    ],
)
def test_what_is_repeated_of_a_run(run, caplog, intake, is_complete, only_if_loud, count):
    run.note(intake=account.to_json(intake, is_complete))
    with caplog.at_level(logging.INFO, "latentlab"):
        account.tell_recorded(run, only_if_loud)
    assert len(told(caplog)) == count


def test_a_parquet_file_holds_the_account_beside_its_own_metadata(tmp_path):
    table = pa.table({"id": ["a"]}).replace_schema_metadata({"other": "1"})
    path = tmp_path / "predictions.parquet"
    pq.write_table(account.with_metadata(table, LOUD), path)
    assert account.of_file(path) == account.to_json(LOUD)
    assert pq.read_schema(path).metadata[b"other"] == b"1"


def test_a_file_without_an_account_has_none(tmp_path):
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    assert account.of_file(tmp_path / "other.parquet") is None
