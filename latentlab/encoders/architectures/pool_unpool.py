"""The autoencoders of "A Deep Convolutional Auto-Encoder with Pooling - Unpooling Layers in Caffe".

Turchenko, Chalmers and Luczak (arXiv 1701.04949) compare five models that differ only in pooling
and unpooling:

    1  conv, deconv                     --set pooling=false --set unpooling=false
    2  conv + pool, deconv              --set unpooling=false
    3  (pooling in part of the net)     not offered: it lies between 2 and 5
    4  conv + pool, deconv + unpool with switches      --switches
    5  conv + pool, deconv + unpool without switches   the default; the paper's best

A 9x9 convolution with 8 maps and one with 4 maps, each followed by 2x2 max-pooling; dense 250; a
code of 2, 10 or 30 numbers; dense 250; and back through deconvolutions of 8 maps.

A switch is the place of the maximum in its pooling window. Unpooling with switches puts each value
back at that place, and so carries information around the code. Without switches a value fills its
whole window. The paper works on 28x28 images. Here pooled convolutions keep their input's size, so
that any multiple of 4 works and a 32x32 image reaches the dense layers as 8x8x4.

    latentlab fit --data cifar10 --arch pool-unpool
"""

from dataclasses import dataclass, field
from typing import Any

from latentlab.encoders.encoder import Encoder
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option

ENCODER_MAPS = (8, 4)
DECODER_MAPS = 8
SMALLEST_UNPOOLED = 20  # pixels: two valid 9x9 convolutions take 16 off each side


@dataclass(frozen=True)
class PoolUnpoolOptions(CheckedOptions):
    """Variant and code size.

    Attributes
    ----------
    code_dim : int
        Numbers in the code; the paper has 2, 10 and 30.
    pooling, unpooling, switches : bool
        The paper's variants, see the table above.
    """

    code_dim: int = option(30, "Numbers in the code.", at_least=1)
    pooling: bool = option(True, "Pool after each convolution.")
    unpooling: bool = option(True, "Unpool before each deconvolution.")
    switches: bool = option(False, "Unpool with switches.")

    @property
    def padding(self) -> str:
        """Padding of the convolutions."""
        return "same" if self.pooling else "valid"


@dataclass
class _Down:
    """The convolutional half of the encoder.

    Attributes
    ----------
    output : Keras tensor
        Smallest feature map.
    switches : list of Keras tensor
        One per pooling, the last pooling first; see `_switch`.
    """

    output: Any
    switches: list[Any] = field(default_factory=list)


class PoolUnpool(Encoder):
    """Autoencoders with pooling and unpooling."""

    Options = PoolUnpoolOptions

    def build(self, image_shape: tuple[int, int, int], options: PoolUnpoolOptions) -> Model:
        """Build the network for images with sides of a multiple of 4, at least 20 unpooled."""
        import keras
        from keras import layers

        self._check(image_shape, options)

        # Encoder
        image = keras.Input(image_shape, name="image")
        down = _convolve_down(image, options)
        smallest_map = down.output.shape[1:]
        hidden = layers.Flatten()(down.output)
        hidden = layers.Dense(250, activation="relu")(hidden)
        code = layers.Dense(options.code_dim, dtype="float32", name="code")(hidden)

        # Decoder
        height, width, maps = smallest_map
        dense_layers = [
            layers.Dense(250, activation="relu"),
            layers.Dense(height * width * maps, activation="relu"),
            layers.Reshape(smallest_map),
        ]
        output = layers.Conv2D(
            image_shape[2], 1, activation="sigmoid", dtype="float32", name="reconstruction"
        )
        steps_up = [_step_up(options) for _ in ENCODER_MAPS]
        if options.switches:
            hidden = _unpool_with_switches(code, dense_layers, steps_up, down.switches)
            return _without_decoder(image, code, output(hidden))
        return Model.from_layers(image, code, [*dense_layers, *sum(steps_up, []), output])

    def _check(self, image_shape: tuple[int, int, int], options: PoolUnpoolOptions) -> None:
        self.require_multiple(image_shape, 4)
        if options.unpooling and not options.pooling:
            raise self.error("cannot unpool what was not pooled: set unpooling=false too")
        if options.switches and not options.unpooling:
            raise self.error(
                "has switches only where it unpools: leave out `switches` or set unpooling=true"
            )
        if not options.pooling and min(image_shape[:2]) < SMALLEST_UNPOOLED:
            raise self.error(
                f"without pooling needs images of at least {SMALLEST_UNPOOLED}x"
                f"{SMALLEST_UNPOOLED}: use `size=32`"
            )


def _convolve_down(image: Any, options: PoolUnpoolOptions) -> _Down:
    from keras import layers

    down = _Down(image)
    for maps in ENCODER_MAPS:
        convolution = layers.Conv2D(maps, 9, padding=options.padding, activation="relu")
        hidden = convolution(down.output)
        if options.pooling:
            down.output = layers.MaxPooling2D(2)(hidden)
            down.switches.insert(0, _switch(hidden, down.output))
        else:
            down.output = hidden
    return down


def _switch(hidden: Any, pooled: Any) -> Any:
    """Return 1 where `hidden` holds the maximum of its window, else 0; equal values share it.

    Shape (n, 2h, 2w, c) for pooled maps of shape (n, h, w, c).
    """
    from keras import layers, ops

    return ops.cast(ops.equal(hidden, layers.UpSampling2D(2)(pooled)), hidden.dtype)


def _step_up(options: PoolUnpoolOptions) -> list[Any]:
    """Return the layers that undo one pooled convolution: unpooling and deconvolution."""
    from keras import layers

    unpools = options.pooling and options.unpooling
    strides = 2 if options.pooling and not unpools else 1
    unpooling = [layers.UpSampling2D(2)] if unpools else []
    deconvolution = layers.Conv2DTranspose(
        DECODER_MAPS, 9, strides, options.padding, activation="relu"
    )
    return [*unpooling, deconvolution]


def _unpool_with_switches(
    code: Any, dense_layers: list[Any], steps_up: list[list[Any]], switches: list[Any]
) -> Any:
    """Return the last feature map before the output."""
    from keras import layers

    hidden = code
    for layer in dense_layers:
        hidden = layer(hidden)
    for (unpool, deconvolve), switch in zip(steps_up, switches, strict=True):
        hidden = deconvolve(layers.Multiply()([unpool(hidden), switch]))
    return hidden


def _without_decoder(image: Any, code: Any, reconstruction: Any) -> Model:
    """Return a model with a decoder that needs more than the code."""
    import keras

    return Model(
        autoencoder=keras.Model(image, reconstruction, name="autoencoder"),
        encoder=keras.Model(image, code, name="encoder"),
        decoder=None,
    )
