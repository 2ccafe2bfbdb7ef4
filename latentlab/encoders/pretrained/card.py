"""What is known of a pretrained encoder, and the class that all pretrained encoders share."""

import abc
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError
from latentlab.options import CheckedOptions, option
from latentlab.storage.files import sha256

if TYPE_CHECKING:
    import keras

UNKNOWN = "unknown"
NO_LABELS = "none"  # pretraining without labels
NO_POOLING = "none"
MAP_MEAN = "map mean"
CLASS_TOKEN = "class token"
TOKEN_MEAN = "token mean"
POOLINGS = (NO_POOLING, MAP_MEAN, CLASS_TOKEN, TOKEN_MEAN)
SCALES = {"0-255": (1.0, 0.0), "0-1": (1 / 255, 0.0), "-1-1": (1 / 127.5, 1.0)}  # factor, offset


@dataclass(frozen=True)
class EncoderSettings(CheckedOptions):
    """What a user says of a pretrained encoder; None is found from its files.

    Attributes
    ----------
    size : int or None
        Height and width of the input in pixels.
    scale : {"0-255", "0-1", "-1-1"} or None
        Range of the input's values, before mean and standard deviation.
    mean, std : str or None
        One number per channel, separated by commas, after scaling. Both are those of red, green
        and blue, also for a network that takes blue first.
    colours : {"rgb", "bgr"} or None
        Order of the channels.
    layout : {"nhwc", "nchw"} or None
        Where the channels are.
    output : str or None
        Name of the output to take.
    pooling : {"none", "map mean", "class token", "token mean"} or None
        How a map or a list of tokens becomes one vector.
    pretraining : str or None
        Labels used in pretraining, such as "ImageNet-1k", or "none".
    licence : str or None
        Licence of the weights.
    """

    size: int | None = option(None, "Height and width of the input in pixels.", at_least=1)
    scale: str | None = option(None, "Range of the input's values.", choices=tuple(SCALES))
    mean: str | None = option(None, "Mean per channel, such as 0.485,0.456,0.406.")
    std: str | None = option(None, "Standard deviation per channel.")
    colours: str | None = option(None, "Order of the channels.", choices=("rgb", "bgr"))
    layout: str | None = option(None, "Where the channels are.", choices=("nhwc", "nchw"))
    output: str | None = option(None, "Name of the output to take.")
    pooling: str | None = option(None, "From a map or tokens to one vector.", choices=POOLINGS)
    pretraining: str | None = option(None, "Labels used in pretraining, or none.")
    licence: str | None = option(None, "Licence of the weights.")

    def means(self) -> tuple[float, ...] | None:
        """Return `mean` as numbers; None if it is not given, ConfigError if it is no numbers."""
        return _numbers("mean", self.mean)

    def stds(self) -> tuple[float, ...] | None:
        """Return `std` as numbers above 0; None if it is not given, ConfigError otherwise."""
        stds = _numbers("std", self.std)
        if stds is not None and min(stds) <= 0:
            raise ConfigError(": must be above 0", field="std", value=self.std)
        return stds


def _numbers(field: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all():
        raise ConfigError(": must be 1 or 3 numbers separated by commas", field=field, value=text)
    return numbers


@dataclass(frozen=True)
class Preprocessing:
    """How uint8 RGB pixels become the input of a network.

    Attributes
    ----------
    size : int
        Height and width in pixels.
    scale : float
        Values from 0 to 255 are multiplied by this.
    mean, std : tuple of float
        Subtracted after scaling, then divided by; of red, green and blue. Empty: left out.
    colours : {"rgb", "bgr"}
        Order of the channels.
    layout : {"nhwc", "nchw"}
        Where the channels are.
    channels : {1, 3}
        1 for a network of grey images.
    """

    size: int
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    colours: str = "rgb"
    layout: str = "nhwc"
    channels: int = 3


@dataclass(frozen=True)
class EncoderFile:
    """One file of an encoder.

    Attributes
    ----------
    path : str
        Absolute path at the time when it was opened.
    sha256 : str
        Digest of its content, hexadecimal.
    bytes : int
        Its size.
    """

    path: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> "EncoderFile":
        """Return the record of the file `path`."""
        path = path.resolve()
        return cls(str(path), sha256(path), path.stat().st_size)


@dataclass(frozen=True)
class EncoderCard:
    """What is known of a pretrained encoder; runs record it.

    Attributes
    ----------
    name : str
        Short name for titles and tables.
    kind : {"onnx", "keras", "photos"}
        What opens it.
    reference : str
        The text that opens it again; paths are absolute.
    files : tuple of EncoderFile
        Its files.
    preprocessing : Preprocessing
        How it takes images.
    output : str
        Name of the output that is taken.
    pooling : {"none", "map mean", "class token", "token mean"}
        How that output becomes one vector.
    feature_size : int
        Length of a vector.
    pretraining : str
        Labels used in pretraining: a data set such as "ImageNet-1k", "none" or "unknown".
    licence : str
        Of the weights.
    source : str
        Where the weights come from.
    revision : str
        Of a hub's repository; "" otherwise.
    trainable : bool
        Whether the network can be trained further.
    assumed : tuple of str
        What no file says and nobody has given, in words.
    """

    name: str
    kind: str
    reference: str
    files: tuple[EncoderFile, ...]
    preprocessing: Preprocessing
    output: str
    pooling: str
    feature_size: int
    pretraining: str = UNKNOWN
    licence: str = UNKNOWN
    source: str = ""
    revision: str = ""
    trainable: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of all files: that of the file, or of the list of their digests."""
        if len(self.files) == 1:
            return self.files[0].sha256
        digests = "".join(file.sha256 for file in self.files)
        return hashlib.sha256(digests.encode()).hexdigest()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that it takes."""
        size = self.preprocessing.size
        return size, size, self.preprocessing.channels


class PretrainedEncoder(abc.ABC):
    """An encoder that comes with its weights.

    Attributes
    ----------
    card : EncoderCard
        What is known of it.
    """

    card: EncoderCard

    @abc.abstractmethod
    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Return the features of images, float32 (n, feature_size).

        Parameters
        ----------
        pixels : ndarray of shape (n, size, size, channels), uint8
            RGB or grey images of the encoder's size.
        """

    def software(self) -> dict[str, str]:
        """Return what run.json records of the software, as `latentlab.backend.versions`."""
        return backend.versions()

    def network(self) -> "keras.Model":
        """Return the network, float32 images in [0, 1] -> features (n, feature_size), to train.

        Raises
        ------
        ConfigError
            If it cannot be trained.
        """
        raise ConfigError(
            f"the encoder {self.card.name} cannot be trained: take a Keras file, or an encoder of"
            " latentlab",
            field="encoder",
            value=self.card.reference,
        )
