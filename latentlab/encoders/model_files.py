"""Save a run's trained autoencoder and load it again.

    encoder/encoder.keras    images -> codes; plain Keras opens it without latentlab
    encoder/decoder.keras    codes -> reconstructions, if the code suffices for them
    encoder/embedder.keras   images -> embeddings, if the encoder goes on above its code
    encoder/weights.npz      all weights in order, without pickle
    encoder/model.json       architecture and shapes

The networks take float32 images in [0, 1].
"""

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab import plugins
from latentlab.config import FitOptions
from latentlab.encoders import networks
from latentlab.encoders.model import Model
from latentlab.errors import ConfigError, RunError
from latentlab.features.spec import CODE_START, STARTS, FeatureSpec
from latentlab.storage import checkpoints, json_form
from latentlab.storage.files import atomic_path, read_json
from latentlab.storage.json_form import json_field
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run

LARGEST_SIDE = 1 << 20  # of an image, a code or an embedding that model.json may name


@dataclass(frozen=True)
class EncoderDescription:
    """Contents of model.json.

    Attributes
    ----------
    arch : str
        Name of the architecture.
    options : mapping
        Values for its `Options`.
    image_shape : tuple of int
        Height, width and channels of the images.
    code_shape : tuple of int
        (height, width, channels) or (d,).
    embedding_shape : tuple of int, or None
        (d,); None if the encoder ends with its code.
    """

    arch: str
    options: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    code_shape: tuple[int, ...]
    embedding_shape: tuple[int, ...] | None = json_field(optional=True)

    @property
    def has_embedding(self) -> bool:
        """Whether the encoder goes on above its code."""
        return self.embedding_shape is not None

    def vector_shape(self, spec: FeatureSpec) -> tuple[int, ...]:
        """Return the shape of the vectors that features start from.

        Parameters
        ----------
        spec : FeatureSpec
            The feature steps.
        """
        if spec.start != CODE_START and self.embedding_shape is not None:
            return self.embedding_shape
        return self.code_shape

    @classmethod
    def from_json(cls, value: Any) -> "EncoderDescription":
        """Return the description that `value`, of model.json, holds; ValueError if it is none."""
        is_known = isinstance(value, dict) and isinstance(value.get("arch"), str)
        if not is_known or not isinstance(value.get("options"), dict):
            raise ValueError("it names no architecture")
        shapes: dict[str, Any] = {}
        for name in ("image_shape", "code_shape", "embedding_shape"):
            sizes = value.get(name)
            if sizes is None and name == "embedding_shape":
                continue
            if not isinstance(sizes, list) or not sizes:
                raise ValueError(f"{name} is no shape")
            if not all(type(size) is int and 0 < size < LARGEST_SIDE for size in sizes):
                raise ValueError(f"{name} is no shape")
            shapes[name] = tuple(sizes)
        return cls(value["arch"], value["options"], **shapes)


def save(
    model: Model,
    arch: str,
    arch_options: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    run: Run,
) -> list[Path]:
    """Write an autoencoder into a run.

    Parameters
    ----------
    model : Model
        The trained autoencoder.
    arch : str
        Name of its architecture.
    arch_options : mapping
        Values for the architecture's `Options`.
    image_shape : tuple of int
        Height, width and channels of the images.
    run : Run

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    folder = run.path / "encoder"
    written = _save_networks(model, folder)

    # Weights without pickle, and the description that rebuilds the network.
    weights = checkpoints.numbered("weight", model.weights())
    with atomic_path(folder / "weights.npz") as path, path.open("wb") as file:
        np.savez(file, **dict[str, Any](weights))
    embedding_shape = tuple(model.top.output_shape[1:]) if model.top is not None else None
    description = EncoderDescription(
        arch, arch_options, image_shape, model.code_shape, embedding_shape
    )
    json_form.write(folder / "model.json", description)
    return [*written, folder / "weights.npz", folder / "model.json"]


def describe(run: Run) -> EncoderDescription:
    """Return the description of a run's encoder.

    Parameters
    ----------
    run : Run

    Raises
    ------
    RunError
        If the run has no trained encoder, or model.json is damaged.
    """
    path = run.path / "encoder" / "model.json"
    if not path.exists():
        raise RunError(
            f"{run.path} has no trained encoder.",
            hint=f"Train one with: `fit(run={str(run.path)!r})`",
        )
    return _read_description(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _read_description(path: Path, changed: int) -> EncoderDescription:
    """Return what model.json holds; it is read again only if the file has changed."""
    value = read_json(path)
    try:
        return EncoderDescription.from_json(value)
    except ValueError as error:
        raise RunError(
            f"{path} does not describe an encoder.", hint="Fit again with `overwrite=True`."
        ) from error


def vector_shape(run: Run, spec: FeatureSpec) -> tuple[int, ...]:
    """Return the shape of the vectors that features of a run start from.

    Parameters
    ----------
    run : Run
    spec : FeatureSpec
        The feature steps.

    Returns
    -------
    tuple of int
        (height, width, channels) or (d,).
    """
    return describe(run).vector_shape(spec)


def has_embedding(run: Run) -> bool:
    """Return whether the encoder of `run` goes on above its code."""
    return describe(run).has_embedding


def columns(run: Run) -> tuple[str, ...]:
    """Return the vectors that features of a run may start from.

    Parameters
    ----------
    run : Run

    Returns
    -------
    tuple of str
        Some of "code", "embedding" and "averaged".
    """
    if not has_embedding(run):
        return ("code",)
    return STARTS if _trained_on_mirrored_views(run.config.fit) else ("code", "embedding")


def load(run: Run) -> Model:
    """Rebuild the autoencoder of a run with its trained weights.

    Parameters
    ----------
    run : Run

    Raises
    ------
    RunError
        If the run has no trained encoder, or its files are damaged.
    """
    description = describe(run)
    path = run.path / "encoder" / "weights.npz"
    try:
        arrays = read_npz(path)
        model = networks.build(description.arch, description.image_shape, description.options)
        model.set_weights([arrays[name] for name in sorted(arrays)])
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} is damaged ({error}).", hint="Fit again with `overwrite=True`."
        ) from error
    return model


def _save_networks(model: Model, folder: Path) -> list[Path]:
    """Write the parts that plain Keras can open; return their paths."""
    parts = {"encoder": model.encoder, "decoder": model.decoder}
    if model.top is not None:
        parts["embedder"] = model.embedder
    written = []
    for name, part in parts.items():
        if part is not None:
            # Keras insists on the file's ending, which the temporary name keeps.
            with atomic_path(folder / f"{name}.keras") as path:
                part.save(path)
            written.append(folder / f"{name}.keras")
    return written


def _trained_on_mirrored_views(fit: FitOptions) -> bool:
    with contextlib.suppress(ConfigError):  # an objective that is no longer installed
        objective = plugins.load("objectives", fit.objective)
        option = fit.objective_options.get("mirror", True)
        return bool(objective.capabilities.mirrors_views and option)
    return False
