"""Encoders that go on above their code: image -> 8x8 code -> embedding, with a light decoder."""

from collections.abc import Callable
from typing import Any

from latentlab.backend import kernels
from latentlab.encoders.model import Model

MOMENTUM = 0.9  # of batch normalisation: schedules here are short


def conv(
    feature_map: Any,
    filters: int,
    kernel: int = 3,
    strides: int = 1,
    activation: str | None = "relu",
) -> Any:
    """Return convolution, batch normalisation and activation of a feature map.

    Parameters
    ----------
    feature_map : Keras tensor of shape (n, height, width, channels)
    filters : int
        Channels of the result.
    kernel : int
        Side of the convolution's kernel, in pixels.
    strides : int
        The sides of the result are this many times smaller.
    activation : str or None
        Name of Keras' activation; None: none.
    """
    from keras import layers

    convolution = layers.Conv2D(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer="he_normal"
    )
    normalized = layers.BatchNormalization(momentum=MOMENTUM)(convolution(feature_map))
    return layers.Activation(activation)(normalized) if activation else normalized


def code_of(feature_map: Any, channels: int) -> Any:
    """Return the linear code of a feature map, float32.

    Parameters
    ----------
    feature_map : Keras tensor of shape (n, 8, 8, any)
    channels : int
        Channels of the code.
    """
    from keras import layers

    return layers.Conv2D(channels, 1, dtype="float32", name="code")(feature_map)


def centered(image: Any) -> Any:
    """Return `image`, images in [0, 1], as values between -2 and 2."""
    from keras import layers

    return layers.Rescaling(4.0, -2.0)(image)


def average_embedding(feature_map: Any) -> Any:
    """Return the mean of `feature_map` over height and width, float32 (n, channels)."""
    from keras import layers

    return layers.GlobalAveragePooling2D(dtype="float32", name="embedding")(feature_map)


def build_tower(
    image_shape: tuple[int, int, int],
    lower: Callable[[Any], Any],
    top: Callable[[Any], Any],
    decoder_width: int,
) -> Model:
    """Make the model of two functions on Keras tensors.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and channels of the images.
    lower : callable
        Images (n, height, width, channels) -> codes (n, height / 4, width / 4, code channels).
    top : callable
        Codes -> embeddings (n, d).
    decoder_width : int
        Channels of the decoder's last layer but one.
    """
    import keras

    channels = image_shape[2]

    # The parts take images of any height and width: views of training are smaller.
    any_image = keras.Input((None, None, channels), name="any_image")
    lower_net = keras.Model(any_image, lower(any_image), name="lower")
    any_code = keras.Input((None, None, lower_net.output_shape[-1]), name="any_code")
    top_net = keras.Model(any_code, top(any_code), name="top")
    decoder_net = keras.Model(any_code, _decode(any_code, decoder_width, channels), name="decode")
    kernels.hasten(lower_net, top_net, decoder_net)

    # The model takes images of one size.
    image = keras.Input(image_shape, name="image")
    code = lower_net(image)
    code_input = keras.Input(code.shape[1:], name="code_input")
    return Model(
        autoencoder=keras.Model(image, decoder_net(code), name="autoencoder"),
        encoder=keras.Model(image, code, name="encoder"),
        decoder=keras.Model(code_input, decoder_net(code_input), name="decoder"),
        top=top_net,
    )


def _decode(code: Any, width: int, channels: int) -> Any:
    """Return the reconstruction of a code.

    Upsampling repeats pixels: transposed convolutions are slow in bfloat16 on a GPU.
    """
    from keras import layers

    hidden = conv(code, 2 * width)
    hidden = conv(layers.UpSampling2D(2)(hidden), width)
    output = layers.Conv2D(channels, 3, padding="same", dtype="float32", name="reconstruction")
    return output(layers.UpSampling2D(2)(hidden))
