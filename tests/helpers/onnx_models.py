"""Small ONNX networks of the kinds that people have, and hostile ones."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 16
SEED = 7
OPSET = 17
FORMAT = 9  # version of the file format


def weights(*shape, dtype=np.float32) -> np.ndarray:
    """Return random numbers, the same each time."""
    return np.random.default_rng(SEED).normal(0, 0.3, shape).astype(dtype)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def tensor(name, values) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


def save(path: Path, nodes, inputs, outputs, constants=None, metadata=None) -> Path:  # noqa: PLR0913
    """Write a network: `constants` by name, what the file says of itself in `metadata`."""
    initializers = [
        given if isinstance(given, TensorProto) else tensor(name, given)
        for name, given in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "network", inputs, outputs, initializer=initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FORMAT
    )
    helper.set_model_props(model, metadata or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def convolution(source, target="map", stride=4):
    return helper.make_node(
        "Conv", [source, "w"], [target], kernel_shape=[4, 4], strides=[stride, stride]
    )


def pooled(source="map", target="features"):
    """Return the nodes from a map (n, c, h, w) to its mean (n, c)."""
    return [
        helper.make_node("GlobalAveragePool", [source], ["mean_map"]),
        helper.make_node("Flatten", ["mean_map"], [target]),
    ]


def nchw_model(path, *, size=SIZE, batch="n", kind=np.float32, name="features", metadata=None):
    """Write a network (batch, 3, size, size) -> (batch, 6), without any scaling inside."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [convolution("pixel_values"), *pooled(target=name)]
    return save(
        path,
        nodes,
        [value("pixel_values", [batch, 3, size, size], element)],
        [value(name, [batch, 6], element)],
        {"w": weights(6, 3, 4, 4, dtype=kind)},
        metadata,
    )


def nhwc_model(path, *, size=SIZE, mean=None, kind=TensorProto.FLOAT):
    """Write a network (n, size, size, 3) -> (n, 6); with `mean` it is subtracted inside."""
    nodes = [helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2])]
    constants = {"w": weights(6, 3, 4, 4)}
    last = "first"
    if kind == TensorProto.UINT8:
        nodes.append(helper.make_node("Cast", [last], ["floats"], to=TensorProto.FLOAT))
        last = "floats"
    if mean is not None:
        nodes.append(helper.make_node("Sub", [last, "shift"], ["centred"]))
        constants["shift"] = np.float32(mean)
        last = "centred"
    nodes += [convolution(last), *pooled()]
    inputs = [value("image", ["n", size, size, 3], kind)]
    return save(path, nodes, inputs, [value("features", ["n", 6])], constants)


def token_model(path, *, extra=1, pooler=False):
    """Write a network whose output is `extra` tokens and 16 of patches, (n, extra + 16, 6)."""
    nodes = [
        convolution("pixel_values"),
        helper.make_node("Reshape", ["map", "flat"], ["lines"]),
        helper.make_node("Transpose", ["lines"], ["patches"], perm=[0, 2, 1]),
    ]
    constants = {"w": weights(6, 3, 4, 4), "flat": np.array([0, 6, -1])}
    outputs = [value("last_hidden_state", ["n", "t", 6])]
    if extra:
        nodes += [
            helper.make_node("ReduceMax", ["patches"], ["top"], axes=[1], keepdims=1),
            helper.make_node("Concat", ["top"] * extra + ["patches"], [outputs[0].name], axis=1),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["patches"], [outputs[0].name]))
    if pooler:
        nodes.append(
            helper.make_node("ReduceMean", ["patches"], ["pooler_output"], axes=[1], keepdims=0)
        )
        outputs.append(value("pooler_output", ["n", 6]))
    inputs = [value("pixel_values", ["n", 3, SIZE, SIZE])]
    return save(path, nodes, inputs, outputs, constants)


def map_model(path, *, last=False):
    """Write a network whose output is a map, (n, 6, 4, 4), or (n, 4, 4, 6) with `last`."""
    nodes = [convolution("pixel_values", "first" if last else "map")]
    if last:
        nodes.append(helper.make_node("Transpose", ["first"], ["map"], perm=[0, 2, 3, 1]))
    inputs = [value("pixel_values", ["n", 3, SIZE, SIZE])]
    shape = ["n", 4, 4, 6] if last else ["n", 6, 4, 4]
    return save(path, nodes, inputs, [value("map", shape)], {"w": weights(6, 3, 4, 4)})


def classifier(path, *, classes=1000, features=None):
    """Write a network that ends in `logits`; `features` names a second output before them."""
    nodes = [
        convolution("pixel_values"),
        *pooled(target=features or "hidden"),
        helper.make_node("Gemm", [features or "hidden", "head", "bias"], ["logits"]),
    ]
    constants = {
        "w": weights(6, 3, 4, 4),
        "head": weights(6, classes),
        "bias": weights(classes),
    }
    outputs = [value("logits", ["n", classes])]
    if features:
        outputs.append(value(features, ["n", 6]))
    return save(path, nodes, [value("pixel_values", ["n", 3, SIZE, SIZE])], outputs, constants)


def external(name, location, shape=(6, 3, 4, 4), **more) -> TensorProto:
    """Return a float32 tensor whose numbers lie in the file `location`."""
    result = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    result.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **more}.items():
        result.external_data.add(key=key, value=str(text))
    return result


def external_model(path, location, **more):
    """Write a network whose weights lie in the file `location`."""
    nodes = [convolution("pixel_values"), *pooled()]
    inputs = [value("pixel_values", ["n", 3, SIZE, SIZE])]
    constants = {"w": external("w", location, **more)}
    return save(path, nodes, inputs, [value("features", ["n", 6])], constants)


def edited(path: Path, change) -> Path:
    """Change a network that was written: `change` gets the model."""
    model = onnx.load(path, load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def write_config(folder: Path, **values) -> None:
    """Write a `preprocessor_config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(values), encoding="utf-8")
