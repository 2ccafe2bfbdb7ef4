"""Values inside an ONNX network as its output: the features of a file that gives only scores."""

import dataclasses

import onnx

from latentlab.encoders.pretrained.onnx_structure import OnnxStructure

LAYERS = {"Gemm", "MatMul", "Conv"}
BEHIND = {  # what may follow the layer that makes scores of features
    "Add",
    "Cast",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "LogSoftmax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Squeeze",
}


def is_inner(structure: OnnxStructure, name: str) -> bool:
    """Return whether a value inside the network has this name, and can be made its output.

    Parameters
    ----------
    structure : OnnxStructure
        The file.
    name : str
        The name.
    """
    graph = structure.model.graph
    is_output = any(output.name == name for output in graph.output)
    # A changed network is handed over in memory, where data in other files is not found.
    is_whole = len(structure.files) == 1
    return is_whole and not is_output and any(name in node.output for node in graph.node)


def with_output(structure: OnnxStructure, name: str) -> OnnxStructure:
    """Return the file with a value inside it as its only output; it stops there.

    Parameters
    ----------
    structure : OnnxStructure
        The file.
    name : str
        The value.
    """
    model = onnx.ModelProto()
    model.CopyFrom(structure.model)
    del model.graph.output[:]
    model.graph.output.add(name=name)
    return dataclasses.replace(structure, model=model, content=model.SerializeToString())


def before_last_layer(structure: OnnxStructure, name: str) -> str | None:
    """Return the value of which the last layer makes an output; None if there is no such layer.

    Parameters
    ----------
    structure : OnnxStructure
        The file.
    name : str
        The output.
    """
    graph = structure.model.graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    while name in makers:
        node = makers.pop(name)
        sources = [source for source in node.input if source not in constants]
        if len(sources) != 1 or node.op_type not in LAYERS | BEHIND:
            return None
        name = sources[0]
        if node.op_type in LAYERS:
            return name if is_inner(structure, name) else None
    return None
