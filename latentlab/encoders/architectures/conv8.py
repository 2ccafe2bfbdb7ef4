"""The default: a plain convolutional autoencoder whose code keeps the image's layout, 32x32x3 to 8x8xC and back.

Two strided convolutions, two at the code's resolution, and their mirror image. The code is linear, so that its
distances are not cut by an activation. A plain transposed convolution is the fastest way back up on a CPU.

    latentlab fit --data cifar10 --arch conv8 --epochs 20

See reports/cifar10-baseline for its figures.
"""

from dataclasses import dataclass

from latentlab.encoders.networks import Model, assemble, require_multiple


@dataclass(frozen=True)
class Options:
    """Sizes of the network.

    Attributes
    ----------
    code_channels : int
        C of the 8x8xC code.
    width : int
        Channels after the first convolution; twice as many after the second.
    """

    code_channels: int = 16
    width: int = 32


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides multiples of 4; the code is a quarter of each side."""
    import keras
    from keras import layers

    require_multiple("conv8", image_shape, 4)
    narrow, wide = options.width, 2 * options.width

    def conv(
        filters: int, kernel: int, strides: int = 1, activation: str | None = "relu", **settings
    ):
        return layers.Conv2D(filters, kernel, strides, "same", activation=activation, **settings)

    image = keras.Input(image_shape, name="image")
    hidden = conv(narrow, 4, 2)(image)
    hidden = conv(wide, 4, 2)(hidden)
    hidden = conv(wide, 3)(hidden)
    code = conv(options.code_channels, 3, activation=None, dtype="float32", name="code")(hidden)
    decode = [
        conv(wide, 3),
        conv(wide, 3),
        layers.Conv2DTranspose(narrow, 4, 2, "same", activation="relu"),
        layers.Conv2DTranspose(
            image_shape[2], 4, 2, "same", dtype="float32", name="reconstruction"
        ),
    ]
    return assemble(image, code, decode)
