"""What libraries may take from outside: nothing from the working directory or from a run.

Numba reads settings from the working directory and unpickles its cache, matplotlib reads settings
there, HDF5, JAX and TensorFlow load the libraries that variables name, and Python itself imports
from empty entries of PYTHONPATH. `close` ends all of that for the command line, whose process is
ours. In somebody else's program only those are closed that would run code while latentlab works:
see `close_numba` and `latentlab.plugins`.

Variables that a user has set go on working where they name a whole path: KERAS_BACKEND,
CUDA_VISIBLE_DEVICES, OMP_NUM_THREADS, HF_HOME=/data/hub.
"""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Variables whose value is code, or the name of code, or that make libraries write files.
LOADING_CODE = (
    "TF_PLUGGABLE_DEVICE_LIBRARY_PATH",
    "TF_DUMP_GRAPH_PREFIX",
    "PJRT_NAMES_AND_LIBRARY_PATHS",
    "TPU_LIBRARY_PATH",
    "JAX_DUMP_IR_TO",
    "HDF5_PLUGIN_PATH",
    "HDF5_VOL_CONNECTOR",
    "HDF5_DRIVER",
    "HDF5_EXT_PREFIX",
    "HDF5_VDS_PREFIX",
    "ORT_LOAD_CONFIG_FROM_MODEL",
    "LOKY_PICKLER",
    "OMP_TOOL_LIBRARIES",
)
# Folders of compiled code: whoever writes to them runs code here.
CODE_CACHES = (
    "NUMBA_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_EXTENSIONS_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
)
# Of these groups nothing changes results for the better, and wrong values end imports with errors.
_ONLY_OF_GROUP = {
    "NUMBA_": ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"),
    "KERAS_": ("KERAS_BACKEND", "KERAS_HOME", "KERAS_TORCH_DEVICE"),
}
_SET = {
    "HDF5_PLUGIN_PRELOAD": "::",  # HDF5's way to say: load no plugins
    "MPLBACKEND": "agg",  # figures are files; another backend may be a module by name
    "NoDefaultCurrentDirectoryInExePath": "1",  # Windows looks for programs there otherwise
}
_LISTS = re.compile(r"PATH|PYTHONPATH|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|XDG_\w+_DIRS")
_PATHS = re.compile(
    r"HOME|TMPDIR|TEMP|TMP|NETRC|MATPLOTLIBRC|MPLCONFIGDIR|SSLKEYLOGFILE|JOBLIB_TEMP_FOLDER"
    r"|OPENSSL_(CONF|MODULES|ENGINES)|SCIKIT_LEARN_DATA|SEABORN_DATA|HF_\w*CACHE|HUGGINGFACE_\w+_CACHE"
    r"|\w+_(HOME|DIR|DIRECTORY|PATH|FOLDER|FILE|BUNDLE|PREFIX)"
)
_FLAGS = ("XLA_FLAGS", "TF_XLA_FLAGS", "LIBTPU_INIT_ARGS")
_FLAG_OF_PATH = re.compile(r"dump_to|dir|path|file|cache|prefix|library")
_NUMBA_SETTINGS = ".numba_config.yaml"
_MATPLOTLIB_SETTINGS = "matplotlibrc"


def close(by_module: bool = False) -> None:
    """Keep libraries from reading settings, caches and plugins of strangers in this process.

    It is called once by the command line, before it imports anything that is not Python's own.

    Parameters
    ----------
    by_module : bool
        Whether Python was started as `python -m latentlab`, which puts the working directory
        before all other places to import from.
    """
    _close_search_path(by_module)
    _close_variables()
    if not any(isinstance(finder, _MatplotlibFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MatplotlibFinder())


def close_numba() -> None:
    """Import numba without settings of the working directory, and keep its cache to ourselves.

    It unpickles what it finds in its cache. It gets a folder of ours, unless NUMBA_CACHE_DIR names
    one that only this user writes to.

    Raises
    ------
    RunError
        If no folder can be written to, not even one for temporary files.
    """
    from latentlab.private_folders import private_folder

    _drop_open_cache("NUMBA_CACHE_DIR")
    os.environ.pop("NUMBA_CACHE_LOCATOR_CLASSES", None)
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(private_folder("numba"))
    with warnings.catch_warnings(), _unseen(_NUMBA_SETTINGS):
        warnings.simplefilter("ignore")
        import numba.core.config as settings

        # It looks again with every function that it compiles.
        settings._config_fname = os.devnull
        settings.reload_config()


def close_keras(framework: str) -> None:
    """Set where Keras and its framework look for settings and files before they are imported.

    Where the home cannot be written to, Keras would take them from a folder in /tmp that anybody
    may have made. A home that can only be read still holds downloaded data.

    Parameters
    ----------
    framework : {"tensorflow", "jax", "torch"}
        PyTorch keeps compiled code in /tmp, under a name that anybody can guess.
    """
    from latentlab.private_folders import is_closed_to_others, private_folder

    _name_a_place_for_temporary_files()
    for name in CODE_CACHES:
        _drop_open_cache(name)
    if framework == "torch" and "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(private_folder("torchinductor"))
    if os.path.isabs(os.environ.get("KERAS_HOME", "")):
        return
    folder = Path(os.path.expanduser("~/.keras"))
    with contextlib.suppress(OSError):
        if folder.is_absolute() and is_closed_to_others(_nearest(folder)):
            os.environ["KERAS_HOME"] = str(folder)
            return
    os.environ["KERAS_HOME"] = str(private_folder("keras"))


def _name_a_place_for_temporary_files() -> None:
    """Let TensorFlow ask where temporary files go, as it does while it is imported.

    It makes none then. Where no place for them can be written to the question alone would fail.
    """
    import tempfile

    try:
        tempfile.gettempdir()
    except OSError:
        tempfile.tempdir = os.path.join(os.sep, "tmp")


def _close_search_path(by_module: bool) -> None:
    """Take the working directory from where Python imports from, unless latentlab lies in it."""
    entries = list(sys.path)
    if by_module and entries and _is_working_directory(entries[0]):
        del entries[0]
    doubted = _working_directory_by_variable()
    sys.path[:] = [entry for entry in entries if _is_whole(entry) and entry not in doubted]
    ours = str(Path(__file__).resolve().parent.parent)
    if ours not in map(os.path.realpath, sys.path):
        sys.path.append(ours)
    if sys.pycache_prefix is not None and not os.path.isabs(sys.pycache_prefix):
        sys.pycache_prefix = None


def _is_whole(entry: str) -> bool:
    """Return whether an entry of sys.path is a whole path, or stands for an installed package."""
    return os.path.isabs(entry) or entry.endswith(".__path_hook__")


def _is_working_directory(entry: str) -> bool:
    try:
        return os.path.samefile(entry or ".", ".")
    except OSError:
        return False


def _working_directory_by_variable() -> set[str]:
    """Return the folders that PYTHONPATH names by where the process works, as Python spells them.

    An empty entry, which is left where `a:$PYTHONPATH` was set without a PYTHONPATH, is one.
    """
    text = os.environ.get("PYTHONPATH", "")
    entries = text.split(os.pathsep) if text else []
    try:
        doubted = {os.path.abspath(entry) for entry in entries if not os.path.isabs(entry)}
    except OSError:  # the working directory has been removed
        return set()
    return doubted - {os.path.abspath(entry) for entry in entries if os.path.isabs(entry)}


def _close_variables() -> None:
    """Take away the variables that load code, and those that mean the working directory."""
    for name in list(os.environ):
        if name in LOADING_CODE or _is_left_out(name):
            del os.environ[name]
        elif name in _FLAGS:
            _set_or_drop(name, " ".join(_safe_flags(os.environ[name])))
        elif _LISTS.fullmatch(name):
            entries = os.environ[name].split(os.pathsep)
            _set_or_drop(name, os.pathsep.join(filter(os.path.isabs, entries)))
        elif _PATHS.fullmatch(name) and not name.startswith("LATENTLAB_"):
            path = _expanded(os.environ[name])
            _set_or_drop(name, path if os.path.isabs(path) else "")
    for name in CODE_CACHES:
        _drop_open_cache(name)
    os.environ.update(_SET)


def _is_left_out(name: str) -> bool:
    """Return whether a variable belongs to a group of which only some are passed on."""
    for start, passed_on in _ONLY_OF_GROUP.items():
        if name.startswith(start):
            return name not in passed_on
    return False


def _set_or_drop(name: str, value: str) -> None:
    if value:
        os.environ[name] = value
    else:
        del os.environ[name]


def _expanded(path: str) -> str:
    """Return a path without "~"; some libraries would make a folder of that name."""
    return os.path.expanduser(path) if path.startswith("~") else path


def _safe_flags(text: str) -> list[str]:
    """Return the words of XLA's flags that name no file in the working directory.

    A text that does not begin with "-" is the name of a file that holds the flags.
    """
    if not text.lstrip().startswith("-"):
        return [text] if os.path.isabs(text) else []
    words = []
    for word in text.split():
        name, _, value = word.partition("=")
        if not _FLAG_OF_PATH.search(name) or not value or os.path.isabs(value):
            words.append(word)
    return words


def _drop_open_cache(name: str) -> None:
    """Take away a variable that names a cache of compiled code which others may write to."""
    from latentlab.private_folders import is_kept_from_others

    text = os.environ.get(name)
    if text is None:
        return
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        path = Path(text)
        if path.is_absolute() and is_kept_from_others(_nearest(path)):
            return
    del os.environ[name]


def _nearest(folder: Path) -> Path:
    """Return a folder without links, or the nearest one above it if it does not exist."""
    real = folder.resolve()
    while not real.exists():
        real = real.parent
    return real


@contextlib.contextmanager
def _unseen(name: str) -> Iterator[None]:
    """Have `os.path.exists` deny a file of the working directory that a library asks for."""
    real = os.path.exists

    def exists(path: Any) -> bool:
        return path != name and real(path)

    os.path.exists = exists
    try:
        yield
    finally:
        os.path.exists = real


class _MatplotlibFinder:
    """Lets matplotlib be imported without the settings of the working directory.

    They come before all others. Its folder of settings and fonts is ours where the user's can be
    written to by others, or not at all.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return how to import matplotlib, the first time that it is asked for."""
        if name != "matplotlib":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            _close_matplotlib()
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                with _unseen(_MATPLOTLIB_SETTINGS):
                    run(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _close_matplotlib() -> None:
    """Choose matplotlib's folder of settings and fonts."""
    from latentlab.private_folders import private_folder

    _drop_open_cache("MPLCONFIGDIR")
    if "MPLCONFIGDIR" not in os.environ and not _has_usual_folders():
        os.environ["MPLCONFIGDIR"] = str(private_folder("matplotlib"))


def _has_usual_folders() -> bool:
    """Return whether the user's folders of settings and caches are of use to matplotlib."""
    from latentlab.private_folders import is_kept_from_others

    folders = {"XDG_CONFIG_HOME": "~/.config", "XDG_CACHE_HOME": "~/.cache"}
    try:
        for variable, usual in folders.items():
            base = Path(os.environ.get(variable) or os.path.expanduser(usual))
            folder = _nearest(base / "matplotlib")
            is_usable = base.is_absolute() and os.access(folder, os.W_OK | os.X_OK)
            if not is_usable or not is_kept_from_others(folder):
                return False
    except (OSError, RuntimeError):
        return False
    return True
