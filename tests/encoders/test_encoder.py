"""Encoders: shapes of codes, image sizes, options that cannot be."""

import pytest

from latentlab.encoders import networks
from latentlab.encoders.encoder import embedding_hint
from latentlab.errors import ConfigError

PAPER_CODES = {"conv8": (8, 8, 16), "blog": (10, 10, 16), "dcec": (10,), "pool-unpool": (30,)}


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
