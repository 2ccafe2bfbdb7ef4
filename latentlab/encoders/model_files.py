"""Save a run's trained autoencoder and load it again.

    encoder/encoder.keras    images -> codes; plain Keras opens it without latentlab
    encoder/decoder.keras    codes -> reconstructions, if the code suffices for them
    encoder/embedder.keras   images -> embeddings, if the encoder goes on above its code
    encoder/weights.npz      all weights in order, without pickle
    encoder/model.json       architecture and shapes

The networks take float32 images in [0, 1]. A run whose encoder comes from elsewhere has model.json
alone, with the encoder's card.
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
from latentlab.encoders.pretrained.card import NO_LABELS, UNKNOWN, EncoderCard
from latentlab.errors import ConfigError, RunError
from latentlab.features.spec import CODE_START, STARTS, STARTS_ABOVE_CODE, FeatureSpec
from latentlab.storage import checkpoints, guard, json_form
from latentlab.storage.files import atomic_path, read_json
from latentlab.storage.json_form import json_field
from latentlab.storage.npz import read_npz
from latentlab.storage.run import Run

PRETRAINED = "pretrained"  # stands for the architecture of an encoder from elsewhere
VECTORS = "vectors"  # and this for vectors whose encoder is not there
NO_IMAGE = (1, 1, 1)  # shape of images that no encoder takes
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
    card : EncoderCard or None
        A pretrained encoder, which has an embedding and no code: `code_shape` is that of the
        embedding.
    """

    arch: str
    options: Mapping[str, Any]
    image_shape: tuple[int, int, int]
    code_shape: tuple[int, ...]
    embedding_shape: tuple[int, ...] | None = json_field(optional=True)
    card: EncoderCard | None = json_field(optional=True)

    @classmethod
    def of_card(cls, card: EncoderCard) -> "EncoderDescription":
        """Return the description of a pretrained encoder, by its `card`."""
        shape = (card.feature_size,)
        return cls(PRETRAINED, {}, card.image_shape, shape, shape, card)

    @classmethod
    def of_vectors(cls, n_dims: int, pretraining: str = UNKNOWN) -> "EncoderDescription":
        """Return the description of vectors from elsewhere.

        Parameters
        ----------
        n_dims : int
            Numbers of a vector.
        pretraining : str
            Labels used in the training of the encoder that gave them.
        """
        options = {"pretraining": pretraining}
        return cls(VECTORS, options, NO_IMAGE, (n_dims,), (n_dims,))

    @property
    def name(self) -> str:
        """Name of the encoder for titles and tables."""
        return self.card.name if self.card is not None else self.arch

    @property
    def has_code(self) -> bool:
        """Whether features may start from a code, below the embedding."""
        return self.arch not in (PRETRAINED, VECTORS)

    @property
    def pretraining(self) -> str:
        """Labels used in its training: a data set's name, "none" or "unknown"."""
        if self.card is not None:
            return self.card.pretraining
        if self.arch == VECTORS:
            return str(self.options.get("pretraining", UNKNOWN))
        return NO_LABELS

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
        card = value.get("card")
        if card is not None:
            card = _card_of(card)
        return cls(value["arch"], value["options"], **shapes, card=card)


def _card_of(value: Any) -> EncoderCard:
    """Return the card that `value`, of model.json, holds; ValueError if it is none."""
    try:
        return json_form.from_json(EncoderCard, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("its card is damaged") from error


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
    if not guard.is_there(path):
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
    description = describe(run)
    if description.arch == VECTORS:
        return ("embedding",)
    if description.arch == PRETRAINED:
        return STARTS_ABOVE_CODE
    if not description.has_embedding:
        return ("code",)
    return STARTS if _trained_on_mirrored_views(run.config.training) else ("code", "embedding")


def save_description(run: Run, description: EncoderDescription) -> Path:
    """Write model.json of an encoder that latentlab has not trained, and return its path.

    Parameters
    ----------
    run : Run
    description : EncoderDescription
        From `EncoderDescription.of_card` or `of_vectors`.
    """
    return json_form.write(run.path / "encoder" / "model.json", description)


def load(run: Run) -> Model:
    """Rebuild the autoencoder of a run with its trained weights.

    Parameters
    ----------
    run : Run

    Raises
    ------
    RunError
        If the run has no trained encoder, or its files are damaged.
    ConfigError
        If the encoder is from elsewhere.
    """
    description = describe(run)
    if not description.has_code:
        raise ConfigError(
            f"this needs an autoencoder that latentlab has trained, and {run.path} has"
            f" {'vectors' if description.card is None else description.name} from elsewhere."
        )
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
