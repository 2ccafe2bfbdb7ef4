"""ONNX networks of many conventions give the features that ONNX Runtime gives by itself."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from helpers import onnx_models as made
from onnx import TensorProto

from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_files import open_onnx
from latentlab.errors import ConfigError, DataError

SHARED = Path(__file__).parents[4] / "shared" / "data"
MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])


def opened(path, **settings):
    return open_onnx(path, EncoderSettings(**settings))


def images(count=5, size=made.SIZE, channels=3):
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def run(path, values, output=None):
    """Return what ONNX Runtime makes of values that are ready."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return session.run([output] if output else None, {name: values})[0]


def channels_first(pixels, mean=MEAN, std=STD):
    return np.ascontiguousarray(
        np.moveaxis((pixels.astype(np.float32) * np.float32(1 / 255) - mean) / std, 3, 1)
    )


def test_channels_first_take_the_mean_and_deviation_of_imagenet(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")
    encoder = opened(path)
    assert np.array_equal(encoder.encode(images()), run(path, channels_first(images())))
    card = encoder.card
    assert (card.preprocessing.layout, card.preprocessing.size) == ("nchw", made.SIZE)
    assert (card.output, card.pooling, card.feature_size) == ("features", "none", 6)
    assert card.assumed == ("mean and std of ImageNet",)
    assert card.name == "net"
    assert not card.trainable


def test_channels_last_take_values_to_255(tmp_path):
    path = made.nhwc_model(tmp_path / "net.onnx")
    encoder = opened(path)
    assert np.array_equal(encoder.encode(images()), run(path, images().astype(np.float32)))
    assert encoder.card.assumed == ("values 0 to 255, as usual with channels last",)


@pytest.mark.parametrize(("mean", "scale"), [(127.0, 1.0), (0.5, 1 / 255)])
def test_the_range_follows_from_the_scaling_inside(tmp_path, mean, scale):
    card = opened(made.nhwc_model(tmp_path / "net.onnx", mean=mean)).card
    assert (card.preprocessing.scale, card.preprocessing.mean) == (scale, ())
    assert card.assumed == ()


def test_whole_numbers_are_passed_on(tmp_path):
    path = made.nhwc_model(tmp_path / "net.onnx", kind=TensorProto.UINT8)
    assert np.array_equal(opened(path).encode(images()), run(path, images()))
    with pytest.raises(ConfigError, match="whole numbers from 0 to 255"):
        opened(path, mean="0.5")


def test_half_precision_gives_float32(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx", kind=np.float16)
    features = opened(path).encode(images())
    assert features.dtype == np.float32
    ready = channels_first(images()).astype(np.float16)
    assert np.array_equal(features, run(path, ready).astype(np.float32))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_filled(tmp_path, batch):
    path = made.nchw_model(tmp_path / "net.onnx", batch=batch)
    free = made.nchw_model(tmp_path / "free.onnx")
    expected = run(free, channels_first(images()))
    np.testing.assert_allclose(opened(path).encode(images()), expected, atol=1e-6)
    assert opened(path).encode(images()[:0]).shape == (0, 6)


def test_a_free_batch_that_holds_one_picture_only_gets_one_at_a_time(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")

    def flatten_to_one(model):
        made_one = made.helper.make_node("Reshape", ["mean_map", "one"], ["features"])
        model.graph.node[2].CopyFrom(made_one)
        model.graph.initializer.append(made.tensor("one", np.array([1, 6])))

    made.edited(path, flatten_to_one)
    encoder = opened(path)
    assert encoder.encode(images()).shape == (5, 6)
    assert "one picture at a time: the network fails on two" in encoder.card.assumed


@pytest.mark.parametrize(
    ("extra", "pooling", "first"),
    [(1, "class token", None), (0, "token mean", 0), (5, "class token", None)],
)
def test_tokens_have_a_usual_pooling(tmp_path, extra, pooling, first):
    path = made.token_model(tmp_path / "net.onnx", extra=extra)
    encoder = opened(path)
    tokens = run(path, channels_first(images()))
    assert encoder.card.pooling == pooling
    expected = tokens[:, 0] if first is None else tokens.mean(axis=1)
    np.testing.assert_allclose(encoder.encode(images()), expected, atol=1e-6)


def test_the_mean_of_tokens_is_a_choice_and_leaves_out_the_class_token(tmp_path):
    path = made.token_model(tmp_path / "net.onnx")
    tokens = run(path, channels_first(images()))
    features = opened(path, pooling="token mean").encode(images())
    np.testing.assert_allclose(features, tokens[:, 1:].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("last", [False, True])
def test_a_map_is_averaged(tmp_path, last):
    path = made.map_model(tmp_path / "net.onnx", last=last)
    values = run(path, channels_first(images()))
    features = opened(path).encode(images())
    np.testing.assert_allclose(features, values.mean(axis=(1, 2) if last else (2, 3)), atol=1e-6)
    with pytest.raises(ConfigError, match="for which there is map mean"):
        opened(path, pooling="class token")


def test_a_named_vector_is_preferred_to_tokens_and_scores(tmp_path):
    assert opened(made.token_model(tmp_path / "a.onnx", pooler=True)).card.output == "pooler_output"
    path = made.classifier(tmp_path / "b.onnx", features="embedding")
    assert opened(path).card.output == "embedding"
    given = opened(path, output="logits")
    assert (given.card.output, given.card.feature_size) == ("logits", 1000)
    with pytest.raises(ConfigError, match="no such output.*logits.*embedding"):
        opened(path, output="hiden")


def test_of_scores_alone_the_features_before_the_last_layer_are_taken(tmp_path):
    path = made.classifier(tmp_path / "net.onnx")
    whole = made.classifier(tmp_path / "whole.onnx", features="features")
    encoder = opened(path)
    expected = run(whole, channels_first(images()), "features")
    assert np.array_equal(encoder.encode(images()), expected)
    assert (encoder.card.output, encoder.card.feature_size) == ("hidden", 6)
    assert "output hidden: what the last layer makes logits of" in encoder.card.assumed
    assert opened(path, output="logits").card.feature_size == 1000


def test_a_value_inside_the_network_can_be_the_output(tmp_path):
    card = opened(made.classifier(tmp_path / "net.onnx"), output="map").card
    assert (card.output, card.pooling, card.feature_size) == ("map", "map mean", 6)


def test_the_settings_beside_the_file_are_used(tmp_path):
    path = made.nchw_model(tmp_path / "bird" / "onnx" / "model.onnx", size="size")
    made.write_config(
        tmp_path / "bird",
        do_normalize=True,
        image_mean=[0.5, 0.4, 0.3],
        image_std=0.25,
        size={"shortest_edge": 24},
        crop_size={"height": 20, "width": 20},
    )
    encoder = opened(path)
    preprocessing = encoder.card.preprocessing
    assert (preprocessing.size, preprocessing.mean) == (20, (0.5, 0.4, 0.3))
    assert preprocessing.std == (0.25, 0.25, 0.25)
    assert encoder.card.name == "bird"
    ready = channels_first(images(size=20), np.float32([0.5, 0.4, 0.3]), np.float32(0.25))
    np.testing.assert_allclose(encoder.encode(images(size=20)), run(path, ready), atol=1e-6)
    given = opened(path, size=16, mean="0.1", scale="-1-1").card.preprocessing
    assert (given.size, given.scale) == (16, 1 / 127.5)
    assert given.mean == pytest.approx((1.1, 1.1, 1.1))


def test_a_free_size_without_settings_is_224(tmp_path):
    card = opened(made.nchw_model(tmp_path / "net.onnx", size="size")).card
    assert card.preprocessing.size == 224
    assert "size 224: the file takes any" in card.assumed


def test_blue_comes_first_where_it_is_asked_for(tmp_path):
    path = made.nhwc_model(tmp_path / "net.onnx")
    features = opened(path, colours="bgr", mean="3,2,1").encode(images())
    ready = images().astype(np.float32) - np.float32([3, 2, 1])
    np.testing.assert_allclose(features, run(path, ready[..., ::-1].copy()), atol=1e-4)


def test_a_shape_of_names_alone_is_read(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx", size="size")

    def free(model):
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "num_channels"

    encoder = opened(made.edited(path, free), size=made.SIZE)
    assert encoder.card.preprocessing.layout == "nchw"
    assert encoder.encode(images()).shape == (5, 6)


def test_what_the_file_says_of_itself_is_recorded(tmp_path):
    told = {"pretraining": "ImageNet-1k", "license": "MIT\n", "source": "a lab"}
    card = opened(made.nchw_model(tmp_path / "net.onnx", metadata=told)).card
    assert (card.pretraining, card.source) == ("ImageNet-1k", "a lab")
    assert card.licence == "MIT\\n"
    card = opened(made.nchw_model(tmp_path / "net.onnx"), pretraining="none").card
    assert (card.pretraining, card.licence) == ("none", "unknown")


def test_a_size_that_the_file_does_not_take_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="`size=32`: the encoder takes 16 pixels only"):
        opened(made.nchw_model(tmp_path / "net.onnx"), size=32)


def test_training_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be trained"):
        opened(made.nchw_model(tmp_path / "net.onnx")).network()


def test_features_that_are_not_finite_are_refused(tmp_path):
    encoder = opened(made.nchw_model(tmp_path / "net.onnx", kind=np.float16), std="0.00001")
    with pytest.raises(DataError, match="not finite"):
        encoder.encode(images())


def test_data_beside_the_file_is_read_and_recorded(tmp_path):
    values = made.weights(6, 3, 4, 4)
    (tmp_path / "net.data").write_bytes(values.tobytes())
    path = made.external_model(tmp_path / "net.onnx", "net.data", offset=0, length=values.nbytes)
    encoder = opened(path)
    inside = made.nchw_model(tmp_path / "inside.onnx")
    assert np.array_equal(encoder.encode(images()), opened(inside).encode(images()))
    assert [Path(file.path).name for file in encoder.card.files] == ["net.onnx", "net.data"]


def test_a_model_in_a_cache_of_links_is_read(tmp_path):
    """As a hub's cache has it: model and data are links into one folder of contents."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "b").write_bytes(made.weights(6, 3, 4, 4).tobytes())
    made.external_model(blobs / "a", "model.onnx_data")
    (snapshot / "model.onnx").symlink_to("../../blobs/a")
    (snapshot / "model.onnx_data").symlink_to("../../blobs/b")
    assert opened(snapshot / "model.onnx").encode(images()).shape == (5, 6)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "squeezenet"])
def test_shared_encoders_see_photos_as_onnx_runtime_does(name):
    path = SHARED / "encoders" / f"{name}.onnx"
    photos = sorted((SHARED / "photos" / "animals").rglob("*.jpg"))[:4]
    if not path.exists() or not photos:
        pytest.skip("the shared encoders and photos are not here")
    from PIL import Image

    pixels = np.stack(
        [np.asarray(Image.open(file).convert("RGB").resize((224, 224))) for file in photos]
    )
    encoder = opened(path)
    assert encoder.card.preprocessing.scale == 1
    assert encoder.card.assumed == ()
    expected = run(path, pixels.astype(np.float32), "features")
    assert np.array_equal(encoder.encode(pixels), expected)
