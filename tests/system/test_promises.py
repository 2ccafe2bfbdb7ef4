"""SECURITY.md: every promise names tests that exist, and every page that it names is there."""

import re

import pytest
from helpers.files import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
PROMISES = re.findall(r"^\| \*\*(.+?)\*\*.*?\| (`tests/.*?) \|", TEXT, re.MULTILINE)


def test_there_are_promises():
    assert len(PROMISES) == TEXT.count("| **") >= 15


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_a_promise_names_its_tests(promise, tests):
    for name in re.findall(r"`([^`]+)`", tests):
        path = ROOT / name
        assert path.is_file(), name
        assert "def test_" in path.read_text(), name


def test_what_it_leads_to_is_there():
    pages = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(pages) > 8
    for page in pages:
        assert (ROOT / page).exists(), page


def test_the_commands_that_it_names_are_there():
    for name in re.findall(r"`(scripts/[\w./]+)", TEXT):
        assert (ROOT / name).is_file(), name
