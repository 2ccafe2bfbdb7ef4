"""The encoder of a run at work: pixels to vectors, whoever has trained it."""

import abc
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PureWindowsPath

import numpy as np

from latentlab.encoders import model_files
from latentlab.encoders.embedding import encode
from latentlab.encoders.model import Model
from latentlab.encoders.pretrained.card import EncoderCard, EncoderSettings, PretrainedEncoder
from latentlab.errors import ConfigError, DataError, RunError
from latentlab.storage import guard
from latentlab.storage.run import Run

Encode = Callable[[np.ndarray], np.ndarray]  # uint8 (n, height, width, channels) -> (n, d)


class ImageEncoder(abc.ABC):
    """Turns the images of a run into the vectors that features start from."""

    @abc.abstractmethod
    def encoding(self, column: str) -> Encode:
        """Return the function from images of the encoder's size to vectors, float32 (n, d).

        Parameters
        ----------
        column : {"code", "embedding", "averaged"}
            Which vectors; codes are flattened.
        """


@dataclass(frozen=True)
class TrainedEncoder(ImageEncoder):
    """An encoder that latentlab has trained.

    Attributes
    ----------
    model : Model
        Its networks.
    """

    model: Model

    def encoding(self, column: str) -> Encode:
        """Return the function from images to vectors."""
        return functools.partial(encode, self.model.part(column))


@dataclass(frozen=True)
class EncoderFromElsewhere(ImageEncoder):
    """A pretrained encoder, which has an embedding and no code.

    Attributes
    ----------
    encoder : PretrainedEncoder
        The encoder.
    """

    encoder: PretrainedEncoder

    def encoding(self, column: str) -> Encode:
        """Return the function from images to vectors."""
        return self._averaged if column == "averaged" else self.encoder.encode

    def _averaged(self, pixels: np.ndarray) -> np.ndarray:
        mirror_images = np.ascontiguousarray(pixels[:, :, ::-1])
        return (self.encoder.encode(pixels) + self.encoder.encode(mirror_images)) / 2


def open_encoder(run: Run) -> ImageEncoder:
    """Return the encoder of a run.

    Parameters
    ----------
    run : Run
        A run with an encoder.

    Raises
    ------
    RunError
        If its files are missing, damaged, or others than those that the run was made with.
    ConfigError
        If the run was made of vectors.
    """
    description = model_files.describe(run)
    if description.arch == model_files.VECTORS:
        raise ConfigError(
            f"{run.path} was made of vectors, and their encoder is not there: give vectors, not"
            " images."
        )
    if description.card is None:
        return TrainedEncoder(model_files.load(run))
    return EncoderFromElsewhere(open_pretrained_of(run))


def open_pretrained_of(run: Run) -> PretrainedEncoder:
    """Open the pretrained encoder that a run was made with.

    Parameters
    ----------
    run : Run
        The run. A file of the encoder's name in its folder encoder/ is taken first.

    Raises
    ------
    RunError
        If the encoder's files are not there any more, or are others.
    """
    from latentlab.encoders.pretrained.opening import open_pretrained

    card = model_files.describe(run).card
    choice = run.config.pretrained
    if card is None or choice is None:
        raise RunError(f"{run.path} does not say which encoder it has. Make the run again.")
    reference = _file_inside(run, card) or card.reference
    way_out = f"Put its file back, or copy it into {run.path / 'encoder'}."
    try:
        encoder = open_pretrained(reference, EncoderSettings(**choice.settings))
    except (ConfigError, DataError, TypeError) as error:
        reason = str(error).rstrip(".")
        raise RunError(
            f"the encoder of {run.path} cannot be opened: {reason}.", hint=way_out
        ) from error
    if encoder.card.sha256 != choice.sha256:
        raise RunError(
            f"{reference} is not the encoder that {run.path} was made with: its content differs.",
            hint=way_out,
        )
    if _use(encoder.card) != _use(card):
        raise RunError(
            f"{reference} would be used otherwise than when {run.path} was made: the settings"
            " beside it are gone or others.",
            hint="Put its preprocessor_config.json back beside it.",
        )
    return encoder


def _use(card: EncoderCard) -> tuple[object, ...]:
    """Return how an encoder is used: files beside its own say it, which its SHA-256 leaves out."""
    return card.preprocessing, card.output, card.pooling


def open_network(run: Run) -> Model:
    """Return the network of a run, to train it further.

    Parameters
    ----------
    run : Run
        A run with an encoder.

    Raises
    ------
    RunError
        If its files are missing, damaged, or others than those that the run was made with.
    ConfigError
        If it cannot be trained.
    """
    if run.config.is_autoencoder:
        return model_files.load(run)
    require_trainable(run)
    return Model.of_network(open_pretrained_of(run).network())


def require_trainable(run: Run) -> None:
    """Raise ConfigError if the encoder of a run cannot be trained further.

    Parameters
    ----------
    run : Run
        A run with an encoder.
    """
    description = model_files.describe(run)
    if description.has_code or (description.card is not None and description.card.trainable):
        return
    subject = "vectors from a file" if description.card is None else f"{description.name}"
    raise ConfigError(
        f"this trains the encoder, and {subject} cannot be trained: take a Keras file,"
        " efficientnet-lite0, or an encoder of latentlab (fit, cifar10-strong)."
    )


def _file_inside(run: Run, card: EncoderCard) -> str:
    """Return the path of the encoder's file in the run's own folder; "" if it is not there."""
    if not card.files:
        return ""
    path = run.path / "encoder" / PureWindowsPath(card.files[0].path).name
    if path.suffix not in (".onnx", ".keras"):
        return ""
    guard.reading(path)
    return str(path) if path.is_file() and not path.is_symlink() else ""
