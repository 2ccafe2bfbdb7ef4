"""The encoder with pooling switches."""

import numpy as np
import pytest

from latentlab.encoders import networks

IMAGES = np.random.default_rng(0).random((4, 32, 32, 3), dtype=np.float32)


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
