"""Faster kernels for Keras layers in training, where TensorFlow runs on a processor; the same results within rounding.

Keras builds batch normalisation of some ten elementwise operations, each a pass over the map; TensorFlow has one kernel for
it, and grappler joins it with the activation. oneDNN's gradient of a convolution's kernel in bfloat16 is slow on small maps,
where one matrix product for each of the kernel's cells is faster. On other devices and backends XLA does as well by itself.

    scripts/benchmark_kernels.py    measures what it gains
"""

from types import MethodType
from typing import Any

from latentlab import backend

LARGEST_SIDE = 5  # of a map, in pixels: above it oneDNN is the faster one
FEWEST_CHANNELS = 64


def hasten(*nets: Any) -> None:
    """Give the layers of Keras models these kernels, where they help; the layers stay Keras' own, so they are saved as ever.

    Of maps with channels last; a mask, or a batch normalisation that is not trained, is left to Keras.
    """
    if backend.select() != "tensorflow" or backend.on_gpu():
        return
    from keras import layers

    for layer in (layer for net in nets for layer in net.layers):
        if isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) == 4:
            layer.call = MethodType(_normalize, layer)
        if (
            isinstance(layer, layers.Conv2D)
            and layer.strides == (1, 1)
            and layer.padding == "same"
            and all(side % 2 for side in layer.kernel_size)
        ):
            layer.convolution_op = MethodType(_convolve, layer)


def _normalize(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """Be `keras.layers.BatchNormalization.call` for maps (n, height, width, channels)."""
    if mask is not None or not (training and layer.trainable):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    none = tf.zeros(0)
    told = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=none,
        variance=none,
        epsilon=layer.epsilon,
        is_training=True,
    )
    size = tf.cast(tf.size(inputs[..., 0]), tf.float32)
    variance = (
        told.batch_variance * (size - 1) / size
    )  # TensorFlow tells the unbiased one, Keras keeps the other
    for kept, new in ((layer.moving_mean, told.batch_mean), (layer.moving_variance, variance)):
        kept.assign(kept * layer.momentum + new * (1.0 - layer.momentum))
    return told.y


def _convolve(layer: Any, inputs: Any, kernel: Any) -> Any:
    """Be `keras.layers.Conv2D.convolution_op` for stride 1."""
    import tensorflow as tf

    _, height, width, channels = inputs.shape
    small = (
        None not in (height, width)
        and max(height, width) <= LARGEST_SIDE
        and channels >= FEWEST_CHANNELS
    )
    if small and inputs.dtype == tf.bfloat16:
        return _convolve_small(inputs, tf.convert_to_tensor(kernel))
    return type(layer).convolution_op(layer, inputs, kernel)


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
    """Return d/dw, (rows, columns, c, filters), of a convolution of maps x (n, h, w, c) by its result's dy (n, h, w, filters)."""
    import tensorflow as tf

    rows, columns, channels, filters = shape
    _, height, width, _ = x.shape
    flat = tf.reshape(dy, (-1, filters))
    padded = tf.pad(x, [[0, 0], [rows // 2] * 2, [columns // 2] * 2, [0, 0]])
    cells = [
        tf.matmul(
            tf.reshape(padded[:, i : i + height, j : j + width], (-1, channels)),
            flat,
            transpose_a=True,
        )
        for i in range(rows)
        for j in range(columns)
    ]
    return tf.reshape(tf.stack(cells), shape)
