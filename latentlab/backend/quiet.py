"""Imports and starts of large packages without their noise."""

import contextlib
import importlib.abc
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from latentlab.surroundings import close_numba


@contextlib.contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what native code prints to the standard error stream.

    TensorFlow prints its processor's features while it starts, and no setting stops it. Python's
    errors are raised as ever; they do not pass through here.
    """
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


@contextlib.contextmanager
def frameworks_hidden() -> Iterator[None]:
    """Let packages be imported without the deep-learning frameworks that they would import too.

    umap-learn imports one for its parametric variant, which is not used here. It takes seconds.
    Its compiler, numba, keeps its work in a folder of ours.

    Raises
    ------
    RunError
        If no folder can be written to, not even one for temporary files.
    """
    finder = _HidingFinder()
    sys.meta_path.insert(0, finder)
    try:
        close_numba()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.meta_path.remove(finder)


class _HidingFinder(importlib.abc.MetaPathFinder):
    """Says of the deep-learning frameworks that they are not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in ("tensorflow", "torch"):
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
