"""EfficientNet-Lite0 from its published weights: as a Keras network and as an ONNX graph.

Tan and Le, arXiv 1905.11946; the Lite variant has no squeeze-and-excitation and clips at 6. Each
convolution takes its batch normalisation in: the network does the same in training as without, and
both forms give the same features.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras
    import onnx

SIZE = 224  # pixels, of the images that it was trained on
STRIDE = 32  # pixels of the image for one cell of the last map
FEATURE_SIZE = 1280
MEAN, STD = 127.0, 128.0  # of pixel values from 0 to 255
OUTPUT = "features"
_EPSILON = 1e-3  # of its batch normalisation
_OPSET = 17
_IR_VERSION = 8  # that belongs to this opset: any ONNX Runtime of these years reads it


@dataclass(frozen=True)
class _Stage:
    """A row of the network's published table: blocks of one kind."""

    blocks: int
    kernel: int
    stride: int  # of its first block
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 16),
    _Stage(2, 3, 2, 24),
    _Stage(2, 5, 2, 40),
    _Stage(3, 3, 2, 80),
    _Stage(3, 5, 1, 112),
    _Stage(4, 5, 2, 192),
    _Stage(1, 3, 1, 320),
)


@dataclass(frozen=True)
class Convolution:
    """A convolution with its batch normalisation taken in.

    Attributes
    ----------
    name : str
        Name of the layer.
    kernel : ndarray of shape (filters, channels, height, width), float32
        Of a depthwise one, channels is 1.
    bias : ndarray of shape (filters,), float32
    stride : int
        Pixels from one cell of the result to the next.
    is_clipped : bool
        Whether the result is clipped to 0..6.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray
    stride: int
    is_clipped: bool

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a kernel of its own."""
        return self.kernel.shape[1] == 1


@dataclass(frozen=True)
class Block:
    """Convolutions in a row.

    Attributes
    ----------
    convolutions : tuple of Convolution
        In order.
    adds_input : bool
        Whether its input is added to its result.
    """

    convolutions: tuple[Convolution, ...]
    adds_input: bool = False


def blocks_of(tensors: dict[str, np.ndarray]) -> tuple[Block, ...]:
    """Return the network that the published tensors describe, up to its last map.

    Parameters
    ----------
    tensors : dict of str to ndarray
        By their names in the file of weights.
    """
    stem = _folded(tensors, "_conv_stem", "_bn0", stride=2)
    head = _folded(tensors, "_conv_head", "_bn1")
    return Block((stem,)), *_middle_blocks(tensors), Block((head,))


def _middle_blocks(tensors: dict[str, np.ndarray]) -> Iterator[Block]:
    number = 0
    for stage in _STAGES:
        for i in range(stage.blocks):
            stride = stage.stride if i == 0 else 1
            yield _inverted_block(tensors, f"_blocks.{number}", stride, adds_input=i > 0)
            number += 1


def _inverted_block(
    tensors: dict[str, np.ndarray], name: str, stride: int, adds_input: bool
) -> Block:
    """Return a block that widens its input, filters each channel and narrows the result."""
    convolutions = []
    if f"{name}._expand_conv.weight" in tensors:
        convolutions.append(_folded(tensors, f"{name}._expand_conv", f"{name}._bn0"))
    convolutions += [
        _folded(tensors, f"{name}._depthwise_conv", f"{name}._bn1", stride),
        _folded(tensors, f"{name}._project_conv", f"{name}._bn2", is_clipped=False),
    ]
    return Block(tuple(convolutions), adds_input)


def _folded(
    tensors: dict[str, np.ndarray],
    name: str,
    norm: str,
    stride: int = 1,
    is_clipped: bool = True,
) -> Convolution:
    """Return the convolution `name` with its batch normalisation `norm` taken in."""
    kernel = tensors[f"{name}.weight"]
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + _EPSILON)
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
    layer = name.strip("_").replace("._", "_").replace(".", "_")
    return Convolution(layer, kernel * scale[:, None, None, None], bias, stride, is_clipped)


def as_keras(blocks: Sequence[Block], size: int = SIZE) -> "keras.Model":
    """Return the network in Keras, float32 images (n, size, size, 3) in [0, 1] -> features.

    Parameters
    ----------
    blocks : sequence of Block
        The network.
    size : int
        Height and width of the images in pixels.
    """
    import keras

    image = keras.Input((size, size, 3), name="image")
    x = keras.layers.Rescaling(255 / STD, -MEAN / STD, name="scaled")(image)
    for block in blocks:
        start = x
        for convolution in block.convolutions:
            x = _keras_layer(convolution)(x)
            if convolution.is_clipped:
                x = keras.layers.ReLU(6.0, name=f"{convolution.name}_clipped")(x)
        if block.adds_input:
            x = keras.layers.Add(name=f"{convolution.name}_added")([start, x])
    # The mean is taken in float32 also where the maps are narrower.
    features = keras.layers.GlobalAveragePooling2D(name=OUTPUT, dtype="float32")(x)
    network = keras.Model(image, features, name="efficientnet_lite0")
    network.set_weights([array for block in blocks for array in _keras_weights(block)])
    return network


def _keras_layer(convolution: Convolution) -> Any:
    import keras

    filters, _, height, width = convolution.kernel.shape
    common = {"strides": convolution.stride, "padding": "same", "name": convolution.name}
    if convolution.is_depthwise:
        return keras.layers.DepthwiseConv2D((height, width), **common)
    return keras.layers.Conv2D(filters, (height, width), **common)


def _keras_weights(block: Block) -> Iterator[np.ndarray]:
    for convolution in block.convolutions:
        order = (2, 3, 0, 1) if convolution.is_depthwise else (2, 3, 1, 0)
        yield convolution.kernel.transpose(order)
        yield convolution.bias


def as_onnx(blocks: Sequence[Block], size: int = SIZE) -> "onnx.ModelProto":
    """Return the network as an ONNX graph, uint8 images (n, size, size, 3) -> features.

    Parameters
    ----------
    blocks : sequence of Block
        The network.
    size : int
        Height and width of the images in pixels.
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    x = graph.add("Cast", ["image"], to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.add("Sub", [x, graph.constant("mean", MEAN)])
    x = graph.add("Div", [x, graph.constant("std", STD)])
    limits = [graph.constant("least", 0.0), graph.constant("most", 6.0)]
    for block in blocks:
        start = x
        for convolution in block.convolutions:
            x = _onnx_convolution(graph, convolution, x)
            if convolution.is_clipped:
                x = graph.add("Clip", [x, *limits])
        if block.adds_input:
            x = graph.add("Add", [start, x])
    x = graph.add("GlobalAveragePool", [x])
    graph.add("Flatten", [x], output=OUTPUT)
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, 3])
    features = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", FEATURE_SIZE])
    made = helper.make_graph(
        graph.nodes, "efficientnet_lite0", [image], [features], graph.constants
    )
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION)


class _Graph:
    """Nodes and constants of an ONNX graph that is being made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add one node; return the name of its output."""
        from onnx import helper

        output = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, value: Any) -> str:
        """Add an array or number as float32; return its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name


def _onnx_convolution(graph: _Graph, convolution: Convolution, x: str) -> str:
    kernel = graph.constant(f"{convolution.name}_kernel", convolution.kernel)
    bias = graph.constant(f"{convolution.name}_bias", convolution.bias)
    return graph.add(
        "Conv",
        [x, kernel, bias],
        kernel_shape=convolution.kernel.shape[2:],
        strides=[convolution.stride] * 2,
        group=len(convolution.kernel) if convolution.is_depthwise else 1,
        auto_pad="SAME_UPPER",
    )
