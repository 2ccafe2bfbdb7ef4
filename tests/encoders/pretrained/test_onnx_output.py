"""Which output becomes the features, and how."""

import numpy as np
import pytest

from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_output import feature_output, leading_tokens
from latentlab.errors import ConfigError


def chosen(layout="nchw", settings=None, **shapes):
    return feature_output(shapes, layout, settings or EncoderSettings())


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ({"a": (9,), "image_embeds": (4,), "features": (8,)}, "image_embeds"),
        ({"last_hidden_state": (17, 4), "hidden_states_1": (17, 4)}, "last_hidden_state"),
        ({"map": (4, 7, 7), "tokens": (49, 4)}, "tokens"),
        ({"small": (4, 28, 28), "map": (8, 7, 7)}, "map"),
        ({"b": (5,), "a": (9,), "logits": (99,)}, "a"),
        ({"logits": (10,), "class_token": (4,)}, "class_token"),
        ({"module/features:0": (4,), "other": (9,)}, "module/features:0"),
        ({"features": (4, 1, 1), "map": (8, 7, 7)}, "features"),
        ({"output": (1000,)}, "output"),
    ],
)
def test_the_output_is_chosen_by_kind_and_name(shapes, name):
    assert chosen(**shapes).name == name


def test_scores_are_said_to_be_scores():
    output = chosen(output=(1000,))
    assert output.are_scores
    assert output.assumed == ("output looks like scores of 1000 classes: there is nothing else",)


@pytest.mark.parametrize(
    ("count", "before"), [(197, 1), (50, 1), (257, 1), (196, 0), (261, 5), (198, 2), (7, 0), (1, 0)]
)
def test_tokens_before_a_square(count, before):
    assert leading_tokens(count) == before


@pytest.mark.parametrize(
    ("shape", "layout", "axes"),
    [
        ((6, 4, 4), "nhwc", (2, 3)),
        ((4, 4, 6), "nchw", (1, 2)),
        ((4, 4, 4), "nchw", (2, 3)),
        ((4, 4, 4), "nhwc", (1, 2)),
    ],
)
def test_the_axes_of_a_map(shape, layout, axes):
    values = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    output = chosen(layout, map=shape)
    np.testing.assert_allclose(output.pool(values), values.mean(axis=axes), rtol=1e-6)
    assert output.feature_size == values.mean(axis=axes).shape[1]


def test_a_map_of_one_place_is_a_vector():
    output = chosen(features=(6, 1, 1))
    assert (output.pooling, output.feature_size) == ("none", 6)


@pytest.mark.parametrize(
    ("shape", "pooling"), [((6,), "map mean"), ((17, 6), "none"), ((6, 4, 4), "token mean")]
)
def test_a_pooling_that_does_not_fit(shape, pooling):
    with pytest.raises(ConfigError, match=f"`pooling={pooling}`: the output x has the shape"):
        chosen(settings=EncoderSettings(pooling=pooling), x=shape)


def test_five_axes_have_no_pooling():
    with pytest.raises(ConfigError, match="for which there is nothing"):
        chosen(x=(2, 3, 4, 5))
