r"""The network of the blog post on a TensorFlow convolutional autoencoder, layer by layer.

    encoder    32 filters 6x6, stride 2, valid; max-pooling 2x2, stride 1, same
               32 filters 3x3, valid; max-pooling 2x2, stride 1, same
               16 filters 3x3, valid: the code
    decoder    transposed: 16 filters 3x3, valid; 32 filters 3x3, valid;
               64 filters 6x6, stride 2, valid; 3 filters 3x3, same; batch normalisation; sigmoid

ReLU follows every convolution of the encoder and the first three of the decoder. The post's text
calls the code 8x8. As its layers are written, a 32x32 image gives a code of 10x10x16 (32, 14, 12,
10), and so it does here. The post trains with Adam on batches of 500 and compares the learning
rates 0.01, 0.001 and 0.0001:

    latentlab sweep --data cifar10 --arch blog --learning-rate 0.01,0.001,0.0001 \
        --schedule constant

See reports/cifar10-baseline for its figures.
"""

from dataclasses import dataclass

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions

SMALLEST_SIDE = 16  # pixels


@dataclass(frozen=True)
class BlogOptions(CheckedOptions):
    """The post has no free sizes."""


class Blog(Encoder):
    """The blog post's network."""

    Options = BlogOptions

    def build(self, image_shape: tuple[int, int, int], options: BlogOptions) -> Model:
        """Build the network for images with even sides of at least 16 pixels."""
        import keras
        from keras import layers

        self._check(image_shape)
        channels = image_shape[2]

        # Encoder
        image = keras.Input(image_shape, name="image")
        hidden = layers.Conv2D(32, 6, 2, activation="relu")(image)
        hidden = layers.MaxPooling2D(2, 1, "same")(hidden)
        hidden = layers.Conv2D(32, 3, activation="relu")(hidden)
        hidden = layers.MaxPooling2D(2, 1, "same")(hidden)
        code = layers.Conv2D(16, 3, activation="relu", dtype="float32", name="code")(hidden)

        # Decoder
        decoder_layers = [
            layers.Conv2DTranspose(16, 3, activation="relu"),
            layers.Conv2DTranspose(32, 3, activation="relu"),
            layers.Conv2DTranspose(64, 6, 2, activation="relu"),
            layers.Conv2DTranspose(channels, 3, padding="same"),
            layers.BatchNormalization(),
            layers.Activation("sigmoid", dtype="float32", name="reconstruction"),
        ]
        return Model.from_layers(image, code, decoder_layers)

    def _check(self, image_shape: tuple[int, int, int]) -> None:
        height, width, _ = image_shape
        is_odd = height % 2 or width % 2
        if is_odd or min(height, width) < SMALLEST_SIDE:
            raise self.error(
                f"needs even image sides of at least {SMALLEST_SIDE} pixels, not {height}x{width}:"
                " use `size=32`"
            )
