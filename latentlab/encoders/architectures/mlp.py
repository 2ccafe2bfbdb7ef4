"""The fully connected autoencoder of DEC and IDEC: d-500-500-2000-10 and back (Xie et al., ICML 2016, section 4.2).

ReLU inside, a linear code and a linear output. The papers train it layer by layer first; here it is trained at once,
as IDEC's authors do too. It takes images of any size, and is the baseline against which the convolutional codes are
measured:

    latentlab fit --data mnist --arch mlp --batch-size 256 --epochs 100
"""

import math
from dataclasses import dataclass

from latentlab.encoders.networks import Model, assemble


@dataclass(frozen=True)
class Options:
    """Sizes of the network.

    Attributes
    ----------
    code_dim : int
        Numbers in the code.
    """

    code_dim: int = 10


HIDDEN = (500, 500, 2000)


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels) of any size."""
    import keras
    from keras import layers

    def dense(units: int) -> layers.Layer:
        return layers.Dense(
            units,
            activation="relu",
            kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        )

    image = keras.Input(image_shape, name="image")
    hidden = layers.Flatten()(image)
    for units in HIDDEN:
        hidden = dense(units)(hidden)
    code = layers.Dense(options.code_dim, dtype="float32", name="code")(hidden)
    decode = [
        *map(dense, reversed(HIDDEN)),
        layers.Dense(math.prod(image_shape), dtype="float32"),
        layers.Reshape(image_shape, dtype="float32", name="reconstruction"),
    ]
    return assemble(image, code, decode)
