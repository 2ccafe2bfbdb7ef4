import numpy as np
import pytest

from latentlab.encoders.pretrained.card import EncoderSettings, Preprocessing
from latentlab.encoders.pretrained.keras_networks import compose
from latentlab.errors import ConfigError

SIZE = 8


def network(*names):
    """Return a network with several outputs: a map, its mean and another vector."""
    import keras

    image = keras.Input((SIZE, SIZE, 3))
    feature_map = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="map")(image)
    mean = keras.layers.GlobalAveragePooling2D(name="embedding")(feature_map)
    other = keras.layers.Dense(7, name="other")(mean)
    outputs = {"map": feature_map, "embedding": mean, "other": other}
    return keras.Model(image, [outputs[name] for name in names])


@pytest.mark.parametrize(
    ("names", "given", "taken"),
    [
        (["map", "other", "embedding"], None, "embedding"),
        (["other", "map"], None, "map"),
        (["map", "other"], "other", "other"),
        (["other"], "map", "map"),
    ],
)
def test_which_of_several_outputs_is_taken(names, given, taken):
    made = compose(network(*names), Preprocessing(SIZE), EncoderSettings(output=given))
    assert made.output.name == taken
    images = np.zeros((2, SIZE, SIZE, 3), np.float32)
    assert made.network.predict_on_batch(images).shape == (2, made.network.output_shape[1])


def test_images_that_need_no_change_get_no_layer():
    inner = network("embedding")
    plain = compose(inner, Preprocessing(SIZE, scale=1 / 255), EncoderSettings())
    scaled = compose(inner, Preprocessing(SIZE), EncoderSettings())
    assert "scaled" not in [layer.name for layer in plain.network.layers]
    assert "scaled" in [layer.name for layer in scaled.network.layers]


def test_a_pooling_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="`pooling=class token`"):
        compose(network("map"), Preprocessing(SIZE), EncoderSettings(pooling="class token"))
