"""The network of the blog post on a TensorFlow convolutional autoencoder, layer by layer.

Encoder: 32 filters 6x6 stride 2 valid, ReLU; max-pool 2x2 stride 1 same; 32 filters 3x3 valid, ReLU; max-pool 2x2
stride 1 same; 16 filters 3x3 valid, ReLU (the code). Decoder, transposed: 16 filters 3x3 valid, 32 3x3 valid,
64 6x6 stride 2 valid, 3 3x3 same; batch normalisation; sigmoid.

The post's text says that the code is 8x8; as its layers are written, a 32x32 image gives a code of 10x10x16
(32 -> 14 -> 12 -> 10), and so it does here. The post trains with Adam on batches of 500 and compares the learning
rates 0.01, 0.001 and 0.0001:

    latentlab sweep --data cifar10 --arch blog --learning-rate 0.01,0.001,0.0001 --schedule constant

See reports/cifar10-baseline for its figures.
"""

from dataclasses import dataclass

from latentlab.encoders.networks import Model, assemble
from latentlab.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """The post has no free sizes."""


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides even and at least 16."""
    import keras
    from keras import layers

    height, width, channels = image_shape
    if height % 2 or width % 2 or min(height, width) < 16:
        raise ConfigError(
            f"--arch blog needs even image sides of at least 16 pixels, not {height}x{width}: use --size 32."
        )
    image = keras.Input(image_shape, name="image")
    hidden = layers.Conv2D(32, 6, 2, activation="relu")(image)
    hidden = layers.MaxPooling2D(2, 1, "same")(hidden)
    hidden = layers.Conv2D(32, 3, activation="relu")(hidden)
    hidden = layers.MaxPooling2D(2, 1, "same")(hidden)
    code = layers.Conv2D(16, 3, activation="relu", dtype="float32", name="code")(hidden)
    decode = [
        layers.Conv2DTranspose(16, 3, activation="relu"),
        layers.Conv2DTranspose(32, 3, activation="relu"),
        layers.Conv2DTranspose(64, 6, 2, activation="relu"),
        layers.Conv2DTranspose(channels, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("sigmoid", dtype="float32", name="reconstruction"),
    ]
    return assemble(image, code, decode)
