"""The convolutional autoencoder of "Deep Clustering with Convolutional Autoencoders".

Guo et al., ICONIP 2017. The encoder has 32 filters 5x5 of stride 2, 64 filters 5x5 of stride 2,
128 filters 3x3 of stride 2, and a dense layer of 10 without activation: the code. The third
convolution is padded ("same") if both sides are multiples of 8. The decoder is the mirror image,
with ReLU inside and a linear output. The paper trains 200 epochs with Adam and batches of 256:

    latentlab fit --data mnist --arch dcec --batch-size 256 --epochs 200
"""

from dataclasses import dataclass

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option

SMALLEST_UNPADDED = 12  # pixels, for which the third convolution has 3x3 of them


@dataclass(frozen=True)
class DCECOptions(CheckedOptions):
    """Sizes of the network.

    Attributes
    ----------
    code_dim : int
        Numbers in the code.
    """

    code_dim: int = option(10, "Numbers in the code.", at_least=1)


class DCEC(Encoder):
    """The convolutional autoencoder of DCEC."""

    Options = DCECOptions

    def build(self, image_shape: tuple[int, int, int], options: DCECOptions) -> Model:
        """Build the network for images with sides of a multiple of 8, or of 4 and at least 12."""
        import keras
        from keras import layers

        padding = self._check(image_shape)
        channels = image_shape[2]

        # Encoder
        image = keras.Input(image_shape, name="image")
        hidden = layers.Conv2D(32, 5, 2, "same", activation="relu")(image)
        hidden = layers.Conv2D(64, 5, 2, "same", activation="relu")(hidden)
        hidden = layers.Conv2D(128, 3, 2, padding, activation="relu")(hidden)
        smallest_map = hidden.shape[1:]
        hidden = layers.Flatten()(hidden)
        code = layers.Dense(options.code_dim, dtype="float32", name="code")(hidden)

        # Decoder
        decoder_layers = [
            layers.Dense(smallest_map[0] * smallest_map[1] * 128, activation="relu"),
            layers.Reshape(smallest_map),
            layers.Conv2DTranspose(64, 3, 2, padding, activation="relu"),
            layers.Conv2DTranspose(32, 5, 2, "same", activation="relu"),
            layers.Conv2DTranspose(channels, 5, 2, "same", dtype="float32", name="reconstruction"),
        ]
        return Model.from_layers(image, code, decoder_layers)

    def _check(self, image_shape: tuple[int, int, int]) -> str:
        """Check the images' sides; return the padding of the third convolution."""
        self.require_multiple(image_shape, 4)
        height, width, _ = image_shape
        if height % 8 == 0 and width % 8 == 0:
            return "same"
        if min(height, width) < SMALLEST_UNPADDED:
            raise self.error(
                f"needs image sides that are multiples of 8, or of 4 and at least"
                f" {SMALLEST_UNPADDED}, not {height}x{width}: use `size={SMALLEST_UNPADDED}`"
            )
        return "valid"
