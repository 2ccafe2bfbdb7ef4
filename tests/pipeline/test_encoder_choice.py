"""choose-encoder on small ONNX networks."""

import numpy as np
import pytest
from helpers import onnx_models
from helpers.pictures import pictures

from latentlab.clustering.encoder_criteria import CRITERIA
from latentlab.config import DataOptions
from latentlab.data.pictures.resizing import as_picture
from latentlab.errors import ConfigError, DataError
from latentlab.pipeline import encoder_choice
from latentlab.pipeline.encoder_choice import choose_encoder, hits_elsewhere


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(pictures(30)):
        as_picture(picture).save(path / f"{number:02d}.png")
    (path / "broken.png").write_bytes(b"no picture")
    return path


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch):
    """Shipped encoders would need TensorFlow, and tests of the command line run them."""
    monkeypatch.setattr(encoder_choice, "names_at_hand", list)


def test_every_encoder_gets_values_and_ranks(folder, tmp_path):
    files = [
        str(onnx_models.nchw_model(tmp_path / "first.onnx")),
        str(onnx_models.nchw_model(tmp_path / "second.onnx", size=32)),
    ]
    choice = choose_encoder(DataOptions(data=str(folder)), files, k=3)
    assert choice.images == 30
    assert choice.ks == (3,)
    assert sorted(each.encoder for each in choice.encoders) == files
    for each in choice.encoders:
        assert set(each.ranks) <= {1, 2}
        assert all(-1 <= each.values.value(name) <= 1 for name in CRITERIA)
    again = choose_encoder(DataOptions(data=str(folder)), files, k=3)
    assert again == choice


def test_too_few_pictures_are_refused(folder, tmp_path):
    file = str(onnx_models.nchw_model(tmp_path / "first.onnx"))
    with pytest.raises(DataError, match="at least 20 images"):
        choose_encoder(DataOptions(data=str(folder)), [file], sample=10)


@pytest.mark.parametrize("k", [1, 30])
def test_a_k_that_fits_no_images_is_refused(folder, tmp_path, k):
    file = str(onnx_models.nchw_model(tmp_path / "first.onnx"))
    with pytest.raises(ConfigError, match="less than the 30 images"):
        choose_encoder(DataOptions(data=str(folder)), [file], k=k)


def test_an_unknown_encoder_is_refused(folder):
    with pytest.raises(ConfigError, match="unknown encoder"):
        choose_encoder(DataOptions(data=str(folder)), ["nothing"])


def test_zooming_keeps_the_shape_and_the_middle():
    images = np.zeros((1, 20, 20, 3), np.uint8)
    images[:, 8:12, 8:12] = 255
    zoomed = encoder_choice._zoomed(images)
    assert zoomed.shape == images.shape
    assert zoomed.mean() > images.mean()
    assert (zoomed[0, 9:11, 9:11] == 255).all()


def test_hits_name_their_source():
    _, source = hits_elsewhere()
    assert "scripts/bench_folders.py" in source
