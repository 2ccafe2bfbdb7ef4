"""Which input of an ONNX file takes pictures, and how: from the file, its settings, or the user."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from latentlab.encoders.pretrained.card import SCALES, EncoderSettings, Preprocessing
from latentlab.encoders.pretrained.onnx_structure import OnnxStructure, printable, refused
from latentlab.encoders.pretrained.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LARGEST_SIZE,
    PictureConfig,
)
from latentlab.errors import ConfigError

RANK = 4
CHANNELS = (3, 1)  # colours first: a batch or an edge may be 1
DEFAULT_SIZE = 224  # pixels; of most encoders trained with ImageNet
TYPES: dict[int, np.dtype[Any]] = {
    onnx.TensorProto.FLOAT: np.dtype(np.float32),
    onnx.TensorProto.FLOAT16: np.dtype(np.float16),
    onnx.TensorProto.DOUBLE: np.dtype(np.float64),
    onnx.TensorProto.UINT8: np.dtype(np.uint8),
}

# A network that begins with one of these scales its input itself. Its constants say from what.
PASSES_ON = {"Cast", "Gather", "Identity", "Pad", "Reshape", "Resize", "Transpose"}
SHIFTS = {"Sub", "Add"}
DIVISIONS = {"Div", "Mul"}
MOST_CONSTANTS = 3  # one per channel
LARGEST_SHIFT = 2.0  # a mean of values from -1 to 1 is below
LARGEST_DIVISOR = 10.0  # a standard deviation of such values is below


@dataclass(frozen=True)
class ImageInput:
    """The input that takes pictures.

    Attributes
    ----------
    name : str
        Its name in the file.
    dtype : dtype
        Of its numbers.
    batch : int or None
        Pictures that it takes at once; None if that is free.
    size : int or None
        Height and width in pixels; None if they are free.
    layout : {"nhwc", "nchw"}
        Where the channels are.
    channels : {1, 3}
        Their number.
    assumed : tuple of str
        What the file does not say.
    """

    name: str
    dtype: np.dtype[Any]
    batch: int | None
    size: int | None
    layout: str
    channels: int
    assumed: tuple[str, ...] = ()


Shape = list[int | str]  # a number, or the name of an edge that is free


def image_input(structure: OnnxStructure, layout: str | None = None) -> ImageInput:
    """Return the input that takes pictures.

    Parameters
    ----------
    structure : OnnxStructure
        The file.
    layout : {"nhwc", "nchw"} or None
        Where the user says that the channels are.

    Raises
    ------
    DataError
        If there is no such input, or others besides it.
    """
    path = structure.path
    filled = {tensor.name for tensor in structure.model.graph.initializer}
    inputs = [entry for entry in structure.model.graph.input if entry.name not in filled]
    pictures = [entry for entry in inputs if len(_shape(entry)) == RANK]
    if not pictures:
        listed = ", ".join(map(_described, inputs)) or "none"
        raise refused(
            path,
            f"takes no pictures: none of its inputs has 4 axes ({listed})",
            "Take the file of an image encoder.",
        )
    if len(inputs) > 1:
        listed = ", ".join(map(_described, inputs))
        raise refused(
            path,
            f"takes more than pictures ({listed})",
            "Take the file of its image part alone, such as vision_model.onnx.",
        )
    return _read_input(structure, pictures[0], layout)


def _read_input(
    structure: OnnxStructure, entry: onnx.ValueInfoProto, layout: str | None
) -> ImageInput:
    shape = _shape(entry)
    dtype = _dtype(structure, entry)
    place, channels = _channels(shape, layout)
    assumed: tuple[str, ...] = ()
    if channels is None:
        channels = CHANNELS[0]
        assumed = (f"layout {place}, {channels} channels: the file leaves its shape free",)
    if channels not in CHANNELS:
        raise refused(
            structure.path,
            f"takes no pictures of 3 or 1 channels: {_described(entry)}",
            "Take an encoder of colour or grey pictures.",
        )
    return ImageInput(
        name=entry.name,
        dtype=dtype,
        batch=shape[0] if isinstance(shape[0], int) else None,
        size=_edge(structure, entry, place),
        layout=place,
        channels=channels,
        assumed=assumed,
    )


def _dtype(structure: OnnxStructure, entry: onnx.ValueInfoProto) -> np.dtype[Any]:
    """Return the type of an input's numbers; DataError if pictures cannot be given so."""
    element = entry.type.tensor_type.elem_type
    if element not in TYPES:
        raise refused(
            structure.path,
            f"takes pictures in a type that latentlab does not give ({_described(entry)})",
            "Export it with float32, float16 or uint8.",
        )
    return TYPES[element]


def _edge(structure: OnnxStructure, entry: onnx.ValueInfoProto, layout: str) -> int | None:
    """Return an input's height and width, None if free; DataError if it is not square."""
    shape = _shape(entry)
    edges = shape[1:3] if layout == "nhwc" else shape[2:4]
    sizes = {edge for edge in edges if isinstance(edge, int)}
    if len(sizes) > 1:
        raise refused(
            structure.path,
            f"takes pictures that are not square: {_described(entry)}",
            "Take an encoder of square pictures.",
        )
    return next(iter(sizes), None)


def _shape(entry: onnx.ValueInfoProto) -> Shape:
    """Return the edges of an input or output; [] if its rank is not known."""
    edges = entry.type.tensor_type.shape.dim
    return [edge.dim_value if edge.dim_value > 0 else edge.dim_param for edge in edges]


def _described(entry: onnx.ValueInfoProto) -> str:
    element = onnx.TensorProto.DataType.Name(entry.type.tensor_type.elem_type).lower()
    edges = ", ".join(str(edge or "?") for edge in _shape(entry))
    return printable(f"{entry.name}: {element} ({edges})")


def _channels(shape: Shape, layout: str | None) -> tuple[str, int | None]:
    """Return the layout and the number of channels; None for a number that is free."""
    places = {"nchw": shape[1], "nhwc": shape[3]}
    if layout:
        edge = places[layout]
        return layout, edge if isinstance(edge, int) else None
    for channels in CHANNELS:
        for place, edge in places.items():
            if edge == channels:
                return place, channels
    for place, edge in places.items():
        if isinstance(edge, str) and edge.lower().startswith(("c", "num_c", "chan")):
            return place, None
    edge = places["nchw"]
    return "nchw", edge if isinstance(edge, int) else None


def settle(
    structure: OnnxStructure,
    entry: ImageInput,
    config: PictureConfig | None,
    settings: EncoderSettings,
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return how pictures become the input, and what of it is assumed beyond its shape.

    Given settings come first, then those of the file beside the model, then what the network
    shows, then defaults.

    Parameters
    ----------
    structure : OnnxStructure
        The file.
    entry : ImageInput
        Its input.
    config : PictureConfig or None
        The settings beside the file.
    settings : EncoderSettings
        What the user gives.
    """
    size, size_notes = _size(structure, entry, config, settings)
    values, value_notes = _values(structure, entry, config, settings)
    scale, mean, std = values
    preprocessing = Preprocessing(
        size=size,
        scale=scale,
        mean=_per_channel(mean, entry.channels, "mean"),
        std=_per_channel(std, entry.channels, "std"),
        colours=settings.colours or (config.colours if config else "rgb"),
        layout=entry.layout,
        channels=entry.channels,
    )
    return preprocessing, (*size_notes, *value_notes)


def _size(
    structure: OnnxStructure,
    entry: ImageInput,
    config: PictureConfig | None,
    settings: EncoderSettings,
) -> tuple[int, list[str]]:
    if entry.size is not None:
        if settings.size not in (None, entry.size):
            raise ConfigError(
                f": the encoder takes {entry.size} pixels only", field="size", value=settings.size
            )
        if entry.size > LARGEST_SIZE:
            raise refused(
                structure.path,
                f"takes pictures of {entry.size:,} pixels, at most {LARGEST_SIZE:,}",
                "Take an encoder of smaller pictures.",
            )
        return entry.size, _crop_notes(config) if config and config.size == entry.size else []
    if settings.size is not None:
        return settings.size, []
    if config and config.size:
        return config.size, _crop_notes(config)
    return DEFAULT_SIZE, [f"size {DEFAULT_SIZE}: the file takes any"]


def _crop_notes(config: PictureConfig) -> list[str]:
    """Return a note where a picture's border would be cut off; latentlab takes a whole square."""
    if config.resized is None:
        return []
    return [f"whole squares, where {config.path.name} cuts {config.size} of {config.resized} out"]


Values = tuple[float, tuple[float, ...], tuple[float, ...]]  # factor, mean, standard deviation


def _values(
    structure: OnnxStructure,
    entry: ImageInput,
    config: PictureConfig | None,
    settings: EncoderSettings,
) -> tuple[Values, list[str]]:
    means, stds = settings.means(), settings.stds()
    is_given = settings.scale or means is not None or stds is not None
    if entry.dtype == np.uint8:
        if is_given:
            raise ConfigError(
                ": the encoder takes whole numbers from 0 to 255 as they are",
                field=_first_given_field(settings),
            )
        return (1.0, (), ()), []
    base, notes = _values_of_files(structure, entry, config)
    if not is_given:
        return base, notes
    if config is None:  # what is given replaces a default as a whole
        base = _range_of(means, stds)
    scale, mean, std = base
    if settings.scale:
        scale, offset = SCALES[settings.scale]
        mean = means if means is not None else mean
        mean = tuple(number + offset for number in mean or ((0.0,) if offset else ()))
    elif means is not None:
        mean = means
    return (scale, mean, std if stds is None else stds), []


def _first_given_field(settings: EncoderSettings) -> str:
    """Return the first that is given: the scale, the mean or the standard deviation."""
    if settings.scale:
        return "scale"
    if settings.mean is not None:
        return "mean"
    return "std"


def _range_of(means: tuple[float, ...] | None, stds: tuple[float, ...] | None) -> Values:
    """Return the range that a mean and a standard deviation speak of, and neither of them."""
    is_large = max(map(abs, means or (0.0,))) > LARGEST_SHIFT
    is_large = is_large or max(stds or (0.0,)) > LARGEST_DIVISOR
    return (1.0 if is_large else 1 / 255), (), ()


def _values_of_files(
    structure: OnnxStructure, entry: ImageInput, config: PictureConfig | None
) -> tuple[Values, list[str]]:
    inside = scaling_inside(structure.model, entry.name)
    if config:
        notes = [] if inside is None else [f"{config.path.name}, though the network scales itself"]
        return (config.scale, config.mean, config.std), notes
    if inside is not None:
        scale, offset = SCALES[inside]
        return (scale, (offset,) if offset else (), ()), []
    if entry.layout == "nhwc":
        return (1.0, (), ()), ["values 0 to 255, as usual with channels last"]
    if entry.channels == 1:
        return (1 / 255, (), ()), ["values 0 to 1"]
    return (1 / 255, IMAGENET_MEAN, IMAGENET_STD), ["mean and std of ImageNet"]


def _per_channel(numbers: tuple[float, ...], channels: int, name: str) -> tuple[float, ...]:
    if len(numbers) in (0, channels):
        return numbers
    if len(numbers) == 1:
        return numbers * channels
    raise ConfigError(
        f"has {len(numbers)} numbers, and the encoder takes grey pictures",
        field=name,
        hint=f"Give `{name}` with one.",
    )


def scaling_inside(model: onnx.ModelProto, name: str) -> str | None:
    """Return the range of values that a network expects, as its first operators show.

    Parameters
    ----------
    model : onnx.ModelProto
        The network.
    name : str
        Its input.

    Returns
    -------
    {"0-255", "0-1"} or None
        None if it does not begin with a subtraction, or a multiplication, of constants.
    """
    constants = _small_constants(model)
    for node in _first_nodes(model, name):
        values = [constants[source] for source in node.input if source in constants]
        if node.op_type in SHIFTS | DIVISIONS and len(values) == 1:
            return _range_by(node.op_type, np.abs(values[0]))
    return None


def _first_nodes(model: onnx.ModelProto, name: str) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that follow an input one by one, while they only pass values on."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for source in node.input:
            users.setdefault(source, []).append(node)
    while len(users.get(name, [])) == 1:
        node = users[name][0]
        yield node
        if node.op_type not in PASSES_ON or not node.output:
            return
        users.pop(name)  # each value is passed once, also in a broken file with a circle
        name = node.output[0]


def _small_constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the constants of one number, or one per channel."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output and node.attribute:
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: onnx.numpy_helper.to_array(tensor).ravel().astype(np.float64)
        for name, tensor in tensors.items()
        if tensor.data_type in TYPES
        and not tensor.external_data
        and 0 < int(np.prod(tensor.dims, dtype=np.float64)) <= MOST_CONSTANTS
    }


def _range_by(operator: str, values: np.ndarray) -> str:
    if operator in SHIFTS:
        return "0-255" if values.max() > LARGEST_SHIFT else "0-1"
    divisors = values if operator == "Div" else 1 / np.maximum(values, np.finfo(float).tiny)
    return "0-255" if divisors.max() > LARGEST_DIVISOR else "0-1"


def with_batch(entry: ImageInput, batch: int, note: str) -> ImageInput:
    """Return `entry` with a fixed `batch`, and a `note` that says why."""
    return dataclasses.replace(entry, batch=batch, assumed=(*entry.assumed, note))
