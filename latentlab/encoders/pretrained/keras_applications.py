"""Networks of Keras Applications as encoders, with a file of weights or with Keras' download.

    keras:MobileNetV2:weights.h5     weights of the network with or without its classifier
    keras:MobileNetV2                weights of ImageNet, which Keras downloads once

The network goes up to its last map, of which the mean is taken.
"""

import contextlib
import difflib
import hashlib
import inspect
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from latentlab import backend, connections
from latentlab.encoders.pretrained.card import (
    UNKNOWN,
    EncoderCard,
    EncoderFile,
    EncoderSettings,
    Preprocessing,
)
from latentlab.encoders.pretrained.keras_models import given_values, reason_of
from latentlab.encoders.pretrained.keras_networks import KerasEncoder, compose
from latentlab.encoders.pretrained.onnx_structure import refused
from latentlab.encoders.pretrained.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from latentlab.errors import ConfigError, DataError
from latentlab.storage import keras_files

if TYPE_CHECKING:
    import keras

PREFIX = "keras:"
IMAGENET = "imagenet"  # Keras' name for its download
SUFFIXES = (".h5", ".hdf5")
OLD_FORMAT_MARK = "layer_names"  # attribute of a file of weights in Keras' older format
WAIT = 30.0  # seconds for a server that does not answer
SETTLED = ("layout", "output")  # settings that the network decides


@dataclass(frozen=True)
class _Values:
    """What a family of networks expects."""

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    colours: str = "rgb"


_CAFFE = _Values(mean=(123.68, 116.779, 103.939), colours="bgr")
_TF = _Values(scale=1 / 127.5, mean=(1.0,))
_TORCH = _Values(scale=1 / 255, mean=IMAGENET_MEAN, std=IMAGENET_STD)
_INSIDE = _Values()  # the network scales values from 0 to 255 itself

# By the module of Keras that holds the network.
_VALUES = {
    "convnext": _INSIDE,
    "densenet": _TORCH,
    "efficientnet": _INSIDE,
    "efficientnet_v2": _INSIDE,
    "inception_resnet_v2": _TF,
    "inception_v3": _TF,
    "mobilenet": _TF,
    "mobilenet_v2": _TF,
    "mobilenet_v3": _INSIDE,
    "nasnet": _TF,
    "resnet": _CAFFE,
    "resnet_v2": _TF,
    "vgg16": _CAFFE,
    "vgg19": _CAFFE,
    "xception": _TF,
}
# Height and width in pixels that a network was trained with, where they are not 224.
_SIZES = {
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
_USUAL_SIZE = 224


def open_keras_application(
    name: str, weights: Path | None, settings: EncoderSettings
) -> KerasEncoder:
    """Open a network of Keras Applications.

    Parameters
    ----------
    name : str
        Its name there, such as "MobileNetV2".
    weights : Path or None
        Its weights, an .h5 file; None: Keras downloads those of ImageNet, once.
    settings : EncoderSettings
        What the user says of it.

    Raises
    ------
    ConfigError
        If there is no such network, or a setting does not fit it.
    DataError
        If the weights cannot be used, or there is no network to download them.
    """
    build = _application(name)
    _refuse_settled(name, settings)
    size = settings.size or _SIZES.get(name, _USUAL_SIZE)
    if weights is None:
        network = _downloaded(name, build, size)
        file = _digest(name, network)
    else:
        network = _filled(name, build, size, weights)
        file = EncoderFile.of(weights)
    preprocessing = _preprocessing(build, size, settings)
    made = compose(network, preprocessing, settings)
    card = EncoderCard(
        name=name,
        kind="keras",
        reference=f"{PREFIX}{name}" if weights is None else f"{PREFIX}{name}:{file.path}",
        files=(file,),
        preprocessing=preprocessing,
        output=made.output.name,
        pooling=made.output.pooling,
        feature_size=made.network.output_shape[1],
        pretraining=settings.pretraining or (UNKNOWN if weights else "ImageNet-1k"),
        licence=settings.licence or UNKNOWN,
        source="Keras Applications",
        trainable=True,
        assumed=made.output.assumed,
    )
    return KerasEncoder(card, made.network)


def names() -> list[str]:
    """Return the names of the networks that the installed Keras has and latentlab knows."""
    backend.start()
    from keras import applications

    functions = inspect.getmembers(applications, inspect.isfunction)
    return [name for name, function in functions if _family(function) in _VALUES]


def _application(name: str) -> Callable[..., "keras.Model"]:
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), [other.lower() for other in known], 3, 0.5)
        similar = [other for other in known if other.lower() in near]
        hint = f"Known are {', '.join(similar or known)}."
        raise ConfigError(
            ": Keras Applications has no such network",
            field="encoder",
            value=f"{PREFIX}{name}",
            hint=hint,
        )
    from keras import applications

    return getattr(applications, name)


def _family(function: Callable[..., Any]) -> str:
    return function.__module__.rpartition(".")[2]


def _refuse_settled(name: str, settings: EncoderSettings) -> None:
    for field in SETTLED:
        value = getattr(settings, field)
        if value is not None:
            raise ConfigError(f": {name} has its own", field=field, value=value)


def _preprocessing(
    build: Callable[..., Any], size: int, settings: EncoderSettings
) -> Preprocessing:
    """Return what a network expects, unless the user says otherwise."""
    usual = _VALUES[_family(build)]
    values = given_values(settings) or (usual.scale, usual.mean, usual.std)
    return Preprocessing(size, *values, settings.colours or usual.colours)


def _built(name: str, build: Callable[..., Any], **options: Any) -> "keras.Model":
    """Build a network; ConfigError if its size does not fit."""
    try:
        return build(**options)
    except ValueError as error:
        raise ConfigError(
            f": cannot be built: {reason_of(error)}", field="encoder", value=f"{PREFIX}{name}"
        ) from error


def _bare(name: str, build: Callable[..., Any], size: int) -> "keras.Model":
    """Return a network without its classifier and without trained weights."""
    return _built(name, build, weights=None, include_top=False, input_shape=(size, size, 3))


def _downloaded(name: str, build: Callable[..., Any], size: int) -> "keras.Model":
    network = _bare(name, build, size)
    connections.close()  # Keras looks into its cache first
    if not connections.is_offline():
        connections.announce(f"have Keras fetch the weights of {name}, unless its cache has them")
    try:
        with _limited_wait(), warnings.catch_warnings():
            # Some networks warn of sizes that they were not trained on; the user has chosen it.
            warnings.simplefilter("ignore", UserWarning)
            return build(weights=IMAGENET, include_top=False, input_shape=network.input_shape[1:])
    except Exception as error:  # Keras raises a plain Exception for what it cannot fetch
        reason = connections.REFUSED if connections.is_offline() else reason_of(error)
        raise DataError(
            f"Keras cannot fetch its weights: {reason}",
            field="encoder",
            value=f"{PREFIX}{name}",
            hint=f"Without a network give a file of weights: {PREFIX}{name}:weights.h5",
        ) from error


@contextlib.contextmanager
def _limited_wait() -> Iterator[None]:
    """Let connections give up after a while; Keras itself sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(WAIT if before is None else before)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _digest(name: str, network: "keras.Model") -> EncoderFile:
    """Return digest and size of the weights themselves: Keras does not name their file."""
    digest = hashlib.sha256()
    size = 0
    for array in network.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
        size += array.nbytes
    return EncoderFile(f"{PREFIX}{name}", digest.hexdigest(), size)


def _filled(name: str, build: Callable[..., Any], size: int, weights: Path) -> "keras.Model":
    """Return the network without its classifier, with the weights of a file."""
    if weights.suffix.lower() not in SUFFIXES or not weights.is_file():
        raise ConfigError(
            ": is no .h5 file of weights", field="encoder", value=f"{PREFIX}{name}:{weights}"
        )
    path = weights.resolve()
    network = _bare(name, build, size)
    try:
        content = path.read_bytes()
        keras_files.check_weights(content)
        classes = _classes_in(path, network)
        if classes is None:
            _load_weights(network, path)
            return network
        whole = _built(name, build, weights=None, classes=classes, classifier_activation=None)
        _load_weights(whole, path)
    except ConfigError:
        raise
    except Exception as error:  # a broken file can make Keras raise anything
        raise refused(
            path, f"does not fit {name}: {reason_of(error)}", "Take weights of this network."
        ) from error
    # The weights of the classifier come last.
    network.set_weights(whole.get_weights()[: len(network.weights)])
    return network


def _load_weights(network: "keras.Model", path: Path) -> None:
    """Load weights without the warnings of Keras: what matters among them is an error too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.load_weights(path)


def _classes_in(path: Path, network: "keras.Model") -> int | None:
    """Return the number of classes of weights in the older format that have a classifier.

    Such weights are loaded in their order, for which the networks must have as many layers. Those
    in the newer format are loaded by name.
    """
    with h5py.File(path, "r") as file:
        group = file
        if OLD_FORMAT_MARK not in file.attrs and "model_weights" in file:
            group = file["model_weights"]
        if OLD_FORMAT_MARK not in group.attrs:
            return None
        layers = [group[_text(layer)] for layer in group.attrs[OLD_FORMAT_MARK]]
        filled = [layer for layer in layers if len(layer.attrs["weight_names"])]
        if len(filled) <= sum(bool(layer.weights) for layer in network.layers):
            return None
        names = filled[-1].attrs["weight_names"]
        return int(filled[-1][_text(names[0])].shape[-1])


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
