"""How much arithmetic a network does: the multiply-adds of its convolutions and dense layers, counted from their shapes.

What else it does (normalisation, activations, resizing) is left out, as in published figures of model FLOPs; so are separable
convolutions and attention, which no encoder here has.
"""

import math
from typing import Any

PASSES = 3  # of training: forwards, and the gradients of inputs and of weights, each as much arithmetic as forwards
OPERATIONS = 2  # in a multiply-add


def training_flops(forward: int) -> int:
    """Return the operations of training on what takes `forward` multiply-adds to pass through."""
    return PASSES * OPERATIONS * forward


def multiply_adds(model: Any, shape: tuple[int, ...]) -> int:
    """Return the multiply-adds of one forward pass of a functional or sequential Keras model over one input of `shape`, without the batch's axis.

    Models inside it are counted too. The model itself is not touched: a copy of it is built for these shapes.
    """
    import keras

    found = 0

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        nonlocal found
        outputs = layer(*inputs, **options)
        if isinstance(layer, keras.Model):
            found += multiply_adds(layer, tuple(inputs[0].shape[1:]))
        elif isinstance(
            layer, keras.layers.Conv2DTranspose
        ):  # every input, not every output, meets the whole kernel
            found += math.prod(inputs[0].shape[1:3]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D):
            found += math.prod(outputs.shape[1:3]) * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            found += math.prod(outputs.shape[1:-1]) * math.prod(layer.kernel.shape)
        return outputs

    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    keras.models.clone_model(model, input_tensors=keras.Input(shape), call_function=call)
    return found
