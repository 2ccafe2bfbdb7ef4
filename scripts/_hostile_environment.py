"""Hostile surroundings of scripts/hostile_inputs.py: files in the working directory, variables.

Each case plants one thing, starts a process there, and compares what it shows with what the same
process shows in an empty folder. A planted thing that runs leaves a file behind.
"""

import functools
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from _hostile_files import Case

ROOT = Path(__file__).resolve().parent.parent
FAMILY = "environment"
MARKER = "it-ran"
SECONDS = 120  # a process that takes longer hangs
CLOSED = "import sys; sys.path[:] = [entry for entry in sys.path if entry]\nimport latentlab.cli\n"
# What is asked of a process; the libraries are imported as latentlab imports them.
PROBES = {
    "start": CLOSED + "print(sorted(set(sys.path)), sys.pycache_prefix)",
    "matplotlib": CLOSED
    + "import hashlib, io\nfrom matplotlib.figure import Figure\nimport matplotlib\n"
    "figure, stream = Figure(), io.BytesIO()\nfigure.add_subplot().set_title('one')\n"
    "figure.savefig(stream, metadata={'Software': None})\n"
    "print(hashlib.sha256(stream.getvalue()).hexdigest(), matplotlib.get_backend())",
    "numba": CLOSED
    + "from latentlab import backend\nwith backend.frameworks_hidden():\n    import numba\n"
    "print(numba.njit(lambda a: a + 1)(1), numba.config.OPT, numba.config.DISABLE_JIT)",
    "hdf5": CLOSED
    + "import h5py, numpy\nwith h5py.File.in_memory() as file:\n    file['a'] = numpy.arange(9)\n"
    "    print(file['a'][:].sum())",
    "hub": CLOSED + "import huggingface_hub.constants as constants, pathlib\n"
    "print(pathlib.Path(constants.HF_HOME).is_absolute(), constants.HF_HUB_OFFLINE)",
    "keras": CLOSED
    + "from latentlab import backend\nbackend.start()\nimport keras\nprint(keras.config.floatx(),"
    " keras.config.image_data_format(), keras.ops.sum(keras.ops.ones((3, 4))))",
    "git": CLOSED
    + "from latentlab.storage.manifest import Manifest\nManifest.new(); print('done')",
}
COMMANDS = {
    "methods": ("-m", "latentlab", "methods"),
    "help": ("-m", "latentlab", "--help"),
    "sources": ("-m", "latentlab", "sources"),
}
VALUES_BY_PROBE = {
    "start": (
        *("PYTHONPATH", "PYTHONPYCACHEPREFIX", "HOME", "TMPDIR", "XDG_CACHE_HOME"),
        *("XDG_STATE_HOME", "LATENTLAB_CACHE", "PATH", "OPENSSL_CONF", "LOKY_PICKLER"),
    ),
    "matplotlib": ("MATPLOTLIBRC", "MPLCONFIGDIR", "MPLBACKEND", "XDG_CONFIG_HOME"),
    "numba": (
        *("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_OPT", "NUMBA_DISABLE_JIT"),
        *("NUMBA_DUMP_LLVM", "NUMBA_CPU_NAME", "LATENTLAB_CACHE"),
    ),
    "hdf5": (
        *("HDF5_PLUGIN_PATH", "HDF5_VOL_CONNECTOR", "HDF5_DRIVER", "HDF5_EXT_PREFIX"),
        "HDF5_VDS_PREFIX",
    ),
    "hub": ("HF_HOME", "HF_HUB_CACHE", "HF_XET_CACHE", "XDG_CACHE_HOME"),
    "keras": ("KERAS_HOME", "KERAS_MAX_EPOCHS", "XLA_FLAGS", "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"),
    "git": ("GIT_DIR", "GIT_TRACE", "GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH", "PATH"),
}
MODULES = (
    *("yaml", "click", "numpy", "keras", "numba", "matplotlib", "h5py", "rich", "filelock"),
    *("latentlab_plugins", "jax_plugins", "wicked"),
)
SETTINGS = {
    "matplotlibrc": (
        "matplotlib",
        (
            b"figure.dpi: 33\nbackend: module://wicked\n",
            b"text.usetex: True\n",
            b"\xff\xfe\0\0",
            b":",
        ),
    ),
    ".numba_config.yaml": (
        "numba",
        (b"opt: 0\ndisable_jit: 1\n", b"cache_dir: cache\n", b"- [", b"\xff\xfe", b"opt: wrong\n"),
    ),
    "keras.json": ("keras", (b'{"floatx": "float16"}', b"{", b'{"backend": "wicked"}')),
    "pyproject.toml": ("start", (b"[tool.latentlab]\nplugins = 'wicked'\n",)),
    "setup.cfg": ("start", (b"[options.entry_points]\nlatentlab.clustering = wicked=wicked:E\n",)),
    ".env": ("start", (b"LATENTLAB_PLUGINS=.\n",)),
}


def environments(rng: random.Random) -> Iterator[Case]:
    """Yield variables, files of settings and modules to import, each alone."""
    for probe, names in VALUES_BY_PROBE.items():
        for name in names:
            yield from _variables(probe, name, rng)
    for name, (probe, contents) in SETTINGS.items():
        for number, content in enumerate(contents):
            plant = functools.partial(_write, name=name, content=content)
            yield Case(FAMILY, f"{name} {number}", functools.partial(_judge, probe, plant))
        if hasattr(os, "mkfifo"):
            plant = functools.partial(_make_pipe, name=name)
            yield Case(FAMILY, f"{name} as a pipe", functools.partial(_judge, probe, plant))
    for module in MODULES:
        command = rng.choice(sorted(COMMANDS))
        plant = functools.partial(_plant_module, module=module)
        yield Case(FAMILY, f"{module}.py, {command}", functools.partial(_judge, command, plant))
        yield Case(FAMILY, f"{module}.py, an entry", functools.partial(_judge, "start", plant))


def _variables(probe: str, name: str, rng: random.Random) -> Iterator[Case]:
    """Yield a variable as an empty text, as a name in the working directory, and as nonsense."""
    nonsense = rng.choice(("module://wicked", "\x01\x02", "wicked.Wicked", "x" * 5000, "-1", "{}"))
    values = {"here": "planted", "nonsense": nonsense}
    if probe == "keras":  # seconds each
        del values["nonsense"]
    for kind, value in values.items():
        if name in ("PATH", "PYTHONPATH"):
            value = os.pathsep.join(["", value, os.environ.get(name, str(ROOT))])
        run = functools.partial(_judge, probe, _plant_all, variables={name: value})
        yield Case(FAMILY, f"{name} {kind}, {probe}", run)


def _write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)


def _make_pipe(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)


def _plant_module(folder: Path, module: str) -> None:
    """Write a module that leaves a file behind, and a package that offers it as a plugin."""
    marker = folder / MARKER
    text = f"open({str(marker)!r}, 'w')\n"
    (folder / f"{module}.py").write_text(text)
    record = folder / "wicked-1.0.dist-info"
    record.mkdir(exist_ok=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: wicked\nVersion: 1.0\n")
    groups = ("latentlab.clustering", "latentlab.sources", "numba_extensions", "jax_plugins")
    lines = [f"[{group}]\ninit = {module}:Wicked\n" for group in groups]
    (record / "entry_points.txt").write_text("".join(lines))


def _plant_all(folder: Path) -> None:
    """Fill the folder "planted" with what some library would take from it."""
    place = folder / "planted"
    place.mkdir()
    for target in (folder, place):
        _plant_module(target, "wicked")
        for name in ("git", "uname", "fc-list", "lscpu"):
            (target / name).write_text(f"#!/bin/sh\ntouch '{folder / MARKER}'\n")
            (target / name).chmod(0o755)
    (place / "matplotlibrc").write_text("figure.dpi: 33\nbackend: module://wicked\n")
    (place / "keras.json").write_text('{"floatx": "float16", "backend": "wicked"}')
    (place / "libwicked.so").write_bytes(b"\x7fELF")


def _judge(
    probe: str,
    plant: Callable[[Path], None],
    folder: Path,
    variables: dict[str, str] | None = None,
) -> str:
    """Return "" where a process shows in the planted folder what it shows in an empty one."""
    expected = _shown_in_empty_folder(probe, folder.parent / f"empty-{probe}")
    plant(folder)
    before = _files(folder)
    shown = _show(probe, folder, variables or {})
    if (folder / MARKER).exists():
        return "planted code ran"
    made = sorted(_files(folder) - before)
    if made:
        return f"made {made}"
    return "" if shown == expected else f"shows {shown[-600:]!r}, not {expected[-200:]!r}"


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@functools.cache
def _shown_in_empty_folder(probe: str, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return _show(probe, folder, {})


def _show(probe: str, folder: Path, variables: dict[str, str]) -> str:
    command = COMMANDS.get(probe) or ("-c", PROBES[probe])
    environment = {"PYTHONPATH": str(ROOT)} | os.environ | variables
    try:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    return f"{done.returncode}\n{done.stdout}\n{done.stderr}"


ALL = (environments,)
