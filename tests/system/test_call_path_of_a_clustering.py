"""The call path of one clustering: our own functions, the wings they are in, the changes."""

import sys
from pathlib import Path

import pytest

import latentlab
from latentlab import pipeline
from latentlab.config import ClusterOptions, DataOptions, FitOptions

PACKAGE = f"{Path(latentlab.__file__).parent}/"
# What every open and write of a file passes on its way: nobody who follows a clustering goes there.
DOORS = {f"{PACKAGE}storage/{name}.py" for name in ("guard", "integrity", "memory_budget")}


SMALL = FitOptions(epochs=1, batch_size=50, arch_options={"width": 4, "code_channels": 4})


def room_of(file):
    """Return the wing that a file lies in, or the file itself at the top of the package."""
    return file.removeprefix(PACKAGE).split("/")[0]


def trip(function, *arguments):
    """Return the rooms of the named functions of ours that a call enters, in order.

    A generator counts once, however often it is resumed; comprehensions are no functions, and the
    checks at the doors of a run are left out.
    """
    frames = {}

    def enter(frame, event, argument):
        code = frame.f_code
        is_named = not code.co_name.startswith("<")
        is_ours = code.co_filename.startswith(PACKAGE) and code.co_filename not in DOORS
        if event == "call" and is_named and is_ours:
            frames.setdefault(id(frame), frame)  # held, so that no id is used twice

    sys.setprofile(enter)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return [room_of(frame.f_code.co_filename) for frame in frames.values()]


def changes(rooms):
    return sum(before != after for before, after in zip(rooms, rooms[1:], strict=False))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return two runs on 150 digits with their codes, and what to cluster them by."""
    folder = tmp_path_factory.mktemp("trips")
    data = DataOptions(data="digits", limit=150, size=16)
    made = [pipeline.embed(pipeline.fit(data, SMALL, folder / name)) for name in ("a", "b")]
    return made, ClusterOptions(k=10, features="pool+whiten+l2")


def test_a_first_clustering_and_a_repeated_one_stay_short(runs):
    (warm, run), options = runs
    pipeline.cluster(warm, options)  # imports what is imported late
    first = trip(pipeline.cluster, run, options)
    again = trip(pipeline.cluster, run, options)
    assert len(first) <= 250
    assert len(set(first)) <= 14
    assert changes(first) <= 60
    assert len(again) <= 80
