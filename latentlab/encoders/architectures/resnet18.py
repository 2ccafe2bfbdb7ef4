"""ResNet-18 with the stem for small images (He et al., CVPR 2016; 3x3, no pooling); its third stage gives the 8x8 code.

The fourth stage and the average above it give the embedding. The strong encoder where there is a GPU; 0.56 billion
multiplications for a 32x32 image, which a processor is too slow for.

    latentlab fit --data cifar10 --recipe strong
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
        Channels of the first stage, 64 in the paper; twice, four and eight times as many in the others.
    code_channels : int
        C of the 8x8xC code; 0 takes the third stage's map as it is, 4 width channels.
    decoder_width : int
        Channels of the decoder's last layer but one.
    """

    width: int = 64
    code_channels: int = 32
    decoder_width: int = 32


def build(image_shape: tuple[int, int, int], options: Options) -> Model:
    """Build the network for (height, width, channels), both sides multiples of 4; the code is a quarter of each side."""
    from keras import layers

    require_multiple("resnet18", image_shape, 4)

    def block(x: Any, filters: int, strides: int) -> Any:
        inner = towers.conv(towers.conv(x, filters, 3, strides), filters, activation=None)
        short = (
            x
            if strides == 1 and x.shape[-1] == filters
            else towers.conv(x, filters, 1, strides, activation=None)
        )
        return layers.Activation("relu")(layers.Add()([inner, short]))

    def stage(x: Any, filters: int, strides: int) -> Any:
        return block(block(x, filters, strides), filters, 1)

    def lower(image: Any) -> Any:
        x = stage(towers.conv(towers.centered(image), options.width), options.width, 1)
        x = stage(stage(x, 2 * options.width, 2), 4 * options.width, 2)
        return (
            towers.code_of(x, options.code_channels)
            if options.code_channels
            else layers.Activation("linear", dtype="float32", name="code")(x)
        )

    def top(code: Any) -> Any:
        return layers.GlobalAveragePooling2D(dtype="float32", name="embedding")(
            stage(code, 8 * options.width, 2)
        )

    return towers.assemble(image_shape, lower, top, options.decoder_width)
