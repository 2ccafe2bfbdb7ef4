"""Every encoder keeps the contract; plain Keras opens its files; the papers' layers."""

import subprocess
import sys

import numpy as np
import pytest

from latentlab.encoders import networks
from latentlab.encoders.conformance import check_encoder
from latentlab.encoders.encoder import Encoder, embedding_hint
from latentlab.errors import ConfigError

IMAGES = np.random.default_rng(0).random((4, 32, 32, 3), dtype=np.float32)
PAPER_CODES = {"conv8": (8, 8, 16), "blog": (10, 10, 16), "dcec": (10,), "pool-unpool": (30,)}


@pytest.mark.parametrize("arch", Encoder.names())
def test_every_encoder_keeps_the_contract(arch):
    check_encoder(Encoder.named(arch))


@pytest.mark.parametrize("arch", PAPER_CODES)
def test_codes_have_the_stated_shapes(arch):
    assert networks.build(arch, (32, 32, 3)).code_shape == PAPER_CODES[arch]


def test_the_strong_encoders_have_an_embedding():
    assert embedding_hint() == "`arch=fast8` or resnet18"


@pytest.mark.parametrize(
    ("arch", "shape"),
    [
        ("conv8", (28, 28, 1)),
        ("dcec", (28, 28, 1)),
        ("blog", (28, 28, 1)),
        ("pool-unpool", (28, 28, 1)),
    ],
)
def test_encoder_adapts_to_mnist(arch, shape):
    model = networks.build(arch, shape)
    assert model.autoencoder.output_shape[1:] == shape


def layers_of(model):
    return [
        (type(layer).__name__, getattr(layer, "filters", None), getattr(layer, "kernel_size", None))
        for layer in model.layers
    ]


def test_blog_is_the_post_layer_by_layer():
    model = networks.build("blog", (32, 32, 3))
    convolutions = [entry for entry in layers_of(model.autoencoder) if "Conv" in entry[0]]
    assert convolutions == [
        ("Conv2D", 32, (6, 6)),
        ("Conv2D", 32, (3, 3)),
        ("Conv2D", 16, (3, 3)),
        ("Conv2DTranspose", 16, (3, 3)),
        ("Conv2DTranspose", 32, (3, 3)),
        ("Conv2DTranspose", 64, (6, 6)),
        ("Conv2DTranspose", 3, (3, 3)),
    ]
    assert [entry[0] for entry in layers_of(model.autoencoder)[-2:]] == [
        "BatchNormalization",
        "Activation",
    ]


def test_dcec_has_the_papers_weights():
    # 28x28x1: 5*5*1*32+32 + 5*5*32*64+64 + 3*3*64*128+128 + 1152*10+10; the decoder mirrors it.
    encoder = networks.build("dcec", (28, 28, 1)).encoder
    assert encoder.count_params() == 832 + 51_264 + 73_856 + 11_530


def test_mlp_has_the_papers_weights_and_takes_any_size():
    # 784-500-500-2000-10
    assert (
        networks.build("mlp", (28, 28, 1)).encoder.count_params()
        == 392_500 + 250_500 + 1_002_000 + 20_010
    )
    assert networks.build("mlp", (7, 9, 3), {"code_dim": 4}).autoencoder.output_shape[1:] == (
        7,
        9,
        3,
    )


@pytest.mark.parametrize("size", [2, 10, 30])
def test_pool_unpool_has_the_papers_code_sizes(size):
    assert networks.build("pool-unpool", (28, 28, 1), {"code_dim": size}).code_shape == (size,)


@pytest.mark.parametrize("options", [{"unpooling": False}, {"pooling": False, "unpooling": False}])
def test_pool_unpool_variants_restore_the_shape(options):
    assert networks.build("pool-unpool", (32, 32, 3), options).autoencoder.output_shape[1:] == (
        32,
        32,
        3,
    )


def test_switches_carry_place_around_the_code():
    """With switches, another image's code still gives this image's outlines."""
    import keras

    keras.utils.set_random_seed(0)
    model = networks.build("pool-unpool", (32, 32, 3), {"switches": True})
    assert model.decoder is None
    plain = networks.build("pool-unpool", (32, 32, 3))
    constant_code = [
        np.zeros_like(w) if w.shape in ((250, 30), (30,)) else np.abs(w) + 0.01
        for w in model.autoencoder.get_weights()
    ]
    model.autoencoder.set_weights(constant_code)
    plain.autoencoder.set_weights(constant_code)
    assert np.ptp(plain.autoencoder.predict_on_batch(IMAGES / 50), axis=0).max() < 1e-6, (
        "a constant code decodes to one picture"
    )
    assert np.ptp(model.autoencoder.predict_on_batch(IMAGES / 50), axis=0).max() > 1e-6, (
        "switches tell the images apart all the same"
    )


@pytest.mark.parametrize(
    ("arch", "shape", "options", "message"),
    [
        ("conv8", (30, 30, 3), {}, "multiples of 4.*`size=32`"),
        ("blog", (15, 15, 3), {}, "even image sides.*`size=32`"),
        ("conv8", (32, 32, 3), {"depth": 3}, "no option depth.*code_channels"),
        ("pool-unpool", (32, 32, 3), {"pooling": False}, "cannot unpool"),
        ("pool-unpool", (32, 32, 3), {"unpooling": False, "switches": True}, "switches only where"),
        ("conv9", (32, 32, 3), {}, "arch=conv9.: unknown name.*Did you mean 'conv8'"),
    ],
)
def test_impossible_wishes_are_one_clear_line(arch, shape, options, message):
    with pytest.raises(ConfigError, match=message):
        networks.build(arch, shape, options)


def test_plain_keras_opens_the_saved_halves_without_latentlab(finished_run, tmp_path):
    x = np.random.default_rng(1).random((3, 16, 16, 3), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, keras\n"
        "folder, x = sys.argv[1], np.load(sys.argv[2])\n"
        "code = keras.saving.load_model(folder + '/encoder.keras').predict(x, verbose=0)\n"
        "image = keras.saving.load_model(folder + '/decoder.keras').predict(code, verbose=0)\n"
        "assert 'latentlab' not in sys.modules\n"
        "np.save(sys.argv[2], image)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(finished_run.path / "encoder"), str(tmp_path / "x.npy")],
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )
    from latentlab.encoders import model_files

    expected = model_files.load(finished_run).autoencoder.predict_on_batch(x)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, atol=1e-5)
