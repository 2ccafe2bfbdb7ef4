"""ResNet-18 with the stem for small images, and an embedding: the GPU's strong encoder.

He et al., CVPR 2016; the stem is a 3x3 convolution without pooling. The third stage gives the 8x8
code, the fourth stage and the average above it the embedding. A 32x32 image takes 0.56 billion
multiplications, for which a processor is too slow.

    latentlab fit --data cifar10 --recipe strong
"""

from dataclasses import dataclass
from typing import Any

from latentlab.encoders import towers
from latentlab.encoders.encoder import Encoder, EncoderCapabilities
from latentlab.encoders.model import Model
from latentlab.options import CheckedOptions, option


@dataclass(frozen=True)
class ResNet18Options(CheckedOptions):
    """Sizes of the network.

    Attributes
    ----------
    width : int
        Channels of the first stage, 64 in the paper; two, four and eight times as many after it.
    code_channels : int
        C of the 8x8xC code; 0 takes the third stage's map as it is, with 4 x `width` channels.
    decoder_width : int
        Channels of the decoder's last layer but one.
    """

    width: int = option(64, "Channels of the first stage.", at_least=1)
    code_channels: int = option(32, "Channels of the 8x8 code; 0: all.", at_least=0)
    decoder_width: int = option(32, "Channels of the decoder.", at_least=1)


class ResNet18(Encoder):
    """ResNet-18 for small images."""

    Options = ResNet18Options
    capabilities = EncoderCapabilities(has_embedding=True)

    def build(self, image_shape: tuple[int, int, int], options: ResNet18Options) -> Model:
        """Build the network for images with sides that are multiples of 4; codes are a quarter."""
        self.require_multiple(image_shape, 4)
        width = options.width

        def lower(image: Any) -> Any:
            hidden = _stage(towers.conv(towers.centered(image), width), width, 1)
            hidden = _stage(hidden, 2 * width, 2)
            return _code(_stage(hidden, 4 * width, 2), options.code_channels)

        def top(code: Any) -> Any:
            return towers.average_embedding(_stage(code, 8 * width, 2))

        return towers.build_tower(image_shape, lower, top, options.decoder_width)


def _stage(feature_map: Any, filters: int, strides: int) -> Any:
    return _block(_block(feature_map, filters, strides), filters, 1)


def _block(feature_map: Any, filters: int, strides: int) -> Any:
    """Return two convolutions with a shortcut, which is a 1x1 convolution if the shape changes."""
    from keras import layers

    hidden = towers.conv(feature_map, filters, 3, strides)
    hidden = towers.conv(hidden, filters, activation=None)
    if strides == 1 and feature_map.shape[-1] == filters:
        shortcut = feature_map
    else:
        shortcut = towers.conv(feature_map, filters, 1, strides, activation=None)
    return layers.Activation("relu")(layers.Add()([hidden, shortcut]))


def _code(feature_map: Any, code_channels: int) -> Any:
    from keras import layers

    if code_channels:
        return towers.code_of(feature_map, code_channels)
    return layers.Activation("linear", dtype="float32", name="code")(feature_map)
