"""Pixels as a network takes them, and the settings beside it."""

import json

import numpy as np
import pytest
from helpers.onnx_models import write_config

from latentlab.encoders.pretrained.card import Preprocessing
from latentlab.encoders.pretrained.preprocessing import prepare, read_config
from latentlab.errors import DataError

RED = np.zeros((1, 2, 2, 3), np.uint8)
RED[..., 0] = 255


def test_mean_and_deviation_are_those_of_red_green_and_blue():
    how = Preprocessing(2, 1 / 255, (0.5, 0.1, 0.2), (0.25, 0.1, 0.2))
    assert prepare(RED, how)[0, 0, 0].tolist() == pytest.approx([2, -1, -1])
    how = Preprocessing(2, 1 / 255, (0.5, 0.1, 0.2), (0.25, 0.1, 0.2), "bgr", "nchw")
    values = prepare(RED, how)
    assert values.shape == (1, 3, 2, 2)
    assert values.flags.c_contiguous
    assert values[0, :, 0, 0].tolist() == pytest.approx([-1, -1, 2])


def test_grey_and_whole_numbers():
    grey = RED[..., :1]
    assert prepare(grey, Preprocessing(2, channels=1, mean=(5.0,)))[0, 0, 0, 0] == 250
    whole = prepare(RED, Preprocessing(2, layout="nchw", colours="bgr"), np.uint8)
    assert whole.dtype == np.uint8
    assert whole[0, :, 0, 0].tolist() == [0, 0, 255]


def test_the_pixels_stay_as_they_are():
    prepare(RED, Preprocessing(2, 0.5, (1.0,) * 3, (2.0,) * 3))
    assert RED.max() == 255


def config(tmp_path, **values):
    write_config(tmp_path, **values)
    return read_config(tmp_path / "model.onnx")


def test_usual_settings(tmp_path):
    read = config(
        tmp_path,
        do_resize=True,
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=[0.5] * 3,
        image_std=[0.25] * 3,
    )
    assert (read.size, read.resized, read.scale) == (224, 256, 1 / 255)
    assert (read.mean, read.std, read.colours) == ((0.5,) * 3, (0.25,) * 3, "rgb")


def test_switches_turn_steps_off(tmp_path):
    read = config(
        tmp_path,
        size=384,
        crop_size=224,
        do_center_crop=False,
        do_rescale=False,
        do_normalize=False,
        image_mean=[0.5],
        do_flip_channel_order=True,
    )
    assert (read.size, read.resized, read.scale) == (384, None, 1.0)
    assert (read.mean, read.std, read.colours) == ((), (), "bgr")


def test_no_settings_and_settings_above_a_folder_onnx(tmp_path):
    write_config(tmp_path, size=32)
    assert read_config(tmp_path / "onnx" / "model.onnx").size == 32
    assert read_config(tmp_path / "other" / "model.onnx") is None


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"size": {"height": 2, "width": 3}}, "`size` is not a square"),
        ({"size": 0}, "`size` must be from 1 to 4096 pixels"),
        ({"size": [224]}, "`size` must be from"),
        ({"size": {"height": [1]}}, "`size` must be from"),
        ({"crop_size": 1e12}, "`crop_size` must be from"),
        ({"rescale_factor": "much"}, "`rescale_factor` must be a number above 0"),
        ({"image_mean": [0.1, 0.2]}, "`image_mean` must be 1 or 3 numbers"),
        ({"image_mean": [float("nan")]}, "`image_mean` must be 1 or 3 numbers"),
        ({"image_mean": 0, "image_std": [1, 0, 1]}, "`image_std` must be above 0"),
        ({"do_normalize": True}, "`image_mean` must be 1 or 3 numbers"),
    ],
)
def test_settings_that_cannot_be(tmp_path, values, problem):
    with pytest.raises(DataError, match=problem):
        config(tmp_path, **values)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100000, json.dumps({"a": "x" * (1 << 20)})])
def test_what_holds_no_settings(tmp_path, text):
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(DataError, match="preprocessor_config.json"):
        read_config(tmp_path / "model.onnx")
