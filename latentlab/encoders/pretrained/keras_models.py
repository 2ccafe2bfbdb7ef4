"""Keras files as encoders: plain layers and their weights, nothing that runs code."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab import backend
from latentlab.encoders.pretrained.card import (
    NO_LABELS,
    SCALES,
    UNKNOWN,
    EncoderCard,
    EncoderFile,
    EncoderSettings,
    Preprocessing,
)
from latentlab.encoders.pretrained.keras_networks import KerasEncoder, compose
from latentlab.encoders.pretrained.onnx_structure import printable, refused
from latentlab.encoders.pretrained.preprocessing import LARGEST_SIZE
from latentlab.errors import ConfigError, LatentlabError
from latentlab.storage import keras_files

if TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
DEFAULT_SIZE = 224  # pixels, where the file leaves them free
CHANNELS = (3, 1)
LONGEST_REASON = 200  # characters of an error of Keras
LEAST_SCALE = 1 / 32  # a smaller factor is for values up to 255, a larger one for those up to 1
LARGEST_MEAN = 2.0  # a larger mean is of values up to 255
LARGEST_STD = 10.0  # a larger standard deviation too
OWN_NAMES = {"encoder.keras", "embedder.keras"}  # in the folder encoder/ of a run
OWN_DESCRIPTION = "model.json"  # beside them
PASSED_ON = "pretrained.json"  # there if the run began with another encoder

Values = tuple[float, tuple[float, ...], tuple[float, ...]]  # factor, mean, standard deviation


def open_keras_file(path: Path, settings: EncoderSettings) -> KerasEncoder:
    """Open a `.keras` file.

    Parameters
    ----------
    path : Path
        The file.
    settings : EncoderSettings
        What the user says of it; the rest is found.

    Raises
    ------
    DataError
        If the file is broken, not safe, or no encoder of images.
    ConfigError
        If a setting does not fit it.
    """
    path = path.resolve()
    if path.suffix.lower() != SUFFIX:
        raise refused(
            path,
            "is in a format of Keras that may hold code, or holds weights alone",
            "Save the network as a .keras file, or give weights as keras:NAME:WEIGHTS.",
        )
    network = _load(path)
    preprocessing, notes = _preprocessing(path, network, settings)
    try:
        made = compose(network, preprocessing, settings)
    except LatentlabError:
        raise
    except Exception as error:  # Keras raises nearly every kind for shapes that do not fit
        raise refused(path, f"cannot be used on images: {reason_of(error)}") from error
    card = EncoderCard(
        name=_name(path),
        kind="keras",
        reference=str(path),
        files=(EncoderFile.of(path),),
        preprocessing=preprocessing,
        output=made.output.name,
        pooling=made.output.pooling,
        feature_size=made.network.output_shape[1],
        pretraining=settings.pretraining or (NO_LABELS if _is_own(path) else UNKNOWN),
        licence=settings.licence or UNKNOWN,
        trainable=True,
        assumed=(*notes, *made.output.assumed),
    )
    return KerasEncoder(card, made.network)


def reason_of(error: Exception) -> str:
    """Return an error of Keras in one short line.

    Parameters
    ----------
    error : Exception
        The error.
    """
    words = " ".join(str(error).split()) or type(error).__name__
    return printable(words, LONGEST_REASON)


def given_values(settings: EncoderSettings) -> Values | None:
    """Return factor, mean and standard deviation that the user gives; None if nothing is given.

    Parameters
    ----------
    settings : EncoderSettings
        What the user says. What is given replaces what is known as a whole: a mean without a
        scale shows by its size of which values it is.
    """
    means, stds = settings.means(), settings.stds()
    if settings.scale is not None:
        scale, shift = SCALES[settings.scale]
        means = means or ((0.0,) if shift else ())
        return scale, tuple(number + shift for number in means), stds or ()
    if means is None and stds is None:
        return None
    means, stds = means or (), stds or ()
    is_of_bytes = (
        max(map(abs, means), default=0) > LARGEST_MEAN or max(stds, default=0) > LARGEST_STD
    )
    return SCALES["0-255" if is_of_bytes else "0-1"][0], means, stds


def _load(path: Path) -> "keras.Model":
    """Load a file of plain layers; DataError for any other."""
    backend.start()
    import keras

    from latentlab.nets import layers  # noqa: F401  # registers what files of ours name

    try:
        network = keras_files.load(path)
    except Exception as error:  # a broken file can make Keras raise anything
        raise refused(path, f"cannot be loaded: {reason_of(error)}", "Save it again.") from error
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        raise refused(path, "holds no network with a known input", "Build it before it is saved.")
    return network


def _preprocessing(
    path: Path, network: "keras.Model", settings: EncoderSettings
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return how images become the input, and what of that is assumed."""
    edges = _image_edges(path, network, settings)
    notes = []
    size = edges[0] or settings.size
    if size is None:
        size = DEFAULT_SIZE
        notes.append(f"size {size}: the file takes any")
    if settings.size not in (None, size):
        raise ConfigError(f": the encoder takes {size} pixels", field="size", value=settings.size)
    if size > LARGEST_SIZE:
        raise refused(path, f"takes images of {size} pixels; the most is {LARGEST_SIZE}")
    inside = _scale_inside(network)
    given = given_values(settings)
    if inside is None and given is None and not _is_own(path):
        notes.append("values from 0 to 1: the network does not scale them itself")
    scale, mean, std = given or (SCALES[inside or "0-1"][0], (), ())
    colours = settings.colours or "rgb"
    channels = edges[2]
    if channels == 1 and (colours == "bgr" or max(len(mean), len(std)) > 1):
        raise ConfigError(
            ": the encoder takes grey images", field="colours" if colours == "bgr" else "mean"
        )
    return Preprocessing(size, scale, mean, std, colours, channels=channels), tuple(notes)


def _image_edges(
    path: Path, network: "keras.Model", settings: EncoderSettings
) -> tuple[int | None, int | None, int]:
    """Return height, width and channels of the images that a network takes."""
    if len(network.inputs) != 1 or len(network.inputs[0].shape) != 4:
        shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in network.inputs)
        raise refused(
            path, f"takes {shapes}, not images alone", "Take a network with one input of images."
        )
    height, width, channels = network.inputs[0].shape[1:]
    if channels not in CHANNELS or settings.layout == "nchw":
        raise refused(
            path,
            f"takes ({height}, {width}, {channels}), not 3 or 1 channels that come last",
            "Take a network of such images.",
        )
    if height != width:
        raise refused(
            path, f"takes images of {height}x{width} pixels", "Take a network of square images."
        )
    return height, width, channels


def _scale_inside(network: "keras.Model") -> str | None:
    """Return the values that a network scales itself, "0-255" or "0-1"; None if it does not."""
    from keras import layers

    for layer in _flat_layers(network):
        if isinstance(layer, layers.Rescaling):
            return "0-255" if np.max(np.abs(layer.scale)) <= LEAST_SCALE else "0-1"
        if isinstance(layer, layers.Normalization):
            return "0-255" if np.max(np.abs(np.asarray(layer.mean))) > LARGEST_MEAN else "0-1"
        if layer.weights:
            return None
    return None


def _flat_layers(network: Any) -> Iterator[Any]:
    """Yield the layers in order, those of networks inside it in their place."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _flat_layers(layer)
        else:
            yield layer


def _is_own(path: Path) -> bool:
    """Return whether a file is that of a run which began with nothing else."""
    beside = path.parent
    is_of_run = path.name in OWN_NAMES and (beside / OWN_DESCRIPTION).is_file()
    return is_of_run and not (beside / PASSED_ON).exists()


def _name(path: Path) -> str:
    """Return a short name: that of the file, and of its run where the file is a run's."""
    if path.name in OWN_NAMES and path.parent.name == "encoder":
        return printable(f"{path.parent.parent.name}-{path.stem}")
    return printable(path.stem)
