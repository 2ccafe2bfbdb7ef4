"""Saved networks with code or links are refused."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from helpers.files import STORED_RUN

from latentlab.storage import keras_files


def changed_network(folder: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(STORED_RUN / "encoder" / "encoder.keras") as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "x.keras", "w") as archive:
        for name, content in (
            kept | {name.replace("__", "."): content for name, content in members.items()}
        ).items():
            archive.writestr(name, content)
    return folder / "x.keras"


def test_saved_networks_with_code_are_refused_before_keras_sees_them(tmp_path):
    keras_files.check(changed_network(tmp_path))
    keras_files.check(STORED_RUN / "clusters" / "dcec-k3" / "assigner.keras")
    with zipfile.ZipFile(STORED_RUN / "encoder" / "encoder.keras") as archive:
        config = json.loads(archive.read("config.json"))
    for module, name in (
        ("keras.layers", "Lambda"),
        ("os", "system"),
        ("builtins", "function"),
        ("keras.utils", "get_file"),
    ):
        config["config"]["layers"][0]["config"]["extra"] = {
            "module": module,
            "class_name": name,
            "config": {},
        }
        with pytest.raises(ValueError, match=f"names {module}.{name}"):
            keras_files.check(changed_network(tmp_path, config__json=json.dumps(config).encode()))
    with pytest.raises(ValueError, match="evil"):
        keras_files.check(changed_network(tmp_path, evil__py=b"x"))


def test_weights_in_another_file_are_refused(tmp_path):
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ValueError, match="are a link"):
        keras_files.check(changed_network(tmp_path, **{"model__weights__h5": buffer.getvalue()}))


def saved_network(folder: Path, *layers) -> Path:
    """Save a network of images with 32x32x3 numbers, and return its file."""
    from latentlab import backend

    backend.start()
    import keras

    keras.Sequential([keras.Input((32, 32, 3)), *layers]).save(folder / "saved.keras")
    return folder / "saved.keras"


def test_a_network_larger_than_its_weights_is_refused_without_its_memory(tmp_path):
    from keras import layers

    path = saved_network(tmp_path, layers.Flatten(), layers.Dense(2))
    assert keras_files.load(path).count_params() == 3072 * 2 + 2
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = contents["config.json"].replace(b'"units": 2', b'"units": 2000000')
    assert config != contents["config.json"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (contents | {"config.json": config}).items():
            archive.writestr(name, content)
    # 25 GB; Keras would have made them before it looks for the weights.
    with pytest.raises(ValueError, match="asks for 6,146,000,000 weights, and it holds 6,146"):
        keras_files.load(path)


def test_a_layer_whose_output_would_fill_the_memory_is_refused(tmp_path):
    from keras import layers

    path = saved_network(tmp_path, layers.UpSampling2D(10_000), layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match="makes 307,200,000,000 numbers of one image"):
        keras_files.load(path)
