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
