"""The default: a plain convolutional autoencoder whose code keeps the image's layout.

Images of 32x32x3 become codes of 8x8xC. Two strided convolutions, two at the code's resolution,
and their mirror image. The code is linear, so that no activation cuts its distances. A plain
transposed convolution is the fastest way back up on a CPU.

    latentlab fit --data cifar10 --arch conv8 --epochs 20

See reports/cifar10-baseline for its figures.
"""

from dataclasses import dataclass
from typing import Any

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class Conv8Options(CheckedOptions):
    """Sizes of the network.

    Attributes
    ----------
    code_channels : int
        C of the 8x8xC code.
    width : int
        Channels after the first convolution; twice as many after the second.
    """

    code_channels: int = option(16, "Channels of the 8x8 code.", at_least=1)
    width: int = option(32, "Channels after the first convolution.", at_least=1)


class Conv8(Encoder):
    """A plain convolutional autoencoder."""

    Options = Conv8Options

    def build(self, image_shape: tuple[int, int, int], options: Conv8Options) -> Model:
        """Build the network for images with sides that are multiples of 4; codes are a quarter."""
        import keras
        from keras import layers

        self.require_multiple(image_shape, 4)
        narrow = options.width
        wide = 2 * options.width
        channels = image_shape[2]

        # Encoder
        image = keras.Input(image_shape, name="image")
        hidden = _conv(narrow, 4, strides=2)(image)
        hidden = _conv(wide, 4, strides=2)(hidden)
        hidden = _conv(wide, 3)(hidden)
        code_layer = layers.Conv2D(
            options.code_channels, 3, padding="same", dtype="float32", name="code"
        )
        code = code_layer(hidden)

        # Decoder
        decoder_layers = [
            _conv(wide, 3),
            _conv(wide, 3),
            layers.Conv2DTranspose(narrow, 4, 2, "same", activation="relu"),
            layers.Conv2DTranspose(channels, 4, 2, "same", dtype="float32", name="reconstruction"),
        ]
        return Model.from_layers(image, code, decoder_layers)


def _conv(filters: int, kernel: int, strides: int = 1) -> Any:
    from keras import layers

    return layers.Conv2D(filters, kernel, strides, "same", activation="relu")
