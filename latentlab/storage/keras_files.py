"""Open a saved `.keras` file that may come from somebody else: plain layers and numbers, and nothing that runs code.

Keras' own safe mode refuses pickled functions. Beyond it, a file may name any class or function that Keras can find, and
its HDF5 weights may point to other files of the machine; both have been ways in before. Here the names are checked
against a list before Keras sees them, and the weights may only hold numbers of their own.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

LIMIT = 2 << 30  # bytes of one member of the file, unpacked
MOST_ENTRIES = 100_000
MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
MODULES = {
    "keras",
    "keras.layers",
    "keras.initializers",
    "keras.models",
    "keras.src.models.functional",
    "keras.src.models.sequential",
    "latentlab",
    "builtins",
    None,
}
REFUSED = {
    "Lambda",
    "TorchModuleWrapper",
    "TFSMLayer",
    "JaxLayer",
    "FlaxLayer",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
    "function",
}


def load(path: Path) -> Any:
    """Return the Keras model of a file that `check` has passed.

    Raises
    ------
    ValueError
        As `check`, or if Keras cannot build it.
    """
    import keras

    check(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def check(path: Path) -> None:
    """Pass a file that holds nothing but plain layers and their weights.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is damaged, too large, names anything but plain layers, or its weights lie elsewhere.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if names := sorted({member.filename for member in members} - MEMBERS):
                raise ValueError(f"it holds {names[0]}, which a saved network does not need")
            if any(member.file_size > LIMIT for member in members) or len(members) > len(MEMBERS):
                raise ValueError("it is too large")
            config, weights = archive.read("config.json"), archive.read("model.weights.h5")
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile raises nearly every kind for damaged files
        raise ValueError(f"{type(error).__name__}: {error}") from error
    try:
        _check_names(dict(json.loads(config)))
        _check_weights(weights)
    except ValueError:
        raise
    except Exception as error:  # and so does h5py, OSError among them
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _check_names(value: Any) -> None:
    """Walk through a configuration and refuse what names anything but Keras' own plain layers and ours."""
    if isinstance(value, dict):
        if "class_name" in value:
            module, name = value.get("module"), value["class_name"]
            package, registered, _ = str(value.get("registered_name") or "").partition(">")
            ours = package == "latentlab" and (
                module is None or str(module).partition(".")[0] == "latentlab"
            )
            if name in REFUSED or not (ours or (module in MODULES and not registered)):
                raise ValueError(f"it names {module}.{name}, which is not a plain layer")
        for item in value.values():
            _check_names(item)
    elif isinstance(value, list):
        for item in value:
            _check_names(item)


def _check_weights(content: bytes) -> None:
    """Refuse HDF5 links to elsewhere, data kept in other files, and data sets larger than allowed."""
    import h5py

    total = seen = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                seen += 1
                if seen > MOST_ENTRIES:  # groups may hold each other in a circle
                    raise ValueError("its weights have no end")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"its weights {name} are a link")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif item.is_virtual or item.external:
                    raise ValueError(f"its weights {name} lie in another file")
                else:
                    total += int(item.nbytes)
                    if total > LIMIT:
                        raise ValueError("its weights are too large")
