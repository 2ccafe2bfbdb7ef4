import functools
import http.server
import threading

import numpy as np
import pytest

from latentlab.encoders.pretrained import keras_applications
from latentlab.encoders.pretrained.card import EncoderSettings, Preprocessing
from latentlab.encoders.pretrained.keras_applications import open_keras_application
from latentlab.encoders.pretrained.keras_networks import _prepared
from latentlab.errors import ConfigError, DataError

SIZE = 64
SMALL = EncoderSettings(size=SIZE)
PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)


def mobile_net(**options):
    import keras

    keras.utils.set_random_seed(1)
    return keras.applications.MobileNet(weights=None, input_shape=(SIZE, SIZE, 3), **options)


@pytest.fixture(scope="module")
def bare():
    return mobile_net(include_top=False)


@pytest.fixture(scope="module")
def whole(bare):
    """Return the same network with a classifier of 9 classes."""
    whole = mobile_net(classes=9)
    weights = whole.get_weights()
    weights[: len(bare.weights)] = bare.get_weights()
    whole.set_weights(weights)
    return whole


@pytest.fixture(scope="module")
def features(bare):
    return np.asarray(bare(PIXELS / np.float32(127.5) - 1)).mean(axis=(1, 2))


def assert_alike(features, expected):
    """Features of a network that nobody trained are tiny."""
    scale = np.abs(expected).max()
    assert scale > 0
    np.testing.assert_allclose(features / scale, expected / scale, rtol=0, atol=1e-3)


@pytest.mark.parametrize("network", ["bare", "whole"])
@pytest.mark.parametrize("file_name", ["net.weights.h5", "net.h5"])
def test_weights_with_or_without_classifier_in_both_formats(
    request, tmp_path, features, network, file_name
):
    path = tmp_path / file_name
    model = request.getfixturevalue(network)
    if file_name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)  # weights in the older format
    encoder = open_keras_application("MobileNet", path, SMALL)
    assert_alike(encoder.encode(PIXELS), features)
    card = encoder.card
    assert (card.name, card.feature_size, card.pooling) == ("MobileNet", 1024, "map mean")
    assert card.reference == f"keras:MobileNet:{path}"
    assert (card.pretraining, card.trainable) == ("unknown", True)
    assert card.files[0].path == str(path)


def test_weights_of_another_network_are_refused(tmp_path, bare):
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    for file_name in ("other.weights.h5", "other.h5"):
        path = tmp_path / file_name
        other.save_weights(path) if file_name.endswith(".weights.h5") else other.save(path)
        with pytest.raises(DataError, match="does not fit MobileNet") as caught:
            open_keras_application("MobileNet", path, SMALL)
        assert "\n" not in str(caught.value)


def test_broken_and_missing_weights_are_refused(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match="does not fit MobileNet"):
        open_keras_application("MobileNet", tmp_path / "broken.h5", SMALL)
    with pytest.raises(ConfigError, match=r"is no \.h5 file"):
        open_keras_application("MobileNet", tmp_path / "missing.h5", SMALL)


def test_a_wrong_name_gets_similar_ones():
    with pytest.raises(ConfigError) as caught:
        open_keras_application("mobilenet_v2", None, EncoderSettings())
    assert "`encoder=keras:mobilenet_v2`" in str(caught.value)
    assert "MobileNetV2" in str(caught.value)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="`layout=nchw`"):
        open_keras_application("MobileNet", None, EncoderSettings(layout="nchw"))
    with pytest.raises(ConfigError, match="cannot be built"):
        open_keras_application("MobileNet", None, EncoderSettings(size=8))


@pytest.mark.parametrize("module", sorted(keras_applications._VALUES))
def test_values_are_those_of_keras_itself(module):
    import importlib

    prepare = importlib.import_module(f"keras.src.applications.{module}").preprocess_input
    values = keras_applications._VALUES[module]
    preprocessing = Preprocessing(SIZE, values.scale, values.mean, values.std, values.colours)
    expected = prepare(PIXELS.astype(np.float32))
    prepared = np.asarray(_prepared(PIXELS / np.float32(255), preprocessing))
    np.testing.assert_allclose(prepared, expected, rtol=1e-4, atol=1e-3)


def test_every_network_of_keras_is_known():
    import keras

    functions = [name for name in dir(keras.applications) if name[0].isupper()]
    assert set(keras_applications.names()) == set(functions)
    assert set(keras_applications._SIZES) <= set(functions)


@pytest.fixture
def server_of(tmp_path, monkeypatch):
    """Return a function that lets Keras download from a server of this machine."""
    from keras.src.applications import mobilenet

    folder = tmp_path / "served"
    folder.mkdir()
    (tmp_path / "keras").mkdir()  # Keras takes /tmp where its folder is not there
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(mobilenet, "BASE_WEIGHT_PATH", address)
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setattr("urllib.request.getproxies", dict)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_download(server_of, features, bare):
    bare.save(server_of / "mobilenet_1_0_224_tf_no_top.h5")
    encoder = open_keras_application("MobileNet", None, SMALL)
    assert_alike(encoder.encode(PIXELS), features)
    assert encoder.card.reference == "keras:MobileNet"
    assert encoder.card.pretraining == "ImageNet-1k"
    (server_of / "mobilenet_1_0_224_tf_no_top.h5").unlink()
    again = open_keras_application("MobileNet", None, SMALL)
    assert again.card.sha256 == encoder.card.sha256


def test_no_download_gets_one_line(server_of):
    with pytest.raises(DataError) as caught:
        open_keras_application("MobileNet", None, SMALL)
    assert "Keras cannot fetch its weights" in str(caught.value)
    assert "keras:MobileNet:weights.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_connections_are_refused_only_the_cache_of_keras_is_read(
    server_of, bare, monkeypatch
):
    bare.save(server_of / "mobilenet_1_0_224_tf_no_top.h5")
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    with pytest.raises(DataError, match="connections are refused"):
        open_keras_application("MobileNet", None, SMALL)
    monkeypatch.delenv("LATENTLAB_OFFLINE")
    fetched = open_keras_application("MobileNet", None, SMALL)
    monkeypatch.setenv("LATENTLAB_OFFLINE", "1")
    again = open_keras_application("MobileNet", None, SMALL)
    assert again.card.sha256 == fetched.card.sha256
