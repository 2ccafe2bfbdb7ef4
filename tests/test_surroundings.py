"""Settings, caches and plugins of the working directory and of variables do nothing.

Each kind is planted for real; where a library would take it, the test first sees that it does.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.files import ROOT

MARK = "import pathlib; pathlib.Path({!r}).touch()\n"
PACKAGE = ROOT / "latentlab"
BEGIN = "import sys; sys.path[:] = [entry for entry in sys.path if entry]; import latentlab.cli\n"


@pytest.fixture
def place(tmp_path):
    """Return an empty working directory; `marker` lies beside it."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    return folder


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "it-ran"


def run(code, place, **variables):
    """Return what a process prints that works in `place`; None takes a variable away."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    given = {name: value for name, value in environment.items() if value is not None}
    command = code if isinstance(code, list) else ["-c", code]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=place,
        env=given,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout


# Places to import from


def plant_modules(place, marker):
    for name in ("yaml", "click", "numpy", "evil", "jax_plugins"):
        (place / f"{name}.py").write_text(MARK.format(str(marker)))
    record = place / "evil-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    groups = "[latentlab.clustering]\nevil = evil:Evil\n[numba_extensions]\ninit = evil:init\n"
    (record / "entry_points.txt").write_text(groups)


@pytest.mark.parametrize("started", ["module", "command", "library"])
def test_nothing_is_imported_from_the_working_directory(place, marker, started):
    plant_modules(place, marker)
    listed = "print(*plugins.names('clustering'))"
    code = {
        "module": ["-m", "latentlab", "methods"],
        "command": BEGIN + "from latentlab.cli import main; sys.argv[1:] = ['methods']; main()",
        # A program of somebody else goes on importing from there; plugins are ours to choose.
        "library": "import sys; sys.path.append(sys.path.pop(0)); from latentlab import plugins\n"
        + listed,
    }[started]
    # The empty entry, which means the working directory, comes of `PYTHONPATH=a:$PYTHONPATH`.
    path = f"{os.pathsep}{ROOT}" if started != "library" else str(ROOT)
    shown = run(code, place, PYTHONPATH=path)
    assert "kmeans" in shown
    assert "evil" not in shown
    assert not marker.exists()


def test_a_checkout_that_is_not_installed_still_starts_as_a_module():
    assert "Usage" in run(["-m", "latentlab", "--help"], ROOT, PYTHONPATH=None)


# Variables


GONE = {
    "HDF5_PLUGIN_PATH": "/somewhere/plugins",
    "HDF5_VOL_CONNECTOR": "evil",
    "PJRT_NAMES_AND_LIBRARY_PATHS": "evil:/somewhere/evil.so",
    "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/somewhere",
    "TF_DUMP_GRAPH_PREFIX": "/somewhere",
    "JAX_DUMP_IR_TO": "dump",
    "JAX_COMPILATION_CACHE_DIR": "cache",
    "LOKY_PICKLER": "evil",
    "ORT_LOAD_CONFIG_FROM_MODEL": "1",
    "OMP_TOOL_LIBRARIES": "evil.so",
    "NUMBA_CACHE_LOCATOR_CLASSES": "evil.Locator",
    "NUMBA_CACHE_DIR": "cache",
    "NUMBA_OPT": "wrong",
    "KERAS_HOME": "",
    "KERAS_MAX_EPOCHS": "wrong",
    "MATPLOTLIBRC": "settings",
    "MPLCONFIGDIR": "settings",
    "HF_HOME": "hub",
    "XDG_CACHE_HOME": ".",
    "XDG_CONFIG_HOME": "settings",
    "TMPDIR": "temporary",
    "HOME": "home",
    "SSL_CERT_FILE": "certificates",
    "NETRC": "netrc",
    "XLA_FLAGS": "flags.txt",
    "TF_XLA_FLAGS": "--tf_xla_persistent_cache_directory=cache",
}
STAYING = {
    "KERAS_BACKEND": "jax",
    "CUDA_VISIBLE_DEVICES": "1",
    "OMP_NUM_THREADS": "2",
    "NUMBA_NUM_THREADS": "2",
    "TF_NUM_INTRAOP_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "LATENTLAB_PLUGINS": "plugins",
    "LATENTLAB_TEST_DATA": "data",
    "http_proxy": "http://127.0.0.1:9",
    "LANG": "C.UTF-8",
}


def after_close(place, variables, begin=BEGIN):
    code = begin + "import json, os; print(json.dumps(dict(os.environ)))"
    return json.loads(run(code, place, **variables))


def test_variables_that_load_code_or_mean_the_working_directory_are_taken_away(place):
    left = after_close(place, GONE)
    assert sorted(set(left) & set(GONE)) == []
    assert left["HDF5_PLUGIN_PRELOAD"] == "::"


def test_variables_of_the_user_go_on_working(place, tmp_path):
    hub = {"HF_HOME": str(tmp_path / "hub"), "KERAS_HOME": str(tmp_path)}
    left = after_close(place, STAYING | hub)
    assert STAYING | hub == {name: left.get(name) for name in STAYING | hub}
    assert after_close(place, {"HF_HOME": "~/hub"})["HF_HOME"] == os.path.expanduser("~/hub")


def test_flags_lose_what_names_files_here_and_keep_the_rest(place):
    flags = "--xla_gpu_autotune_level=2 --xla_dump_to=dump --xla_gpu_cuda_data_dir=/usr/cuda"
    left = after_close(place, {"XLA_FLAGS": flags})["XLA_FLAGS"]
    assert left == "--xla_gpu_autotune_level=2 --xla_gpu_cuda_data_dir=/usr/cuda"


def test_programs_are_not_looked_for_in_the_working_directory(place):
    path = os.pathsep.join(["", ".", os.environ["PATH"]])
    assert after_close(place, {"PATH": path})["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(("mode", "stays"), [(0o700, True), (0o777, False)])
def test_a_cache_of_code_is_taken_from_a_folder_that_only_we_write_to(tmp_path, mode, stays):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    left = after_close(tmp_path, {"JAX_COMPILATION_CACHE_DIR": str(cache)})
    assert ("JAX_COMPILATION_CACHE_DIR" in left) == stays


# Numba

COMPILED = """
import numba

@numba.njit(cache=True)
def add(number):
    return number + 1
"""
EVIL_CACHE = """
import os, pickle, sys
from pathlib import Path
from compiled import add

class Evil:
    def __reduce__(self):
        return os.system, (f"touch '{sys.argv[1]}'",)

index = Path(add._cache._cache_file._index_path)
index.parent.mkdir(parents=True, exist_ok=True)
index.write_bytes(pickle.dumps(Evil()))
"""
USE = "from compiled import add; print(add(1))"
CLOSED_USE = f"from latentlab import backend\nwith backend.frameworks_hidden(): {USE}"


def test_settings_and_caches_of_numba_run_no_code(place, tmp_path, marker):
    """The working directory holds .numba_config.yaml and a cache of pickles that run a program."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "compiled.py").write_text(COMPILED)
    cache = place / "cache"
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "code")])}
    run(["-c", EVIL_CACHE, str(marker)], tmp_path, NUMBA_CACHE_DIR=str(cache), **path)
    (place / ".numba_config.yaml").write_text(f"cache_dir: {cache}\n")
    cache.chmod(0o777)
    for chosen in (None, str(cache), "cache"):
        ours = {"NUMBA_CACHE_DIR": chosen, "LATENTLAB_CACHE": str(tmp_path / "ours")}
        assert run(CLOSED_USE, place, **ours, **path) == "2\n"
        assert not marker.exists()
    assert any((tmp_path / "ours" / "numba").iterdir())
    assert run(USE, place, NUMBA_CACHE_DIR=None, **path) == "2\n"
    assert marker.exists()  # numba alone reads the settings, and runs what the pickle says


# Matplotlib

SHOW_SETTINGS = """
import json, matplotlib
from matplotlib.figure import Figure
Figure().savefig("one.png")
settings = {name: str(value) for name, value in matplotlib.rcParams.items()}
print(json.dumps(settings, sort_keys=True))
"""


def test_matplotlib_takes_no_settings_from_the_working_directory(place, tmp_path, marker):
    clean = run(BEGIN + SHOW_SETTINGS, tmp_path)
    (place / "evil.py").write_text(MARK.format(str(marker)))
    text = "figure.dpi: 33\nbackend: module://evil\ntext.usetex: True\n"
    (place / "matplotlibrc").write_text(text)
    plain = run("import matplotlib; print(matplotlib.rcParams['figure.dpi'])", place)
    assert float(plain) == 33
    planted = {"MPLBACKEND": "module://evil", "MATPLOTLIBRC": ".", "MPLCONFIGDIR": "."}
    assert run(BEGIN + SHOW_SETTINGS, place, **planted) == clean
    assert not marker.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files")
def test_a_settings_file_that_cannot_be_read_stops_nothing(place):
    os.mkfifo(place / "matplotlibrc")
    assert run(BEGIN + "import matplotlib; print('done')", place) == "done\n"


# Keras, TensorFlow and HDF5


def test_keras_is_the_same_whatever_its_settings_say(place, tmp_path, marker):
    settings = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.5}
    for folder in (place, tmp_path / "home" / ".keras"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "keras.json").write_text(json.dumps(settings | {"backend": "evil"}))
    (place / "flags.txt").write_text("--xla_dump_to=dump\n")
    code = BEGIN + (
        "from latentlab import backend\nbackend.start('tensorflow')\nimport keras\n"
        "print(keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon())"
    )
    planted = {"KERAS_HOME": "", "HOME": str(tmp_path / "home"), "XLA_FLAGS": "flags.txt"}
    library = build_library(place, marker)
    if library is not None:
        planted["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"] = str(library.parent)
    assert run(code, place, **planted) == "float32 channels_last 1e-07\n"
    assert not marker.exists()
    assert not (place / "dump").exists()


def build_library(place, marker):
    """Return a shared library that makes the marker when it is loaded; None without a compiler."""
    if shutil.which("cc") is None:
        return None
    source = place / "evil.c"
    source.write_text(
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void)"
        f'{{ FILE *file = fopen("{marker}", "w"); if (file) fclose(file); }}\n'
    )
    library = place / "plugins" / "libevil.so"
    library.parent.mkdir(exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return library


FILTERED = """
import h5py, numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t
try:
    settings = h5p.create(h5p.DATASET_CREATE)
    settings.set_chunk((4,))
    settings.set_filter(32099, 0, ())
    file = h5f.create(b"planted.h5")
    h5d.create(file, b"values", h5t.NATIVE_INT8, h5s.create_simple((4,)), settings)
except (ValueError, OSError):
    pass
print("done")
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler")
def test_hdf5_loads_no_library_that_a_variable_names(place, marker):
    library = build_library(place, marker)
    # Our own process may have closed HDF5 already, and a child gets its variables.
    variables = {"HDF5_PLUGIN_PATH": str(library.parent), "HDF5_PLUGIN_PRELOAD": None}
    run(FILTERED, place, **variables)
    assert marker.exists()  # HDF5 alone loads it, to see whether it is the filter
    marker.unlink()
    run(BEGIN + FILTERED, place, **variables)
    assert not marker.exists()


# git

ASK_GIT = "from latentlab.storage.manifest import Manifest; print(Manifest.new().values['git'])"


def a_repository(folder, marker):
    """Return a folder that git knows, whose settings start a program when git looks at it."""
    program = folder.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    for arguments in (
        ["init", "-q"],
        ["config", "core.fsmonitor", str(program)],
        ["-c", "core.fsmonitor=false", "add", "."],
        ["-c", "core.fsmonitor=false", "-c", "user.name=a", "-c", "user.email=a@b", "commit"],
    ):
        more = ["-q", "-m", "all"] if arguments[-1] == "commit" else []
        subprocess.run(["git", "-C", folder, *arguments, *more], check=True, timeout=60)


def a_copy_of_the_package(folder):
    unwanted = shutil.ignore_patterns("__pycache__", "weights", "*.md")
    shutil.copytree(PACKAGE, folder / "latentlab", ignore=unwanted)


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
@pytest.mark.parametrize("below", ["", "env/lib/site-packages"])
def test_git_starts_nothing_that_a_repository_or_a_variable_names(place, marker, tmp_path, below):
    """The package is the top of a repository, or installed somewhere inside of one."""
    checkout = tmp_path / "checkout"
    packages = checkout / below
    packages.mkdir(parents=True)
    a_copy_of_the_package(packages)
    a_repository(checkout, marker)
    for name in ("git", "git.exe"):
        (place / name).write_text(f"#!/bin/sh\ntouch '{marker}'\n")
        (place / name).chmod(0o755)
    planted = {
        "PATH": os.pathsep.join(["", os.environ["PATH"]]),
        "GIT_TRACE": str(marker),
        "GIT_DIR": str(ROOT / ".git"),
        "PYTHONPATH": str(packages),
    }
    shown = run(ASK_GIT, place, **planted)
    assert not marker.exists()
    assert ("'clean': True" in shown) == (below == "")
    assert shown == "None\n" or below == ""
    subprocess.run(["git", "-C", checkout, "status"], capture_output=True, check=True, timeout=60)
    assert marker.exists()  # git alone starts the program


# Time


def test_the_start_imports_nothing_for_it(place):
    code = BEGIN + "print(*sorted({'tempfile', 'numba', 'matplotlib', 'keras'} & set(sys.modules)))"
    assert run(code, place).strip() == ""


def test_the_usual_folders_are_used_as_they_are(tmp_path, place):
    """Nothing moves for a user whose folders are the user's own."""
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    code = BEGIN + "import matplotlib; print(matplotlib.get_configdir(), matplotlib.get_cachedir())"
    bare = {"HOME": str(home), "XDG_CONFIG_HOME": None, "XDG_CACHE_HOME": None}
    shown = run(code, place, **bare).split()
    if sys.platform == "linux":
        assert shown == [str(home / ".config/matplotlib"), str(home / ".cache/matplotlib")]
    home.chmod(0o777)
    assert all(Path(text).name == "matplotlib" for text in shown)
    assert str(home) not in run(code, place, **bare)
