"""A small, wide, shallow network for processors, with an embedding: the CPU's strong encoder.

It resembles the networks that hold CIFAR's speed records: few layers, strides early. A 4x4
convolution of stride 2, then pairs of 3x3 convolutions at 16x16, 8x8 and 4x4, the second of each
with a shortcut. The 8x8 map becomes the code, and the average of the last map the embedding. A
32x32 image takes 35 million multiplications at the default width.

    latentlab fit --data cifar10 --recipe strong

See reports/cifar10-strong for its figures.
"""

from dataclasses import dataclass
from typing import Any

from latentlab.encoders import towers
from latentlab.encoders.encoder import Encoder, EncoderCapabilities
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class Fast8Options(CheckedOptions):
    """Sizes of the network.

    Attributes
    ----------
    width : int
        Channels at 16x16; twice as many at 8x8, four times at 4x4 and in the embedding.
    code_channels : int
        C of the 8x8xC code, through which everything passes.
    decoder_width : int
        Channels of the decoder's last layer but one.
    """

    width: int = option(64, "Channels at 16x16.", at_least=1)
    code_channels: int = option(32, "Channels of the 8x8 code.", at_least=1)
    decoder_width: int = option(16, "Channels of the decoder.", at_least=1)


class Fast8(Encoder):
    """A small, wide, shallow network."""

    Options = Fast8Options
    capabilities = EncoderCapabilities(has_embedding=True)

    def build(self, image_shape: tuple[int, int, int], options: Fast8Options) -> Model:
        """Build the network for images with sides that are multiples of 4; codes are a quarter."""
        self.require_multiple(image_shape, 4)

        def lower(image: Any) -> Any:
            hidden = _pair(towers.centered(image), options.width, 4)
            return towers.code_of(_pair(hidden, 2 * options.width), options.code_channels)

        def top(code: Any) -> Any:
            return towers.average_embedding(_pair(code, 4 * options.width))

        return towers.build_tower(image_shape, lower, top, options.decoder_width)


def _pair(feature_map: Any, filters: int, kernel: int = 3) -> Any:
    """Return a strided convolution, and one more with a shortcut around it."""
    from keras import layers

    hidden = towers.conv(feature_map, filters, kernel, 2)
    return layers.Add()([hidden, towers.conv(hidden, filters)])
