"""Which values an input gets: given, from settings, by the network's first steps, by default."""

import numpy as np
import onnx
import pytest
from helpers import onnx_models as made
from onnx import helper

from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_input import image_input, scaling_inside, settle
from latentlab.encoders.pretrained.onnx_structure import read_structure
from latentlab.encoders.pretrained.preprocessing import IMAGENET_MEAN, IMAGENET_STD, read_config
from latentlab.errors import ConfigError


def settled(path, **settings):
    given = EncoderSettings(**settings)
    structure = read_structure(path)
    return settle(structure, image_input(structure, given.layout), read_config(path), given)


def beginning_with(operator, constant, *, constant_first=False):
    names = ["constant", "image"] if constant_first else ["image", "constant"]
    nodes = [helper.make_node(operator, names, ["out"])]
    graph = helper.make_graph(
        nodes, "g", [], [], initializer=[made.tensor("constant", np.float32(constant))]
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("operator", "constant", "values"),
    [
        ("Div", 255, "0-255"),
        ("Mul", 1 / 255, "0-255"),
        ("Mul", [1 / 58, 1 / 57, 1 / 57], "0-255"),
        ("Sub", [123.7, 116.8, 103.9], "0-255"),
        ("Add", -127.5, "0-255"),
        ("Sub", IMAGENET_MEAN, "0-1"),
        ("Div", IMAGENET_STD, "0-1"),
        ("Mul", 2, "0-1"),
        ("Mul", 0, "0-255"),
        ("Pow", 2, None),
        ("Sub", np.ones((4, 4)), None),
    ],
)
def test_the_first_step_says_the_range(operator, constant, values):
    assert scaling_inside(beginning_with(operator, constant), "image") == values


def test_an_unknown_first_step_says_nothing():
    model = onnx.ModelProto()
    assert scaling_inside(model, "image") is None
    model.graph.node.append(helper.make_node("Identity", ["image"], ["image"]))
    assert scaling_inside(model, "image") is None


def test_given_values_replace_a_default_as_a_whole(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")
    default, _ = settled(path)
    assert (default.mean, default.std) == (IMAGENET_MEAN, IMAGENET_STD)
    given, assumed = settled(path, scale="0-255")
    assert (given.scale, given.mean, given.std, assumed) == (1.0, (), (), ())
    given, _ = settled(path, scale="-1-1")
    assert (given.scale, given.mean, given.std) == (1 / 127.5, (1.0,) * 3, ())


@pytest.mark.parametrize(
    ("mean", "std", "scale"), [("120", None, 1), ("0.5", "0.5", 1 / 255), (None, "60", 1)]
)
def test_a_given_mean_says_the_range(tmp_path, mean, std, scale):
    given, _ = settled(made.nchw_model(tmp_path / "net.onnx"), mean=mean, std=std)
    assert given.scale == scale


def test_settings_beside_a_network_that_scales_itself_are_said(tmp_path):
    path = made.nhwc_model(tmp_path / "net.onnx", mean=100.0)
    made.write_config(tmp_path, image_mean=0.5, image_std=0.5, size=20, crop_size=made.SIZE)
    preprocessing, assumed = settled(path)
    assert preprocessing.mean == (0.5,) * 3
    assert assumed == (
        "whole squares, where preprocessor_config.json cuts 16 of 20 out",
        "preprocessor_config.json, though the network scales itself",
    )


def grey(path):
    def change(model):
        model.graph.input[0].CopyFrom(made.value("pixel_values", ["n", 1, 16, 16]))
        model.graph.initializer[0].CopyFrom(made.tensor("w", made.weights(6, 1, 4, 4)))

    return made.edited(made.nchw_model(path), change)


def test_grey_pictures(tmp_path):
    path = grey(tmp_path / "net.onnx")
    preprocessing, assumed = settled(path)
    assert (preprocessing.channels, preprocessing.scale, preprocessing.mean) == (1, 1 / 255, ())
    assert assumed == ("values 0 to 1",)
    assert settled(path, mean="0.1", std="0.3")[0].mean == (0.1,)
    with pytest.raises(ConfigError, match="takes grey pictures"):
        settled(path, mean="0.1,0.2,0.3")


def test_a_given_layout_decides_where_both_could_be(tmp_path):
    path = made.nchw_model(tmp_path / "net.onnx")

    def change(model):
        model.graph.input[0].CopyFrom(made.value("pixel_values", ["n", 3, "h", 3]))

    made.edited(path, change)
    assert image_input(read_structure(path)).layout == "nchw"
    assert image_input(read_structure(path), "nhwc").layout == "nhwc"
