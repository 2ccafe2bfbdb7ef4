"""The convolutional autoencoder of "Deep Clustering with Convolutional Autoencoders" (Guo et al., ICONIP 2017).

Encoder: 32 filters 5x5 stride 2, 64 filters 5x5 stride 2, 128 filters 3x3 stride 2 (padding "same" where the side is
a multiple of 8, else "valid"), flatten, dense 10 without activation (the code). Decoder: the mirror image. ReLU inside,
linear output. The paper trains 200 epochs with Adam and batches of 256:

    latentlab fit --data mnist --arch dcec --batch-size 256 --epochs 200
"""

from dataclasses import dataclass

from latentlab.encoders.networks import Model, assemble, require_multiple


@dataclass(frozen=True)
class Options:
    """Sizes of the network.

    Attributes
    ----------
    code_dim : int
        Numbers in the code.
    """

    code_dim: int = 10


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides multiples of 4 and at least 12."""
    import keras
    from keras import layers

    require_multiple("dcec", image_shape, 4)
    height, width, channels = image_shape
    third = "same" if height % 8 == 0 and width % 8 == 0 else "valid"
    image = keras.Input(image_shape, name="image")
    hidden = layers.Conv2D(32, 5, 2, "same", activation="relu")(image)
    hidden = layers.Conv2D(64, 5, 2, "same", activation="relu")(hidden)
    hidden = layers.Conv2D(128, 3, 2, third, activation="relu")(hidden)
    smallest = hidden.shape[1:]
    code = layers.Dense(options.code_dim, dtype="float32", name="code")(layers.Flatten()(hidden))
    decode = [
        layers.Dense(smallest[0] * smallest[1] * 128, activation="relu"),
        layers.Reshape(smallest),
        layers.Conv2DTranspose(64, 3, 2, third, activation="relu"),
        layers.Conv2DTranspose(32, 5, 2, "same", activation="relu"),
        layers.Conv2DTranspose(channels, 5, 2, "same", dtype="float32", name="reconstruction"),
    ]
    return assemble(image, code, decode)
