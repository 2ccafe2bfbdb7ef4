"""A small, wide, shallow network for processors: 32x32 to an 8x8xC code, and an embedding above it. The CPU's strong encoder.

In the manner of the networks that hold CIFAR's speed records (few layers, strides early): a 4x4 convolution of stride 2,
then pairs of 3x3 convolutions at 16x16, 8x8 and 4x4, the second of each with a shortcut; the embedding is the last map's
average. 35 million multiplications for a 32x32 image with the default width.

    latentlab fit --data cifar10 --recipe strong

See reports/cifar10-strong for its figures.
"""

from dataclasses import dataclass
from typing import Any

from latentlab.encoders import towers
from latentlab.encoders.networks import Model, require_multiple


@dataclass(frozen=True)
class Options:
    """Sizes of the network.

    Attributes
    ----------
    width : int
        Channels at 16x16; twice as many at 8x8, four times at 4x4, which is the embedding's size too.
    code_channels : int
        C of the 8x8xC code, through which everything passes.
    decoder_width : int
        Channels of the decoder's last layer but one.
    """

    width: int = 64
    code_channels: int = 32
    decoder_width: int = 16


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides multiples of 4; the code is a quarter of each side."""
    from keras import layers

    require_multiple("fast8", image_shape, 4)

    def pair(x: Any, filters: int, kernel: int = 3) -> Any:
        x = towers.conv(x, filters, kernel, 2)
        return layers.Add()([x, towers.conv(x, filters)])

    def lower(image: Any) -> Any:
        x = pair(towers.centered(image), options.width, 4)
        return towers.code_of(pair(x, 2 * options.width), options.code_channels)

    def top(code: Any) -> Any:
        return layers.GlobalAveragePooling2D(dtype="float32", name="embedding")(
            pair(code, 4 * options.width)
        )

    return towers.assemble(image_shape, lower, top, options.decoder_width)
