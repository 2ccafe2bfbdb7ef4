"""How much arithmetic a network does, counted from the shapes of its layers.

Only the multiply-adds of convolutions and dense layers are counted, as in published figures of
model FLOPs: no normalisation, activation or resizing. Separable convolutions and attention, which
no encoder here has, are not counted either.
"""

import math
from typing import Any

PASSES = 3  # of a training step: forward, gradients of inputs, gradients of weights
OPERATIONS_PER_MULTIPLY_ADD = 2


def training_flops(forward: int) -> int:
    """Return the FLOPs of one training step.

    Parameters
    ----------
    forward : int
        Multiply-adds of the network's forward pass.

    Returns
    -------
    int

    Examples
    --------
    >>> training_flops(100)
    600
    """
    return PASSES * OPERATIONS_PER_MULTIPLY_ADD * forward


def multiply_adds(model: Any, shape: tuple[int, ...]) -> int:
    """Return the multiply-adds of one forward pass.

    Models inside the model are counted too. The model is not touched: where it takes images of any
    size, a copy is built for these shapes.

    Parameters
    ----------
    model : keras.Model
        A functional or sequential model.
    shape : tuple of int
        Shape of one input, without the batch's axis.

    Returns
    -------
    int
    """
    import keras

    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    if tuple(model.input_shape[1:]) == tuple(shape) and None not in shape:
        return _multiply_adds_as_built(model)
    counts = []

    def call_and_count(layer: Any, *inputs: Any, **options: Any) -> Any:
        outputs = layer(*inputs, **options)
        counts.append(_multiply_adds_of_layer(layer, inputs[0], outputs))
        return outputs

    keras.models.clone_model(model, input_tensors=keras.Input(shape), call_function=call_and_count)
    return sum(counts)


def _multiply_adds_as_built(model: Any) -> int:
    """Return the multiply-adds of a functional model for the shapes that it was built with."""
    total = 0
    for nodes in model._nodes_by_depth.values():
        for node in nodes:
            if node.input_tensors:
                inputs, outputs = node.input_tensors[0], node.outputs[0]
                total += _multiply_adds_of_layer(node.operation, inputs, outputs)
    return total


def _multiply_adds_of_layer(layer: Any, inputs: Any, outputs: Any) -> int:
    import keras

    if isinstance(layer, keras.Model):
        return multiply_adds(layer, tuple(inputs.shape[1:]))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        # Every pixel of the input, not of the output, meets the whole kernel.
        return math.prod(inputs.shape[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(outputs.shape[1:3]) * math.prod(layer.kernel.shape)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(outputs.shape[1:-1]) * math.prod(layer.kernel.shape)
    return 0
