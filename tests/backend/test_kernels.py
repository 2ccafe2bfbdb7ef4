"""The faster kernels compute what Keras' own layers do, and saved models stay plain Keras."""

import json
import zipfile

import numpy as np
import pytest

from latentlab import backend
from latentlab.backend import kernels

pytestmark = pytest.mark.run  # networks are compiled and trained


def small_net(dtype):
    import keras
    from keras import layers

    policy = keras.DTypePolicy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    image = keras.Input((None, None, 64))
    x = layers.Conv2D(
        96,
        3,
        padding="same",
        use_bias=False,
        dtype=policy,
        kernel_initializer=keras.initializers.HeNormal(3),
    )(image)
    x = layers.BatchNormalization(
        momentum=0.9, dtype=policy, gamma_initializer=keras.initializers.RandomUniform(0.5, 2, 4)
    )(x)
    x = layers.Activation("relu", dtype=policy)(x)
    return keras.Model(image, layers.GlobalAveragePooling2D(dtype="float32")(x))


def train_once(net, images):
    """Return the outputs, the gradients of the weights, and the moving averages after a step."""
    import tensorflow as tf

    @tf.function
    def run(batch):
        with tf.GradientTape() as tape:
            y = net(batch, training=True)
            loss = tf.reduce_mean(tf.square(y) * tf.cast(tf.range(y.shape[1]), tf.float32))
        return y, tape.gradient(loss, [variable.value for variable in net.trainable_variables])

    y, gradients = run(images)
    return [
        np.asarray(a)
        for a in (y, *gradients, *(variable.value for variable in net.non_trainable_variables))
    ]


@pytest.fixture
def own_kernels(monkeypatch):
    """Count what `hasten` puts in the place of Keras' own."""
    if backend.current() != "tensorflow" or backend.on_gpu():
        pytest.skip("the kernels are TensorFlow's on a processor")
    taken = []
    for name in ("_normalize", "_convolve_small"):
        original = getattr(kernels, name)
        monkeypatch.setattr(
            kernels,
            name,
            lambda *a, name=name, original=original, **k: (taken.append(name), original(*a, **k))[
                1
            ],
        )
    return taken


@pytest.mark.parametrize(
    ("dtype", "side", "tolerance"),
    [("float32", 4, 1e-4), ("bfloat16", 4, 0.1), ("bfloat16", 8, 0.02)],
)
def test_fast_kernels_are_as_exact_as_those_of_keras(dtype, side, tolerance, own_kernels):
    images = (2 + 3 * np.random.default_rng(0).normal(size=(16, side, side, 64))).astype(np.float32)
    exact, slow, fast = small_net("float32"), small_net(dtype), small_net(dtype)
    kernels.hasten(fast)
    for truth, of_keras, got in zip(
        *(train_once(net, images) for net in (exact, slow, fast)), strict=True
    ):
        assert got.dtype == of_keras.dtype
        scale = max(1e-3, np.abs(truth).max())
        assert np.abs(got - of_keras).max() <= tolerance * scale
        assert off(got, truth) <= 1.25 * off(of_keras, truth) + 1e-5 * scale
    assert "_normalize" in own_kernels
    assert ("_convolve_small" in own_kernels) == (
        dtype == "bfloat16" and side <= kernels.LARGEST_SIDE
    )
    np.testing.assert_allclose(
        fast.predict_on_batch(images),
        slow.predict_on_batch(images),
        rtol=min(tolerance, 0.02),
        atol=min(tolerance, 0.02),
    )


def off(values, truth):
    """Return the root mean square of errors.

    The largest error of bfloat16 differs by processor, where a relu's input is near 0.
    """
    return np.sqrt(np.square(values - truth).mean())


def test_a_hastened_net_is_saved_as_plain_keras(tmp_path):
    net = small_net("bfloat16")
    kernels.hasten(net)
    net.save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as file:
        config = json.loads(file.read("config.json"))
    assert {layer["module"] for layer in config["config"]["layers"]} == {"keras.layers"}
