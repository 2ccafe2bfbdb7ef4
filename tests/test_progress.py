"""Lines of long stages where no bar is drawn."""

import logging

import pytest

from latentlab import progress


@pytest.fixture
def now(monkeypatch):
    """Return a clock that a test sets: a list of one time."""
    time = [0.0]
    monkeypatch.setattr(progress, "clock", lambda: time[0])
    return time


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "latentlab")
    return lambda: [record.getMessage() for record in caplog.records]


def test_the_first_line_comes_before_the_work(lines, now):
    with progress.track("embed", 60_000):
        assert lines() == ["embed: 60,000 images ..."]


def test_a_stage_may_stay_silent_at_its_start(lines, now):
    with progress.track("epoch 2/9", 10, "steps", is_announced=False):
        assert lines() == []


def test_quick_work_says_no_more(lines, now):
    with progress.track("embed", 100) as bar:
        for done in range(100):
            now[0] += 0.04
            bar.update(done + 1)
    assert len(lines()) == 1


def test_slow_work_tells_every_tenth_and_no_more_than_every_five_seconds(lines, now):
    with progress.track("embed", 1000) as bar:
        for done in range(0, 1000, 10):
            now[0] += 1.0
            bar.update(done + 10)
    assert lines()[1:3] == ["embed: 100 of 1,000 (10%)", "embed: 200 of 1,000 (20%)"]
    assert len(lines()) == 11


def test_very_slow_work_tells_every_half_minute(lines, now):
    with progress.track("embed", 1_000_000) as bar:
        for done in range(65):
            now[0] += 1.0
            bar.update(done, "loss 1")
    assert lines()[1:] == [
        "embed: 29 of 1,000,000 (0%), loss 1",
        "embed: 59 of 1,000,000 (0%), loss 1",
    ]


def test_work_of_unknown_size_counts(lines, now):
    with progress.track("read photos", None) as bar:
        now[0] = 31.0
        bar.update(4096)
    assert lines() == ["read photos ...", "read photos: 4,096"]


def test_a_package_that_runs_already_is_not_announced(lines):
    progress.announce_import("logging")
    progress.announce_import("no_such_package")
    assert lines() == ["starting no_such_package ..."]
