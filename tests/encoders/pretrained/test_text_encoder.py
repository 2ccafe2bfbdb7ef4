"""The text part of image-text encoders: tokens, masks, files that are refused."""

import json

import numpy as np
import pytest
from helpers.image_text import FILLED, WORDS, write_pair, write_text
from helpers.onnx_models import edited, nchw_model

from latentlab.encoders.pretrained.text_encoder import open_text, text_beside
from latentlab.errors import DataError, MissingDependencyError

pytest.importorskip("tokenizers")


def unit(*numbers):
    return np.array(numbers) / np.linalg.norm(numbers)


@pytest.mark.parametrize("has_mask", [True, False], ids=["like CLIP", "like SigLIP"])
@pytest.mark.parametrize("length", [None, FILLED])
def test_texts_become_vectors_of_length_one(tmp_path, has_mask, length):
    write_pair(tmp_path, has_mask, length)
    encoder = open_text(tmp_path / "text_model.onnx")
    assert encoder.feature_size == 3
    vectors = encoder.encode(["Red", "a green", "red blue"])
    np.testing.assert_allclose(vectors[0], unit(1, -1, -1), atol=1e-6)
    np.testing.assert_allclose(vectors[1], unit(-1, 1, -1), atol=1e-6)
    np.testing.assert_allclose(vectors[2], unit(0, -2, 0), atol=1e-6)


def test_texts_are_cut_at_the_length_of_the_model(tmp_path):
    write_pair(tmp_path)
    encoder = open_text(tmp_path / "text_model.onnx")
    long = encoder.encode(["red " * 20 + "blue"])  # the last token stays: it ends a text
    np.testing.assert_allclose(long[0], unit(3, -5, -3), atol=1e-6)


def test_a_text_of_unknown_words_has_no_direction(tmp_path):
    write_pair(tmp_path)
    assert not open_text(tmp_path / "text_model.onnx").encode(["zebra"]).any()


def test_the_text_part_is_found_beside_the_image_part(tmp_path):
    vision = write_pair(tmp_path)
    assert text_beside(str(vision)) == tmp_path / "text_model.onnx"
    (tmp_path / "tokenizer.json").unlink()
    assert text_beside(str(vision)) is None


def test_the_tokenizer_may_lie_above_a_folder_onnx(tmp_path):
    vision = write_pair(tmp_path / "onnx")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "onnx" / name).rename(tmp_path / name)
    assert text_beside(str(vision)) == tmp_path / "onnx" / "text_model.onnx"
    assert open_text(tmp_path / "onnx" / "text_model.onnx").feature_size == 3


def test_other_files_are_no_text_part(tmp_path):
    write_pair(tmp_path)
    assert text_beside(str(nchw_model(tmp_path / "model.onnx"))) is None


def refusal(path):
    with pytest.raises(DataError) as caught:
        open_text(path)
    assert caught.value.field == "words"
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_image_network_takes_no_texts(tmp_path):
    write_pair(tmp_path)
    assert "takes no texts" in refusal(tmp_path / "vision_model.onnx")


def test_broken_files_are_refused(tmp_path):
    write_pair(tmp_path)
    text = tmp_path / "text_model.onnx"
    assert "cannot be read" in refusal(tmp_path / "missing.onnx")
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    assert "is no tokenizer" in refusal(text)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refusal(text)
    (tmp_path / "tokenizer.json").unlink()
    assert "no tokenizer.json beside it" in refusal(text)
    text.write_bytes(b"nothing")
    assert "no ONNX file" in refusal(text)


def test_damaged_settings_are_named(tmp_path):
    write_pair(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "tokenizer_config.json" in refusal(tmp_path / "text_model.onnx")


def test_senseless_settings_are_passed_over(tmp_path):
    write_pair(tmp_path)
    settings = {"model_max_length": 1e30, "pad_token": {"content": "[PAD]"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert open_text(tmp_path / "text_model.onnx").encode(["red"]).shape == (1, 3)


def test_custom_operators_are_refused(tmp_path):
    write_pair(tmp_path)

    def change(model):
        model.graph.node[0].domain = "elsewhere"

    assert "custom operator" in refusal(edited(tmp_path / "text_model.onnx", change))


def test_a_network_without_a_vector_is_refused(tmp_path):
    write_pair(tmp_path)

    def change(model):
        model.graph.node[-1].attribute[0].i = 1  # keeps the axis of the tokens

    assert "no output with one vector" in refusal(edited(tmp_path / "text_model.onnx", change))


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    write_pair(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingDependencyError, match=r"latentlab\[words\]"):
        open_text(tmp_path / "text_model.onnx")


def test_words_of_the_table_are_those_of_the_tokenizer(tmp_path):
    write_text(tmp_path / "text_model.onnx", size=8)
    write_pair(tmp_path / "other")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "other" / name).rename(tmp_path / name)
    encoder = open_text(tmp_path / "text_model.onnx")
    vectors = encoder.encode(list(WORDS))
    assert vectors.shape == (5, 8)
    assert len({tuple(row) for row in vectors.round(3).tolist()}) == 5
