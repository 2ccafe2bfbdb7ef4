import json
import zipfile

import numpy as np
import pytest
from helpers.files import STORED_RUN

from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.keras_models import given_values, open_keras_file
from latentlab.errors import ConfigError, DataError

SIZE = 16
PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def saved(folder, *layers, edges=(SIZE, SIZE, 3), name="net.keras"):
    """Save a network of a row of layers; return it and its file."""
    import keras

    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input(edges, name="pixels"), *layers])
    network.save(folder / name)
    return network, folder / name


def convolution(**options):
    from keras import layers

    return layers.Conv2D(5, 3, strides=4, padding="same", name="map", **options)


def test_a_map_becomes_its_mean_and_values_from_0_to_1_are_assumed(tmp_path):
    network, path = saved(tmp_path, convolution())
    encoder = open_keras_file(path, EncoderSettings())
    card = encoder.card
    assert (card.name, card.kind, card.feature_size) == ("net", "keras", 5)
    assert (card.pooling, card.trainable, card.pretraining) == ("map mean", True, "unknown")
    assert card.reference == str(path)
    assert card.image_shape == (SIZE, SIZE, 3)
    assert any("values from 0 to 1" in note for note in card.assumed)
    expected = np.asarray(network(PIXELS / np.float32(255))).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder.encode(PIXELS), expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_scales_its_values_gets_them_up_to_255(tmp_path):
    from keras import layers

    network, path = saved(tmp_path, layers.Rescaling(1 / 127.5, -1), convolution())
    encoder = open_keras_file(path, EncoderSettings())
    assert encoder.card.preprocessing.scale == 1
    assert encoder.card.assumed == ()
    expected = np.asarray(network(PIXELS.astype(np.float32))).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder.encode(PIXELS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("mean", "scale"), [(120.0, 1), (0.5, 1 / 255)])
def test_a_normalisation_shows_which_values_a_network_expects(tmp_path, mean, scale):
    from keras import layers

    normalization = layers.Normalization(mean=[mean] * 3, variance=[mean**2] * 3)
    _, path = saved(tmp_path, normalization, convolution())
    assert open_keras_file(path, EncoderSettings()).card.preprocessing.scale == scale


def test_given_values_and_colours_are_part_of_the_network_that_is_trained(tmp_path):
    import keras

    network, path = saved(tmp_path, convolution())
    settings = EncoderSettings(scale="0-255", mean="120,110,100", std="60,50,40", colours="bgr")
    encoder = open_keras_file(path, settings)
    mean, std = np.array([120, 110, 100]), np.array([60, 50, 40])
    values = ((PIXELS - mean) / std)[..., ::-1].astype(np.float32)
    expected = np.asarray(network(values)).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder.encode(PIXELS), expected, rtol=1e-4, atol=1e-4)

    # Plain Keras opens the network once it is saved, and so do we.
    trainable = encoder.network()
    assert len(trainable.trainable_weights) == len(network.trainable_weights)
    trainable.save(tmp_path / "saved.keras")
    opened = keras.saving.load_model(tmp_path / "saved.keras")
    images = PIXELS.astype(np.float32) / 255
    np.testing.assert_allclose(np.asarray(opened(images)), expected, rtol=1e-4, atol=1e-4)
    again = open_keras_file(tmp_path / "saved.keras", EncoderSettings(scale="0-1"))
    np.testing.assert_allclose(again.encode(PIXELS), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "scale", "mean"),
    [
        ({"mean": "0.5"}, 1 / 255, (0.5,)),
        ({"mean": "120"}, 1, (120,)),
        ({"std": "60"}, 1, ()),
        ({"scale": "-1-1"}, 1 / 127.5, (1,)),
        ({"scale": "0-1", "mean": "1,2,3"}, 1 / 255, (1, 2, 3)),
    ],
)
def test_a_mean_shows_of_which_values_it_is(given, scale, mean):
    assert given_values(EncoderSettings(**given))[:2] == (scale, mean)


def test_training_the_network_leaves_the_encoder_as_it_was(tmp_path):
    _, path = saved(tmp_path, convolution())
    encoder = open_keras_file(path, EncoderSettings())
    before = encoder.encode(PIXELS)
    network = encoder.network()
    assert network.trainable_weights
    network.set_weights([2 * array for array in network.get_weights()])
    np.testing.assert_array_equal(encoder.encode(PIXELS), before)


@pytest.mark.parametrize(("pooling", "kind"), [(None, "class token"), ("token mean", "token mean")])
def test_tokens(tmp_path, pooling, kind):
    from keras import layers

    row = [convolution(), layers.Reshape((16, 5)), layers.ZeroPadding1D((1, 0))]
    network, path = saved(tmp_path, *row, layers.Conv1D(5, 3, padding="same"))
    encoder = open_keras_file(path, EncoderSettings(pooling=pooling))
    tokens = np.asarray(network(PIXELS / np.float32(255)))
    expected = tokens[:, 0] if pooling is None else tokens[:, 1:].mean(axis=1)
    assert encoder.card.pooling == kind
    np.testing.assert_allclose(encoder.encode(PIXELS), expected, rtol=1e-4, atol=1e-5)


def test_of_a_classifier_what_its_last_layer_sees_is_taken(tmp_path):
    from keras import layers

    row = (convolution(), layers.GlobalAveragePooling2D(name="mean"), layers.Dropout(0.5))
    network, path = saved(tmp_path, *row, layers.Dense(7, activation="softmax", name="classes"))
    encoder = open_keras_file(path, EncoderSettings())
    assert encoder.card.feature_size == 5
    assert any("scores of classes" in note for note in encoder.card.assumed)
    scores = open_keras_file(path, EncoderSettings(output="classes"))
    expected = np.asarray(network(PIXELS / np.float32(255)))
    np.testing.assert_allclose(scores.encode(PIXELS), expected, rtol=1e-4, atol=1e-5)
    assert open_keras_file(path, EncoderSettings(output="map")).card.pooling == "map mean"
    with pytest.raises(ConfigError, match="no such output"):
        open_keras_file(path, EncoderSettings(output="other"))


def test_a_size_that_is_free_is_assumed_or_given(tmp_path):
    _, path = saved(tmp_path, convolution(), edges=(None, None, 3))
    card = open_keras_file(path, EncoderSettings()).card
    assert card.image_shape == (224, 224, 3)
    assert any(note.startswith("size 224") for note in card.assumed)
    assert open_keras_file(path, EncoderSettings(size=32)).card.image_shape == (32, 32, 3)


def test_grey_images(tmp_path):
    _, path = saved(tmp_path, convolution(), edges=(SIZE, SIZE, 1))
    encoder = open_keras_file(path, EncoderSettings())
    assert encoder.card.image_shape == (SIZE, SIZE, 1)
    assert encoder.encode(PIXELS[..., :1]).shape == (3, 5)
    with pytest.raises(ConfigError, match="grey images"):
        open_keras_file(path, EncoderSettings(mean="0.5,0.5,0.5"))


def test_a_compiled_network_opens_and_stays_as_it_is(tmp_path):
    network, path = saved(tmp_path, convolution())
    network.compile(optimizer="adam", loss="mse")
    network.save(path)
    assert open_keras_file(path, EncoderSettings()).card.feature_size == 5


def test_the_encoder_of_a_run(tmp_path):
    path = STORED_RUN / "encoder" / "encoder.keras"
    encoder = open_keras_file(path, EncoderSettings())
    height, width, channels = encoder.card.image_shape
    pixels = np.zeros((2, height, width, channels), np.uint8)
    assert encoder.encode(pixels).shape == (2, encoder.card.feature_size)
    assert (encoder.card.pretraining, encoder.card.assumed) == ("none", ())
    assert encoder.card.name == f"{STORED_RUN.name}-encoder"


def with_lambda(folder):
    _, path = saved(folder, convolution())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1]["class_name"] = "Lambda"
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "lambda.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return folder / "lambda.keras"


def broken(folder):
    (folder / "broken.keras").write_bytes(b"no such thing")
    return folder / "broken.keras"


def old_format(folder):
    (folder / "old.h5").write_bytes(b"anything")
    return folder / "old.h5"


def of_vectors(folder):
    from keras import layers

    return saved(folder, layers.Dense(3), edges=(8,))[1]


def not_square(folder):
    return saved(folder, convolution(), edges=(SIZE, 2 * SIZE, 3))[1]


def of_five_channels(folder):
    return saved(folder, convolution(), edges=(SIZE, SIZE, 5))[1]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_lambda, "Lambda, which is not a plain layer"),
        (broken, "cannot be loaded"),
        (old_format, "may hold code"),
        (of_vectors, "not images alone"),
        (not_square, "square"),
        (of_five_channels, "3 or 1 channels"),
    ],
)
def test_other_files_get_one_line(tmp_path, make, reason):
    path = make(tmp_path)
    with pytest.raises(DataError) as caught:
        open_keras_file(path, EncoderSettings())
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_size_than_that_of_the_file_is_refused(tmp_path):
    _, path = saved(tmp_path, convolution())
    with pytest.raises(ConfigError, match="`size=32`: the encoder takes 16 pixels"):
        open_keras_file(path, EncoderSettings(size=32))
