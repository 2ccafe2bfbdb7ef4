"""Faster kernels for Keras layers in training, for TensorFlow on a processor.

The results are the same within rounding. Keras builds batch normalisation of some ten elementwise
operations, each a pass over the map. TensorFlow has one kernel for it, and grappler joins it with
the activation. oneDNN's gradient of a convolution's kernel in bfloat16 is slow on small maps, where
one matrix product for each of the kernel's cells is faster. On other devices and backends XLA does
as well by itself.

    scripts/benchmark_kernels.py    measures the gain
"""

from types import MethodType
from typing import Any

from latentlab import backend

LARGEST_SIDE = 5  # of a map, in pixels: on larger ones oneDNN is faster
FEWEST_CHANNELS = 64


def hasten(*networks: Any) -> None:
    """Give the layers of Keras models these kernels, where they help.

    The layers stay Keras' own, so that they are saved as ever. Maps have their channels last. A
    mask, or batch normalisation that is not trained, is left to Keras.

    Parameters
    ----------
    *networks : keras.Model
        Their layers are changed in place.
    """
    if backend.current() != "tensorflow" or backend.on_gpu():
        return
    for network in networks:
        for layer in network.layers:
            _hasten_layer(layer)


def _hasten_layer(layer: Any) -> None:
    from keras import layers

    if isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) == 4:
        layer.call = MethodType(_normalize, layer)
    if isinstance(layer, layers.Conv2D) and _keeps_size(layer):
        layer.convolution_op = MethodType(_convolve, layer)


def _keeps_size(layer: Any) -> bool:
    """Return whether a convolution has stride 1, and a kernel with a middle cell."""
    has_middle = all(side % 2 == 1 for side in layer.kernel_size)
    return layer.strides == (1, 1) and layer.padding == "same" and has_middle


def _normalize(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """Be `keras.layers.BatchNormalization.call` for maps (n, height, width, channels)."""
    if mask is not None or not (training and layer.trainable):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    nothing = tf.zeros(0)
    result = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=nothing,
        variance=nothing,
        epsilon=layer.epsilon,
        is_training=True,
    )
    # TensorFlow gives the unbiased variance, Keras averages the biased one.
    size = tf.cast(tf.size(inputs[..., 0]), tf.float32)
    variance = result.batch_variance * (size - 1) / size
    _move_average(layer.moving_mean, result.batch_mean, layer.momentum)
    _move_average(layer.moving_variance, variance, layer.momentum)
    return result.y


def _move_average(average: Any, value: Any, momentum: float) -> None:
    average.assign(average * momentum + value * (1.0 - momentum))


def _convolve(layer: Any, inputs: Any, kernel: Any) -> Any:
    """Be `keras.layers.Conv2D.convolution_op` for stride 1."""
    import tensorflow as tf

    if inputs.dtype == tf.bfloat16 and _is_small(inputs):
        return _convolve_small(inputs, tf.convert_to_tensor(kernel))
    return type(layer).convolution_op(layer, inputs, kernel)


def _is_small(maps: Any) -> bool:
    _, height, width, channels = maps.shape
    if height is None or width is None:
        return False
    return max(height, width) <= LARGEST_SIDE and channels >= FEWEST_CHANNELS


def _convolve_small(inputs: Any, kernel: Any) -> Any:
    """Convolve; the kernel's gradient is one matrix product for each of its cells."""
    import tensorflow as tf

    @tf.custom_gradient
    def convolve(x: Any, w: Any) -> tuple[Any, Any]:
        def gradient(dy: Any) -> tuple[Any, Any]:
            dx = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(x),
                filter=w,
                out_backprop=dy,
                strides=[1, 1, 1, 1],
                padding="SAME",
            )
            return dx, _kernel_gradient(x, w.shape, dy)

        return tf.nn.conv2d(x, w, 1, "SAME"), gradient

    return convolve(inputs, kernel)


def _kernel_gradient(x: Any, shape: Any, dy: Any) -> Any:
    """Return the gradient of a convolution's kernel, of `shape` (rows, columns, c, filters).

    `x` are the maps (n, h, w, c), `dy` is the gradient of its result (n, h, w, filters).
    """
    import tensorflow as tf

    rows, columns, channels, filters = shape
    _, height, width, _ = x.shape
    flat = tf.reshape(dy, (-1, filters))
    padded = tf.pad(x, [[0, 0], [rows // 2] * 2, [columns // 2] * 2, [0, 0]])
    cells = []
    for i in range(rows):
        for j in range(columns):
            # Every pixel of the result meets this cell of the kernel at a map moved by (i, j).
            moved = tf.reshape(padded[:, i : i + height, j : j + width], (-1, channels))
            cells.append(tf.matmul(moved, flat, transpose_a=True))
    return tf.reshape(tf.stack(cells), shape)
