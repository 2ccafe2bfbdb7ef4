"""Saved networks (.keras) that name code, links or far too much, for scripts/hostile_inputs.py."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _hostile_files import Case, damaged

from latentlab.errors import DataError
from latentlab.storage import keras_files

NAMES = (
    *(("builtins", "eval"), ("builtins", "exec"), ("os", "system"), ("subprocess", "Popen")),
    *(("keras.layers", "Lambda"), ("keras.layers", "TorchModuleWrapper"), ("", "eval")),
    *(("keras.layers", "TFSMLayer"), ("keras.layers", "StringLookup"), ("numpy", "load")),
    *(("keras.layers", "function"), ("keras.utils", "get_file"), ("pickle", "loads")),
    *(("keras.src.utils.file_utils", "get_file"), ("keras.saving", "load_model")),
    *(("latentlab.plugins", "import_file"), ("latentlab.storage.files", "remove_folder")),
    ("importlib", "import_module"),
)
NUMBERS = (10**9, -(10**9), 10**30, 2**63)
DEEP = 500


def keras_networks(rng: random.Random) -> Iterator[Case]:
    """Yield files that `keras_files.check` has to refuse before Keras sees them."""
    for module, name in NAMES:
        for place in ("layer", "activation", "initializer"):
            yield _refused(f"{module}.{name} as {place}", _network(_named(module, name, place)))
    for number in NUMBERS:
        for key in ("units", "filters", "size", "padding"):
            layer = _layer("Dense", {key: number, "name": "d"})
            yield _refused(f"{key} of {number}", _network(layer))
    deep: dict[str, Any] = {}
    for _ in range(DEEP):
        deep = {"config": deep}
    yield _refused("deep configuration", _network(deep))
    for name, weights in _weights().items():
        yield _refused(f"weights: {name}", _network(_layer("Dense", {"units": 2}), weights))
    for name in ("../evil", "assets/a.txt", "/tmp/evil", "config.json.py"):
        content = _network(_layer("Dense", {"units": 2}), more={name: b"x"})
        yield _refused(f"member {name}", content)
    for name in ("config.json", "metadata.json"):
        content = _network(_layer("Dense", {"units": 2}), more={name: b" " * (300 << 20)})
        yield _refused(f"{name} of 300 MiB", content)
    sound = _network(_layer("Dense", {"units": 2}))
    for number in range(20):
        yield Case("keras", f"damaged {number}", _case(damaged(sound, rng, "flip"), False))


def _layer(name: str, config: dict[str, Any], module: str = "keras.layers") -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def _named(module: str, name: str, place: str) -> dict[str, Any]:
    hostile = _layer(name, {"code": "evil"}, module)
    if place == "layer":
        return hostile
    return _layer("Dense", {"units": 2, place: hostile})


def _network(
    layer: dict[str, Any], weights: bytes | None = None, more: dict[str, bytes] | None = None
) -> bytes:
    config = _layer("Sequential", {"layers": [layer]}, "keras")
    members = {
        "config.json": json.dumps(config).encode(),
        "metadata.json": b"{}",
        "model.weights.h5": _held({}) if weights is None else weights,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | (more or {})).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _held(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return buffer.getvalue()


def _weights() -> dict[str, bytes]:
    """Return HDF5 files of weights that lie elsewhere, or unpack to far too much."""
    made: dict[str, Callable[[h5py.File], Any]] = {
        "a link to a file": lambda file: file.__setitem__(
            "w", h5py.ExternalLink("/etc/passwd", "/")
        ),
        "a soft link": lambda file: file.__setitem__("w", h5py.SoftLink("/")),
        "data elsewhere": lambda file: file.create_dataset(
            "w", (4,), "u1", external=[("/etc/passwd", 0, 4)]
        ),
        "1 TiB of nothing": lambda file: file.create_dataset(
            "w", (1 << 40,), "u1", chunks=(1 << 20,)
        ),
        "1 GiB of zeros": lambda file: file.create_dataset(
            "w", (1 << 30,), "u1", chunks=(1 << 20,), compression="gzip"
        ),
    }
    contents = {"no HDF5": b"x" * 100, "nothing": b""}
    for name, make in made.items():
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            make(file)
        contents[name] = buffer.getvalue()
    return contents


def _refused(name: str, content: bytes) -> Case:
    return Case("keras", name, _case(content, True))


def _case(content: bytes, is_hostile: bool) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        path = folder / "network.keras"
        path.write_bytes(content)
        try:
            keras_files.check(path)
        except (OSError, ValueError) as error:  # what a reader of networks makes one line of
            raise DataError(str(error)) from error
        return "it was accepted" if is_hostile else ""

    return run


ALL = (keras_networks,)
