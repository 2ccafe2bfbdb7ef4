"""Encoders that come with latentlab, trained without labels: weights in 16 or 8 bits beside a description, checked by their SHA-256.

    latentlab cluster --encoder cifar10-strong --k 10

latentlab/weights/README.md says what the files hold, and `scripts/ship_encoder.py` how they are made.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.encoders import networks
from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError, RunError
from latentlab.storage import checkpoints
from latentlab.storage.files import atomic_path, sha256, write_json
from latentlab.storage.npz import read_npz

FOLDER = Path(__file__).resolve().parent.parent / "weights"
LARGEST = 24 * 2**20  # bytes of one file
BITS = (16, 8)
STEPS = 127  # of a weight in 8 bits, on either side of 0


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the encoders there are."""
    return sorted(path.stem for path in folder.glob("*.json"))


def describe(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the description: arch, options, image_shape, bits, sha256, fit (its `FitOptions`), summary, curve, trained, cost.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in names(folder):
        raise ConfigError(
            f"unknown ready-made encoder {name!r}: there are {', '.join(names(folder)) or 'none'}."
        )
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str, folder: Path = FOLDER) -> tuple[Model, dict[str, Any]]:
    """Return the encoder with its weights, and its description; errors as for `weights`."""
    described, arrays = describe(name, folder), weights(name, folder)
    model = networks.build(described["arch"], tuple(described["image_shape"]), described["options"])
    model.set_weights(arrays)
    return model, described


def weights(name: str, folder: Path = FOLDER) -> list[np.ndarray]:
    """Return the encoder's weights, in float32, in the order of `Model.weights`.

    Raises
    ------
    RunError
        If they are not those that the description names.
    """
    described, path = describe(name, folder), folder / f"{name}.npz"
    if not path.exists() or sha256(path) != described["sha256"]:
        raise RunError(
            f"{path} is missing or not what {name}.json describes. Install latentlab again."
        )
    return _restored(read_npz(path))


def name_of(manifest: dict[str, Any]) -> str:
    """Return the name of the encoder that a run, of this run.json, has as it ships now; "" where it has others.

    Raises
    ------
    ConfigError
        If there is none any more of the name that the run has.
    """
    config = manifest["config"]
    name = config.get("ready_made")
    changed = "weights_sha256" in config  # it was given other weights since
    return name if name and not changed and manifest["fit"] == describe(name)["summary"] else ""


def of_objective(name: str, folder: Path = FOLDER) -> list[np.ndarray]:
    """Return the weights that the objective had beside the encoder's, in float32 and its own order; empty where they are not shipped.

    Raises
    ------
    RunError
        If the weights' file is missing or damaged.
    """
    describe(name, folder)
    path = folder / f"{name}.npz"
    try:
        return [
            array.astype(np.float32) for array in checkpoints.in_order("objective", read_npz(path))
        ]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} is missing or damaged ({error}). Install latentlab again."
        ) from error


def save(
    name: str,
    weights: list[np.ndarray],
    description: dict[str, Any],
    folder: Path = FOLDER,
    *,
    objective: Sequence[np.ndarray] = (),
    bits: int = 16,
) -> Path:
    """Write weights in half precision, or kernels and matrices in 8 bits, and their description; return the weights' path.

    Parameters
    ----------
    objective
        Weights of the objective that go with them, as SwAV's projector and prototypes; always in half precision.
    bits : {16, 8}
        Of kernels and matrices. In 8 bits what belongs to each index of the last axis, a filter or a column, has a scale of its own.

    Raises
    ------
    ConfigError
        If the file would be larger than 24 MiB, a weight is beyond half precision's range, or there is no such number of bits.
    """
    if bits not in BITS:
        raise ConfigError(
            f"weights are stored in {' or '.join(map(str, BITS))} bits, not in {bits}."
        )
    with np.errstate(over="ignore"):  # told below
        halves, above = (
            [np.asarray(weight).astype(np.float16) for weight in some]
            for some in (weights, objective)
        )
    if not all(np.isfinite(half).all() for half in [*halves, *above]):
        raise ConfigError("a weight is not finite in half precision.")
    arrays = checkpoints.numbered("weight", halves) | checkpoints.numbered("objective", above)
    if bits == 8:
        for number, weight in enumerate(weights):
            if weight.ndim > 1:
                arrays |= dict(
                    zip(
                        (f"weight-{number:04d}", f"scale-{number:04d}"),
                        _in_8_bits(weight),
                        strict=True,
                    )
                )
    if (size := sum(array.nbytes for array in arrays.values())) > LARGEST:
        raise ConfigError(
            f"{size:,} bytes of weights are more than the {LARGEST:,} that may be shipped."
        )
    path = folder / f"{name}.npz"
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **dict[str, Any](arrays))
    write_json(
        folder / f"{name}.json",
        {**description, "bits": bits, "sha256": sha256(path), "bytes": path.stat().st_size},
    )
    return path


def _in_8_bits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers, int8, of the shape of a weight (..., c), and what 1 of them stands for at each index of the last axis, float32 (c,)."""
    scale = np.asarray(np.abs(weight).max(axis=tuple(range(weight.ndim - 1))) / STEPS, np.float32)
    return np.round(weight / np.where(scale > 0, scale, 1)).clip(-STEPS, STEPS).astype(
        np.int8
    ), scale


def _restored(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the encoder's weights, float32, in order."""
    scales = {
        name.replace("scale", "weight"): array
        for name, array in arrays.items()
        if name.startswith("scale-")
    }
    return [
        arrays[name].astype(np.float32) * scales.get(name, np.float32(1))
        for name in sorted(arrays)
        if name.startswith("weight-")
    ]
