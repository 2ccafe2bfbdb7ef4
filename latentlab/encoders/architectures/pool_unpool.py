"""The autoencoders of "A Deep Convolutional Auto-Encoder with Pooling - Unpooling Layers in Caffe".

Turchenko, Chalmers and Luczak (arXiv 1701.04949) compare five models that differ only in pooling and unpooling:

    1  conv, deconv                     --set pooling=false --set unpooling=false
    2  conv + pool, deconv              --set unpooling=false
    3  (pooling in part of the net)     not offered: it lies between 2 and 5
    4  conv + pool, deconv + unpool with switches      --switches
    5  conv + pool, deconv + unpool without switches   the default; the paper's best

Convolution 9x9 with 8 maps, convolution 9x9 with 4 maps, each followed by 2x2 max-pooling; dense 250; a code of 2, 10
or 30 numbers; dense 250; and back through deconvolutions of 8 maps.
A switch is the place of the maximum in its pooling window: unpooling with switches
puts each value back at that place and so carries information around the code. Without switches a value fills its whole
window. The paper works on 28x28 images; here convolutions that are pooled keep their input's size, so that any
multiple of 4 works and a 32x32 image reaches the dense layers as 8x8x4.

    latentlab fit --data cifar10 --arch pool-unpool
"""

from dataclasses import dataclass
from typing import Any

from latentlab.encoders.networks import Model, assemble, require_multiple
from latentlab.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """Variant and code size.

    Attributes
    ----------
    code_dim : int
        Numbers in the code; the paper has 2, 10 and 30.
    pooling, unpooling, switches : bool
        The paper's variants, see the table above.
    """

    code_dim: int = 30
    pooling: bool = True
    unpooling: bool = True
    switches: bool = False


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides multiples of 4 and at least 20 without pooling."""
    import keras
    from keras import layers

    _check(image_shape, options)
    image = keras.Input(image_shape, name="image")
    padding = "same" if options.pooling else "valid"
    hidden: Any = image
    switches: list[Any] = []
    for maps in (8, 4):
        hidden = layers.Conv2D(maps, 9, padding=padding, activation="relu")(hidden)
        if options.pooling:
            pooled = layers.MaxPooling2D(2)(hidden)
            switches.insert(0, _switch(hidden, pooled))
            hidden = pooled
    smallest = hidden.shape[1:]
    hidden = layers.Dense(250, activation="relu")(layers.Flatten()(hidden))
    code = layers.Dense(options.code_dim, dtype="float32", name="code")(hidden)
    decode = [
        layers.Dense(250, activation="relu"),
        layers.Dense(smallest[0] * smallest[1] * smallest[2], activation="relu"),
        layers.Reshape(smallest),
    ]
    output = layers.Conv2D(
        image_shape[2], 1, activation="sigmoid", dtype="float32", name="reconstruction"
    )
    steps = [_upward_step(options, padding) for _ in range(2)]
    if options.switches:
        return _with_switches(image, code, decode, list(zip(steps, switches, strict=True)), output)
    return assemble(image, code, [*decode, *steps[0], *steps[1], output])


def _check(image_shape: tuple[int, int, int], options: Options) -> None:
    require_multiple("pool-unpool", image_shape, 4)
    if options.unpooling and not options.pooling:
        raise ConfigError(
            "--arch pool-unpool cannot unpool what was not pooled: set unpooling=false too."
        )
    if options.switches and not options.unpooling:
        raise ConfigError(
            "--arch pool-unpool has switches only where it unpools: leave out --switches or set unpooling=true."
        )
    if not options.pooling and min(image_shape[:2]) < 20:
        raise ConfigError(
            "--arch pool-unpool without pooling needs images of at least 20x20: use --size 32."
        )


def _upward_step(options: Options, padding: str) -> list:
    """Return the layers that undo one pooled convolution: unpooling (where wanted) and a deconvolution of 8 maps."""
    from keras import layers

    if options.pooling and options.unpooling:
        return [layers.UpSampling2D(2), layers.Conv2DTranspose(8, 9, 1, padding, activation="relu")]
    return [layers.Conv2DTranspose(8, 9, 2 if options.pooling else 1, padding, activation="relu")]


def _switch(hidden: Any, pooled: Any) -> Any:
    """Return 1 where `hidden` (n, 2h, 2w, c) holds its window's maximum and else 0; equal values share it."""
    from keras import layers, ops

    return ops.cast(ops.equal(hidden, layers.UpSampling2D(2)(pooled)), hidden.dtype)


def _with_switches(image: Any, code: Any, decode: list, steps: list, output: Any) -> Model:
    import keras
    from keras import layers

    hidden = code
    for layer in decode:
        hidden = layer(hidden)
    for (unpool, deconvolve), switch in steps:
        hidden = deconvolve(layers.Multiply()([unpool(hidden), switch]))
    return Model(
        autoencoder=keras.Model(image, output(hidden), name="autoencoder"),
        encoder=keras.Model(image, code, name="encoder"),
        decoder=None,
    )
