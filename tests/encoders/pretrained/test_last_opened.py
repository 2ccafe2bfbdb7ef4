"""An encoder is opened once, and again when one of its files has changed."""

import os

import pytest
from helpers import onnx_models as made

from latentlab.encoders.pretrained.card import EncoderSettings
from latentlab.encoders.pretrained.onnx_files import open_onnx
from latentlab.errors import DataError


@pytest.fixture
def path(tmp_path):
    return made.nchw_model(tmp_path / "net.onnx")


def opened(path, **settings):
    return open_onnx(path, EncoderSettings(**settings))


def test_the_same_file_is_opened_once(path):
    assert opened(path) is opened(path)
    assert opened(path, mean="0.5") is not opened(path)


def test_only_the_last_one_is_kept(path, tmp_path):
    first = opened(path)
    opened(made.nchw_model(tmp_path / "other.onnx"))
    assert opened(path) is not first


def test_another_content_of_the_same_length_and_time_is_opened_anew(path):
    before = path.stat()
    first = opened(path)
    content = bytearray(path.read_bytes())
    spot = content.index(b"features")
    content[spot : spot + 8] = b"FEATURES"
    other = path.with_suffix(".new")
    other.write_bytes(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_size == before.st_size
    with pytest.raises(DataError):
        opened(path)  # the changed name is that of no layer
    assert first.card.output == "features"


def test_settings_that_come_beside_it_are_read(path):
    first = opened(path)
    config = path.with_name("preprocessor_config.json")
    config.write_text('{"image_mean": [0.1], "image_std": [0.2]}')
    second = opened(path)
    assert second.card.preprocessing.mean != first.card.preprocessing.mean
    config.unlink()
    assert opened(path).card == first.card


def test_a_file_that_is_gone_is_not_there(path):
    opened(path)
    path.unlink()
    with pytest.raises(DataError):
        opened(path)
