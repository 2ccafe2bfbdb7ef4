"""Open a `.keras` file from an untrusted source: plain layers and numbers, nothing that runs code.

Keras' safe mode refuses pickled functions. Beyond that, a file may name any class or function that
Keras can find, and its HDF5 weights may point to other files of the machine. Here the names are
checked against a list before Keras sees them, and the weights must lie in the file itself.

Reasons: docs/decisions/0054-untrusted-files.md.
"""

import io
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.storage import guard, memory_budget

if TYPE_CHECKING:
    import keras

LIMIT = 2 << 30  # bytes of the weights, unpacked; less in a small file
LONGEST_TEXT = 16 << 20  # bytes of the configuration, unpacked
LARGEST_NUMBER = 10_000_000  # that a configuration may ask for: units, padding, repetitions
LARGEST_OUTPUT = 1 << 27  # numbers that a layer makes of one image: half a gigabyte
NO_SIZES = ("seed", "shared_object_id")  # numbers that say no size, whatever they are
MOST_ENTRIES = 20_000  # of the HDF5 file: groups may hold each other in a circle
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.weights.h5"
MEMBERS = {CONFIG_NAME, "metadata.json", WEIGHTS_NAME}
COMPILED_NAME = "compile_config"
PACKAGE = "latentlab"  # under which our own layers are registered
MODULES = {
    "keras",
    "keras.layers",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.models",
    "keras.src.models.functional",
    "keras.src.models.sequential",
    PACKAGE,
    "builtins",
    None,
}
PLAIN_BUILTINS = {"bool", "dict", "float", "int", "list", "NoneType", "slice", "str", "tuple"}
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


def load(path: Path) -> "keras.Model":
    """Load the model of a file once `check` has passed it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        As for `check`, if Keras cannot build the model, or if the model has more numbers than the
        file holds.
    """
    import keras

    _check_sizes(*_checked(path))
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def check(path: Path) -> None:
    """Pass a file that holds nothing but plain layers and their weights.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is damaged, too large, names anything but plain layers, or its weights lie elsewhere.
    """
    _checked(path)


def _checked(path: Path) -> tuple[dict[str, Any], int]:
    """Return the configuration that `check` passes, and the number of weights in the file."""
    guard.reading(path)
    try:
        config, weights = _contents(path)
        allowed = memory_budget.allowed_bytes(path, None, LIMIT)
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile raises nearly every kind for damaged files
        raise ValueError(f"{type(error).__name__}: {error}") from error
    try:
        described = dict(memory_budget.parsed_json(config, memory_budget.LEAST))
        described.pop(COMPILED_NAME, None)  # `load` compiles nothing and drops it too
        _check_names(described)
        return described, _check_weights(weights, allowed)
    except ValueError:
        raise
    except Exception as error:  # and so does h5py, with OSError among them
        raise ValueError(f"{type(error).__name__}: {error}") from error


def check_weights(content: bytes) -> None:
    """Pass an HDF5 file of weights that lie in the file itself.

    Parameters
    ----------
    content : bytes
        The file.

    Raises
    ------
    ValueError
        If it is damaged, too large, or its weights lie elsewhere.
    """
    try:
        _check_weights(content, memory_budget.allowed_for(len(content), LIMIT))
    except ValueError:
        raise
    except Exception as error:  # h5py raises nearly every kind for damaged files
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _contents(path: Path) -> tuple[bytes, bytes]:
    """Return configuration and weights of a file with the expected members."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unexpected = sorted({member.filename for member in members} - MEMBERS)
        if unexpected:
            raise ValueError(f"it holds {unexpected[0]}, which a saved network does not need")
        allowed = memory_budget.allowed_bytes(path, None, LIMIT)
        if sum(member.file_size for member in members) > allowed or len(members) > len(MEMBERS):
            raise ValueError("it is too large")
        texts = [member for member in members if member.filename != WEIGHTS_NAME]
        if any(member.file_size > LONGEST_TEXT for member in texts):
            raise ValueError("its configuration is too long")
        for member in texts:  # Keras reads both
            memory_budget.parsed_json(archive.read(member), memory_budget.LEAST)
        return archive.read(CONFIG_NAME), archive.read(WEIGHTS_NAME)


def _check_sizes(described: dict[str, Any], stored: int) -> None:
    """Refuse a network that would take more memory than its file has weights for.

    Numbers of a configuration multiply: two layers of 60,000 units have 3.6 billion weights. So
    the network is built without any of its variables first, which takes no memory.
    """
    import keras

    with keras.StatelessScope(initialize_variables=False):
        network = keras.saving.deserialize_keras_object(described, safe_mode=True)
    asked = sum(math.prod(variable.shape) for variable in network.weights)
    if asked > stored:
        raise ValueError(f"its configuration asks for {asked:,} weights, and it holds {stored:,}")
    for layer in network.layers:
        for tensor in keras.tree.flatten(layer.output):
            size = math.prod(length or 1 for length in tensor.shape)
            if size > LARGEST_OUTPUT:
                raise ValueError(f"its layer {layer.name} makes {size:,} numbers of one image")


def _check_names(value: Any) -> None:
    """Walk through a configuration and refuse anything but plain layers of Keras and our own."""
    if isinstance(value, dict):
        if "class_name" in value:
            _check_class(value)
        for key, item in value.items():
            _check_number(key, item)
            _check_names(item)
    elif isinstance(value, list):
        for item in value:
            _check_names(item)


def _check_number(key: str, value: Any) -> None:
    """Refuse a number for which Keras would take memory before it looks for the weights."""
    numbers = value if isinstance(value, list) else [value]
    sizes = [abs(number) for number in numbers if isinstance(number, int)]
    if max(sizes, default=0) > LARGEST_NUMBER and not key.endswith(NO_SIZES):
        raise ValueError(f"its configuration asks for {key} of {max(sizes)}")


def _check_class(config: dict[str, Any]) -> None:
    """Refuse one class that is no plain layer."""
    name = config["class_name"]
    module = config.get("module")
    package, registered, _ = str(config.get("registered_name") or "").partition(">")
    is_ours = package == PACKAGE and (module is None or str(module).partition(".")[0] == PACKAGE)
    is_plain = module in MODULES and not registered
    if module == "builtins":
        is_plain = name in PLAIN_BUILTINS
    if name in REFUSED or not (is_ours or is_plain):
        raise ValueError(f"it names {module}.{name}, which is not a plain layer")


def _check_weights(content: bytes, allowed: int) -> int:
    """Refuse links, data kept in other files, and more data than allowed; return the numbers."""
    import h5py

    n_entries = 0
    n_bytes = 0
    n_numbers = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                n_entries += 1
                if n_entries > MOST_ENTRIES:
                    raise ValueError("its weights have no end")
                item = _own_item(group, name)
                if isinstance(item, h5py.Group):
                    groups.append(item)
                    continue
                n_bytes += int(item.nbytes)
                n_numbers += int(item.size)
                if n_bytes > allowed:
                    raise ValueError("its weights are too large")
    return n_numbers


def _own_item(group: Any, name: str) -> Any:
    """Return an entry of an HDF5 group that lies in this file; ValueError for others."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"its weights {name} are a link")
    item = group[name]
    if not isinstance(item, h5py.Group) and (item.is_virtual or item.external):
        raise ValueError(f"its weights {name} lie in another file")
    return item
