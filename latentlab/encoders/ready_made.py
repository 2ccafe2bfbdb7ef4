"""Encoders that come with latentlab, trained without labels.

    latentlab cluster --encoder cifar10-strong --k 10

Each has two files: weights in 16 or 8 bits, and a description that holds their SHA-256.
latentlab/weights/README.md describes the files; `scripts/ship_encoder.py` makes them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.encoders import networks
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError, RunError
from latentlab.storage import checkpoints, json_form
from latentlab.storage.files import atomic_path, sha256
from latentlab.storage.fit_summary import FitSummary
from latentlab.storage.json_form import json_field
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run

FOLDER = Path(__file__).resolve().parent.parent / "weights"
LARGEST = 24 * 2**20  # bytes of one file
BITS = (16, 8)
STEPS = 127  # of a weight in 8 bits, on either side of 0

JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class ShippedEncoder:
    """Description of a ready-made encoder.

    Attributes
    ----------
    arch : str
        Name of the architecture.
    options : mapping
        Values for its `Options`.
    image_shape : tuple of int
        Height, width and channels of the images.
    fit, summary : mapping
        The `FitOptions` of its training, and the summary of it.
    trained : mapping or None
        On which data and machine it was trained.
    curve : sequence of mapping
        The rows of metrics.jsonl.
    cost : mapping or None
        Scores of the trained weights and of those that are stored.
    bits : int
        Of a stored kernel: 16 or 8.
    sha256 : str
        Of the file of weights, in hexadecimal.
    bytes : int
        Size of that file.
    extra : mapping
        Further entries.
    """

    arch: str
    options: JsonObject
    image_shape: tuple[int, int, int]
    fit: JsonObject
    summary: JsonObject
    trained: JsonObject | None = json_field(optional=True)
    curve: tuple[JsonObject, ...] = ()
    cost: JsonObject | None = json_field(optional=True)
    bits: int = 16
    sha256: str = ""
    bytes: int = 0
    extra: JsonObject | None = None


@dataclass(frozen=True)
class ShippedEncoders:
    """The ready-made encoders of one folder.

    Attributes
    ----------
    folder : pathlib.Path
        Holds NAME.json and NAME.npz of each encoder.
    """

    folder: Path

    def names(self) -> list[str]:
        """Return the names of the encoders, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def describe(self, name: str) -> ShippedEncoder:
        """Return the description of an encoder.

        Parameters
        ----------
        name : str

        Raises
        ------
        ConfigError
            If no encoder has that name.
        """
        names = self.names()
        if name not in names:
            raise ConfigError(
                f"unknown ready-made encoder {name!r}: there are {', '.join(names) or 'none'}."
            )
        text = (self.folder / f"{name}.json").read_text(encoding="utf-8")
        return json_form.from_json(ShippedEncoder, json.loads(text))

    def load(self, name: str) -> tuple[Model, ShippedEncoder]:
        """Return an encoder with its weights, and its description; errors as in `weights`.

        Parameters
        ----------
        name : str
        """
        description = self.describe(name)
        weights = self.weights(name)
        model = networks.build(description.arch, description.image_shape, description.options)
        model.set_weights(weights)
        return model, description

    def weights(self, name: str) -> list[np.ndarray]:
        """Return the weights of an encoder, float32, in the order of `Model.weights`.

        Parameters
        ----------
        name : str

        Raises
        ------
        ConfigError
            If no encoder has that name.
        RunError
            If the file of weights is missing, or is not the described one.
        """
        description = self.describe(name)
        path = self.weights_file(name)
        if not path.exists() or sha256(path) != description.sha256:
            raise RunError(
                f"{path} is missing or not what {name}.json describes.",
                hint="Install latentlab again.",
            )
        return _restored(read_npz(path))

    def objective_weights(self, name: str) -> list[np.ndarray]:
        """Return the weights that the objective of an encoder's training had, in its order.

        Parameters
        ----------
        name : str

        Returns
        -------
        list of ndarray, float32
            Empty if they are not shipped.

        Raises
        ------
        RunError
            If the file of weights is missing or damaged.
        """
        self.describe(name)
        path = self.weights_file(name)
        try:
            stored = checkpoints.in_order("objective", read_npz(path))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path} is missing or damaged ({error}).", hint="Install latentlab again."
            ) from error
        return [array.astype(np.float32) for array in stored]

    def weights_file(self, name: str) -> Path:
        """Return the path of the weights of the encoder `name`."""
        return self.folder / f"{name}.npz"

    def name_of(self, run: Run) -> str:
        """Return the name of the ready-made encoder that a run has, in the shipped version.

        Parameters
        ----------
        run : Run

        Returns
        -------
        str
            "" if the run has another encoder, or other weights since.

        Raises
        ------
        ConfigError
            If no encoder has the recorded name any more.
        """
        config = run.config
        if config.ready_made is None or config.weights_sha256 is not None:
            return ""
        shipped_summary = json_form.from_json(FitSummary, self.describe(config.ready_made).summary)
        return config.ready_made if run.fit_summary == shipped_summary else ""

    def save(
        self,
        name: str,
        weights: Sequence[np.ndarray],
        description: ShippedEncoder,
        objective_weights: Sequence[np.ndarray] = (),
        bits: int = 16,
    ) -> Path:
        """Write weights and their description.

        Parameters
        ----------
        name : str
            Name of the encoder.
        weights : sequence of ndarray
            In the order of `Model.weights`.
        description : ShippedEncoder
            Its bits, sha256 and bytes are replaced.
        objective_weights : sequence of ndarray
            Weights of the objective, such as SwAV's projector and prototypes. Always stored in
            half precision.
        bits : {16, 8}
            Of kernels and matrices. In 8 bits each index of the last axis (a filter, a column) has
            a scale of its own.

        Returns
        -------
        pathlib.Path
            The file of weights.

        Raises
        ------
        ConfigError
            If the file would be larger than 24 MiB, a weight is beyond half precision's range, or
            `bits` is another number.
        """
        if bits not in BITS:
            raise ConfigError(
                f"weights are stored in {' or '.join(map(str, BITS))} bits, not in {bits}."
            )

        # Everything in half precision, then the kernels in 8 bits if wanted.
        arrays = checkpoints.numbered("weight", _halves(weights))
        arrays.update(checkpoints.numbered("objective", _halves(objective_weights)))
        if bits == 8:
            arrays.update(_kernels_in_8_bits(weights))
        _check_size(arrays)

        # The description holds the digest of the file of weights.
        path = self.weights_file(name)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict[str, Any](arrays))
        description = replace(
            description, bits=bits, sha256=sha256(path), bytes=path.stat().st_size
        )
        json_form.write(self.folder / f"{name}.json", description)
        return path


def shipped() -> ShippedEncoders:
    """Return the encoders that come with this installation."""
    return ShippedEncoders(FOLDER)


def _halves(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return weights in half precision; ConfigError if one is beyond its range."""
    halves = []
    for weight in weights:
        with np.errstate(over="ignore"):  # raised below
            half = np.asarray(weight).astype(np.float16)
        if not np.isfinite(half).all():
            raise ConfigError("a weight is not finite in half precision.")
        halves.append(half)
    return halves


def _kernels_in_8_bits(weights: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return the kernels among weights as int8, and the scales of their filters.

    The scale, float32 (channels,), is the value of one step of a filter.
    """
    arrays: dict[str, np.ndarray] = {}
    for number, weight in enumerate(weights):
        if weight.ndim > 1:
            largest = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)))
            scale = np.asarray(largest / STEPS, np.float32)
            # A filter of zeros has no scale to be divided by.
            steps = np.round(weight / np.where(scale > 0, scale, 1))
            arrays[f"weight-{number:04d}"] = steps.clip(-STEPS, STEPS).astype(np.int8)
            arrays[f"scale-{number:04d}"] = scale
    return arrays


def _check_size(arrays: Mapping[str, np.ndarray]) -> None:
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise ConfigError(
            f"{size:,} bytes of weights are more than the {LARGEST:,} that may be shipped."
        )


def _restored(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the encoder's weights, float32, in order."""
    weights = []
    for name in sorted(arrays):
        kind, _, number = name.partition("-")
        if kind == "weight":
            scale = arrays.get(f"scale-{number}", np.float32(1))
            weights.append(arrays[name].astype(np.float32) * scale)
    return weights
