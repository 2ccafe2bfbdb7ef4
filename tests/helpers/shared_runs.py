"""What several files of tests stand on, made by one worker for all of them."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from latentlab.storage.run import Run


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker to ask for it makes; nobody may change it.

    Parameters
    ----------
    factory : pytest.TempPathFactory
        Gives temporary folders.
    name : str
        Name of the folder.
    make : callable
        make(path) fills an empty folder.
    """
    first = _folder_of_all(factory) / name
    with first.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not first.exists():
            part = first.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(first)
    return first


def run_made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> "Run":
    """Return this worker's copy of a run that the first worker to ask for it makes.

    Parameters are those of `made_once`; `make` makes the run in `path / "run"`. A run is in use by
    one process at a time.
    """
    from latentlab.storage.run import Run

    copy = factory.mktemp(name) / "run"
    shutil.copytree(made_once(factory, name, make) / "run", copy)
    return Run.open(copy)


def _folder_of_all(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that is the same for all workers of this run of the tests."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder
