"""Imports and starts of large packages without their noise."""

import atexit
import contextlib
import importlib.abc
import importlib.util
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from latentlab.errors import LatentlabError


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
    Its compiler, numba, gets a folder to keep its work in.

    Raises
    ------
    LatentlabError
        If no folder can be written to, not even one for temporary files.
    """
    keep_compiled_code_in(_numba_folders())
    finder = _HidingFinder()
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.meta_path.remove(finder)


def keep_compiled_code_in(folders: Sequence[Path]) -> None:
    """Point numba to a folder for temporary files if none of its own can be written to.

    It would refuse to compile otherwise: in containers, for other users, and without a home.

    Parameters
    ----------
    folders : sequence of pathlib.Path
        Where numba would keep compiled code, if it may.

    Raises
    ------
    LatentlabError
        If no folder can be written to.
    """
    if any(map(_can_be_written, folders)):
        return
    try:
        folder = tempfile.mkdtemp(prefix="latentlab-numba-")
    except OSError as error:
        raise LatentlabError(
            f"UMAP needs a folder to compile in, and none can be written to ({error.strerror}).",
            hint="Set NUMBA_CACHE_DIR or TMPDIR to one.",
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder


def _numba_folders() -> list[Path]:
    """Return where numba keeps compiled code: as told, beside the package, or in the home."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(chosen)] if chosen else []
    spec = importlib.util.find_spec("umap")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "__pycache__")
    with contextlib.suppress(RuntimeError):  # a user without a home
        home = Path.home()
        folders.append(Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "numba")
    return folders


def _can_be_written(folder: Path) -> bool:
    """Return whether a file can be made in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _HidingFinder(importlib.abc.MetaPathFinder):
    """Says of the deep-learning frameworks that they are not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in ("tensorflow", "torch"):
            raise ModuleNotFoundError(f"{name} is hidden", name=name)
