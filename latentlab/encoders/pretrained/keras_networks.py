"""A Keras network as an encoder: preprocessing, network and pooling as one network of plain layers.

`network()` takes images in [0, 1] and gives features, so that it can be trained, saved as a
`.keras` file and opened by plain Keras.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.images import as_input
from latentlab.encoders.pretrained.card import (
    CLASS_TOKEN,
    MAP_MEAN,
    TOKEN_MEAN,
    EncoderCard,
    EncoderSettings,
    Preprocessing,
    PretrainedEncoder,
)
from latentlab.encoders.pretrained.onnx_output import (
    FeatureOutput,
    feature_output,
    leading_tokens,
)
from latentlab.errors import ConfigError, DataError

if TYPE_CHECKING:
    import keras

BATCH_PIXELS = 32 * 224 * 224  # of images that the network sees at once
SCORES = {"softmax", "sigmoid"}  # activations of a layer that gives scores of classes
FULL_SCALE = 255.0


class KerasEncoder(PretrainedEncoder):
    """An encoder that Keras runs, and that can be trained further.

    Parameters
    ----------
    card : EncoderCard
        What is known of it.
    network : keras.Model
        Images in [0, 1] -> features.

    Attributes
    ----------
    card : EncoderCard
        As given.
    """

    def __init__(self, card: EncoderCard, network: "keras.Model") -> None:
        self.card = card
        self._network = network

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Return the features of images, float32 (n, feature_size).

        Parameters
        ----------
        pixels : ndarray of shape (n, size, size, channels), uint8
            RGB or grey images of the encoder's size.

        Raises
        ------
        DataError
            If the network gives what is not finite.
        """
        features = np.empty((len(pixels), self.card.feature_size), np.float32)
        step = max(1, BATCH_PIXELS // self.card.preprocessing.size**2)
        for start in range(0, len(pixels), step):
            images = as_input(pixels[start : start + step])
            features[start : start + step] = self._network.predict_on_batch(images)
        if not np.isfinite(features).all():
            raise DataError(
                "gives features that are not finite",
                field="encoder",
                value=self.card.reference,
                hint="Check `scale`, `mean` and `std`.",
            )
        return features

    def network(self) -> "keras.Model":
        """Return the network, float32 images in [0, 1] -> features; a new one each time."""
        import keras

        copy = keras.models.clone_model(self._network)
        copy.set_weights(self._network.get_weights())
        return copy


@dataclass(frozen=True)
class FeatureNetwork:
    """A network from images in [0, 1] to features, and how it was put together.

    Attributes
    ----------
    network : keras.Model
        Compiled for prediction.
    output : FeatureOutput
        Which output of the inner network is taken, and how it is pooled.
    """

    network: "keras.Model"
    output: FeatureOutput


def compose(
    inner: "keras.Model", preprocessing: Preprocessing, settings: EncoderSettings
) -> FeatureNetwork:
    """Put preprocessing before a network, and pooling behind it.

    Parameters
    ----------
    inner : keras.Model
        The network with one input for images.
    preprocessing : Preprocessing
        What it expects.
    settings : EncoderSettings
        Which output is taken, and how it is pooled, if the user says so.

    Raises
    ------
    ConfigError
        If there is no such output or pooling.
    """
    import keras

    from latentlab import backend

    size, channels = preprocessing.size, preprocessing.channels
    image = keras.Input((size, size, channels), name="image")
    inner, output = _choose_output(inner, image.shape[1:], settings)
    x = inner(_prepared(image, preprocessing))
    features = _pooled(x, output)
    network = keras.Model(image, features, name="features")
    network.compile(jit_compile=backend.jit_compile())
    return FeatureNetwork(network, output)


def _choose_output(
    inner: "keras.Model", image_shape: tuple[int, ...], settings: EncoderSettings
) -> tuple["keras.Model", FeatureOutput]:
    """Return the network up to the output to take, and what is known of that output."""
    import keras

    names = getattr(inner, "output_names", [inner.layers[-1].name])  # a row of layers has none
    tensors = dict(zip(names, inner.outputs, strict=True))
    if settings.output and settings.output not in tensors:
        tensors |= _inner_tensors(inner)
    shapes = _shapes(inner, tensors, image_shape, settings.output)
    output = feature_output(shapes, "nhwc", settings)
    tensor = tensors[output.name]
    hidden = None if settings.output else _before_scores(tensor, output)
    if hidden is not None:
        name = hidden._keras_history.operation.name
        shapes = _shapes(inner, {name: hidden}, image_shape, name)
        output = feature_output(shapes, "nhwc", replace(settings, output=name))
        note = f"output {name}: what the last layer makes scores of classes of"
        output = replace(output, assumed=(note,))
        tensor = hidden
    return keras.Model(inner.inputs, tensor, name=inner.name), output


def _inner_tensors(inner: "keras.Model") -> dict[str, Any]:
    """Return what each layer between input and outputs gives, by the layers' names."""
    tensors: dict[str, Any] = {}
    waiting = list(inner.outputs)
    while waiting:
        tensor = waiting.pop()
        name = tensor._keras_history.operation.name
        if name not in tensors:
            tensors[name] = tensor
            waiting += _sources(tensor)
    return tensors


def _sources(tensor: Any) -> list[Any]:
    """Return what a layer made a tensor of."""
    operation, node, _ = tensor._keras_history
    return list(operation._inbound_nodes[node].input_tensors)


def _shapes(
    inner: "keras.Model",
    tensors: Mapping[str, Any],
    image_shape: tuple[int, ...],
    wanted: str | None,
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one picture's outputs; those whose edges stay free are left out."""
    import keras

    if wanted in tensors:
        tensors = {str(wanted): tensors[str(wanted)]}
    given = keras.KerasTensor((None, *image_shape))
    shapes = {}
    for name, tensor in tensors.items():
        # An edge that the file leaves free is known once the images have a size.
        shape = keras.Model(inner.inputs, tensor).compute_output_shape(given.shape)[1:]
        if shape and all(shape):
            shapes[name] = tuple(shape)
    if not shapes:
        raise ConfigError(
            f": no output has a known shape for images of {image_shape[0]} pixels",
            field="size",
            value=image_shape[0],
        )
    return shapes


def _before_scores(tensor: Any, output: FeatureOutput) -> Any:
    """Return what the last dense layer makes scores of classes of; None if there is no such."""
    import keras

    are_scores = output.are_scores
    layer = tensor._keras_history.operation
    while isinstance(layer, (keras.layers.Activation, keras.layers.Softmax, keras.layers.Dropout)):
        are_scores = are_scores or isinstance(layer, keras.layers.Softmax) or _gives_scores(layer)
        (tensor,) = _sources(tensor)
        layer = tensor._keras_history.operation
    if isinstance(layer, keras.layers.Dense) and (are_scores or _gives_scores(layer)):
        return _sources(tensor)[0]
    return None


def _gives_scores(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", "") in SCORES


def _prepared(image: Any, preprocessing: Preprocessing) -> Any:
    """Return images in [0, 1] as the inner network takes them."""
    import keras

    std = np.asarray(preprocessing.std or (1.0,))
    mean = np.asarray(preprocessing.mean or (0.0,))
    factor = FULL_SCALE * preprocessing.scale / std
    offset = -mean / std
    if not (np.allclose(factor, 1, rtol=1e-12) and not offset.any()):
        scaling = (_plain(factor), _plain(offset))
        image = keras.layers.Rescaling(*scaling, dtype="float32", name="scaled")(image)
    if preprocessing.colours == "bgr":
        image = _reversed_channels()(image)
    return image


def _plain(numbers: np.ndarray) -> float | list[float]:
    """Return one number for all channels if they are the same."""
    if (numbers == numbers[0]).all():
        return float(numbers[0])
    return [float(number) for number in numbers]


def _reversed_channels() -> Any:
    """Return a layer that swaps red and blue: Keras has no other plain layer for it."""
    import keras

    swap = keras.layers.Conv2D(3, 1, use_bias=False, dtype="float32", name="blue_first")
    swap.build((None, None, None, 3))
    swap.set_weights([np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3)])
    swap.trainable = False
    return swap


def _pooled(x: Any, output: FeatureOutput) -> Any:
    """Return one vector per picture as `FeatureOutput.pool` does, by plain layers, in float32."""
    from keras import layers

    count = output.shape[0]
    if output.pooling == CLASS_TOKEN and count > 1:
        x = layers.Cropping1D((0, count - 1), name="class_token")(x)
    elif output.pooling == TOKEN_MEAN:
        if leading_tokens(count):
            x = layers.Cropping1D((leading_tokens(count), 0), name="patches")(x)
        return layers.GlobalAveragePooling1D(dtype="float32", name="token_mean")(x)
    elif output.pooling == MAP_MEAN:
        form = "channels_first" if output.layout == "nchw" else "channels_last"
        pooling = layers.GlobalAveragePooling2D(form, dtype="float32", name="map_mean")
        return pooling(x)
    # A vector goes through as well, so that the features are float32 whatever the network is in.
    size = math.prod(output.shape[1:] if output.pooling == CLASS_TOKEN else output.shape)
    return layers.Reshape((size,), dtype="float32", name="vector")(x)
