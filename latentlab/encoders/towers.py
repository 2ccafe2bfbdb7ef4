"""Encoders that go on above their code: image -> lower -> 8x8 code -> top -> embedding, and a light decoder of the code."""

from typing import Any

from latentlab.backend import kernels
from latentlab.encoders.networks import Model

MOMENTUM = 0.9  # of batch normalisation: schedules here are short


def conv(
    x: Any, filters: int, kernel: int = 3, strides: int = 1, activation: str | None = "relu"
) -> Any:
    """Return convolution, batch normalisation and activation of a feature map."""
    from keras import layers

    x = layers.Conv2D(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer="he_normal"
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def code_of(x: Any, channels: int) -> Any:
    """Return the linear 8x8 code, float32, of a feature map."""
    from keras import layers

    return layers.Conv2D(channels, 1, dtype="float32", name="code")(x)


def centered(image: Any) -> Any:
    """Return images in [0, 1] as values around 0."""
    from keras import layers

    return layers.Rescaling(4.0, -2.0)(image)


def assemble(image_shape: tuple[int, int, int], lower: Any, top: Any, width: int) -> Model:
    """Make the models of two functions on Keras tensors, images (n, h, w, channels) -> code and code -> embedding (n, d).

    `width` is the decoder's: nearest neighbours and convolutions, since transposed ones are slow in bfloat16 on a GPU.
    """
    import keras

    channels = image_shape[2]
    anything = keras.Input((None, None, channels), name="any_image")
    lower_net = keras.Model(anything, lower(anything), name="lower")
    code_channels = lower_net.output_shape[-1]
    any_code = keras.Input((None, None, code_channels), name="any_code")
    top_net = keras.Model(any_code, top(any_code), name="top")
    decoder_net = keras.Model(any_code, _decode(any_code, width, channels), name="decode")
    kernels.hasten(lower_net, top_net, decoder_net)
    image = keras.Input(image_shape, name="image")
    code = lower_net(image)
    code_input = keras.Input(code.shape[1:], name="code_input")
    return Model(
        autoencoder=keras.Model(image, decoder_net(code), name="autoencoder"),
        encoder=keras.Model(image, code, name="encoder"),
        decoder=keras.Model(code_input, decoder_net(code_input), name="decoder"),
        top=top_net,
    )


def part(model: Model, name: str) -> Any:
    """Return "lower" (images -> code) or "decode" (code -> image) of a model, which take any height and width."""
    return model.autoencoder.get_layer(name)


def _decode(code: Any, width: int, channels: int) -> Any:
    from keras import layers

    hidden = conv(code, 2 * width)
    hidden = conv(layers.UpSampling2D(2)(hidden), width)
    return layers.Conv2D(channels, 3, padding="same", dtype="float32", name="reconstruction")(
        layers.UpSampling2D(2)(hidden)
    )
