import numpy as np

from latentlab.encoders.pretrained import efficientnet_lite
from latentlab.encoders.pretrained.efficientnet_lite import Block, Convolution

SIZE = 32


def random_convolution(name, shape, stride=1, is_clipped=True):
    chance = np.random.default_rng(len(name))
    kernel = chance.normal(0, 0.5, shape).astype(np.float32)
    bias = chance.normal(0, 0.5, shape[0]).astype(np.float32)
    return Convolution(name, kernel, bias, stride, is_clipped)


def small_network():
    """Return three blocks with every kind of convolution."""
    middle = (
        random_convolution("depth", (4, 1, 5, 5), is_clipped=True),
        random_convolution("narrow", (4, 4, 1, 1), is_clipped=False),
    )
    return (
        Block((random_convolution("stem", (4, 3, 3, 3), stride=2),)),
        Block(middle, adds_input=True),
        Block((random_convolution("head", (1280, 4, 1, 1)),)),
    )


def test_both_forms_give_the_same_features():
    import onnxruntime

    blocks = small_network()
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    graph = efficientnet_lite.as_onnx(blocks, SIZE).SerializeToString()
    (expected,) = onnxruntime.InferenceSession(graph).run(None, {"image": pixels})
    network = efficientnet_lite.as_keras(blocks, SIZE)
    features = np.asarray(network(pixels.astype(np.float32) / 255))
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_batch_normalisation_is_taken_in():
    chance = np.random.default_rng(1)
    tensors = {
        "c.weight": chance.normal(size=(2, 3, 1, 1)),
        "n.weight": np.array([1.5, 0.5]),
        "n.bias": np.array([0.1, -0.2]),
        "n.running_mean": np.array([0.3, 0.4]),
        "n.running_var": np.array([0.9, 2.0]),
    }
    folded = efficientnet_lite._folded(tensors, "c", "n")
    x = chance.normal(size=3)
    plain = tensors["c.weight"][:, :, 0, 0] @ x
    scaled = (plain - tensors["n.running_mean"]) / np.sqrt(tensors["n.running_var"] + 1e-3)
    expected = scaled * tensors["n.weight"] + tensors["n.bias"]
    np.testing.assert_allclose(folded.kernel[:, :, 0, 0] @ x + folded.bias, expected)
