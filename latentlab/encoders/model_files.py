"""Save a trained autoencoder in a run and load it again: plain `.keras` files, and weights without pickle."""

import contextlib
from typing import Any

import numpy as np

from latentlab import plugins
from latentlab.config import FitOptions, recorded
from latentlab.encoders import networks
from latentlab.encoders.networks import Model
from latentlab.errors import ConfigError, RunError
from latentlab.features import feature_steps
from latentlab.storage.files import atomic_path, read_json, write_json
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run

LARGEST_SIDE = 1 << 20  # of a picture, a code or an embedding that model.json may name


def save(
    model: Model,
    arch: str,
    arch_options: dict[str, Any],
    image_shape: tuple[int, int, int],
    run: Run,
) -> list:
    """Write encoder.keras, decoder.keras and embedder.keras (where there are), model.json and weights.npz; return their paths.

    Plain Keras opens the `.keras` files without latentlab. Input: float32 images in [0, 1].
    """
    folder = run.path / "encoder"
    written = []
    for name, part in (
        ("encoder", model.encoder),
        ("decoder", model.decoder),
        ("embedder", model.embedder if model.top is not None else None),
    ):
        if part is not None:
            with atomic_path(folder / f"{name}.keras") as path:
                # Keras insists on the file's ending, which the temporary name keeps.
                part.save(path)
            written.append(folder / f"{name}.keras")
    with atomic_path(folder / "weights.npz") as path, path.open("wb") as file:
        np.savez(file, **{f"weight-{i:04d}": w for i, w in enumerate(model.weights())})
    shapes = {"image_shape": list(image_shape), "code_shape": list(model.code_shape)}
    if model.top is not None:
        shapes["embedding_shape"] = list(model.top.output_shape[1:])
    write_json(folder / "model.json", {"arch": arch, "options": arch_options, **shapes})
    return [*written, folder / "weights.npz", folder / "model.json"]


def describe(run: Run) -> dict[str, Any]:
    """Return model.json: arch, options, image_shape, code_shape and, where there is one, embedding_shape.

    Raises
    ------
    RunError
        If the run has no trained encoder.
    """
    path = run.path / "encoder" / "model.json"
    if not path.exists():
        raise RunError(
            f"{run.path} has no trained encoder. Train one with: latentlab fit --run {run.path}"
        )
    found = read_json(path)
    shapes = (
        "image_shape",
        "code_shape",
        *(["embedding_shape"] if isinstance(found, dict) and "embedding_shape" in found else []),
    )
    if not (
        isinstance(found, dict)
        and isinstance(found.get("arch"), str)
        and isinstance(found.get("options"), dict)
    ) or not all(
        isinstance(found.get(name), list)
        and found[name]
        and all(type(size) is int and 0 < size < LARGEST_SIDE for size in found[name])
        for name in shapes
    ):
        raise RunError(f"{path} does not describe an encoder. Fit again with --overwrite.")
    return found


def vector_shape(run: Run, spec: str) -> tuple[int, ...]:
    """Return the shape of what the feature steps `spec` start from, (height, width, channels) or (d,)."""
    described = describe(run)
    return tuple(
        described["embedding_shape"]
        if feature_steps.column(spec) in feature_steps.ABOVE and has_embedding(run)
        else described["code_shape"]
    )


def has_embedding(run: Run) -> bool:
    """Return whether the run's encoder goes on above its code."""
    return describe(run).get("embedding_shape") is not None


def columns(run: Run) -> tuple[str, ...]:
    """Return what features of an image can start from, of `features.COLUMNS`: what the run's encoder gives."""
    if not has_embedding(run):
        return ("code",)
    fit = recorded(FitOptions, run.manifest["config"]["fit"], run.path)
    with contextlib.suppress(ConfigError):  # an objective that is no longer installed
        if getattr(
            plugins.load("objectives", fit.objective), "MIRRORS", False
        ) and fit.objective_options.get("mirror", True):
            return feature_steps.COLUMNS
    return ("code", "embedding")


def load(run: Run) -> Model:
    """Rebuild the run's autoencoder with its trained weights.

    Raises
    ------
    RunError
        If the run has no trained encoder or its files are damaged.
    """
    described = describe(run)
    path = run.path / "encoder" / "weights.npz"
    try:
        arrays = read_npz(path)
        model = networks.build(
            described["arch"], tuple(described["image_shape"]), described["options"]
        )
        model.set_weights([arrays[name] for name in sorted(arrays)])
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged ({error}). Fit again with --overwrite.") from error
    return model
