"""The fully connected autoencoder of DEC and IDEC: d-500-500-2000-10 and back.

Xie et al., ICML 2016, section 4.2: ReLU inside, a linear code and a linear output. The papers
train it layer by layer first; here it is trained at once, as IDEC's authors do too. It takes
images of any size, and is the baseline of the convolutional codes:

    latentlab fit --data mnist --arch mlp --batch-size 256 --epochs 100
"""

import math
from dataclasses import dataclass
from typing import Any

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option

HIDDEN_SIZES = (500, 500, 2000)


@dataclass(frozen=True)
class MLPOptions(CheckedOptions):
    """Sizes of the network.

    Attributes
    ----------
    code_dim : int
        Numbers in the code.
    """

    code_dim: int = option(10, "Numbers in the code.", at_least=1)


class MLP(Encoder):
    """The fully connected autoencoder."""

    Options = MLPOptions

    def build(self, image_shape: tuple[int, int, int], options: MLPOptions) -> Model:
        """Build the network for images of any size."""
        import keras
        from keras import layers

        # Encoder
        image = keras.Input(image_shape, name="image")
        hidden = layers.Flatten()(image)
        for size in HIDDEN_SIZES:
            hidden = _dense(size)(hidden)
        code = layers.Dense(options.code_dim, dtype="float32", name="code")(hidden)

        # Decoder
        decoder_layers = [
            *map(_dense, reversed(HIDDEN_SIZES)),
            layers.Dense(math.prod(image_shape), dtype="float32"),
            layers.Reshape(image_shape, dtype="float32", name="reconstruction"),
        ]
        return Model.from_layers(image, code, decoder_layers)


def _dense(size: int) -> Any:
    import keras

    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return keras.layers.Dense(size, activation="relu", kernel_initializer=initializer)
