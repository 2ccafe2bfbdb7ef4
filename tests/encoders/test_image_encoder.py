"""The encoder of a run is opened again only as it was."""

import pytest
from helpers.onnx_models import nchw_model, write_config
from helpers.pictures import pictures
from PIL import Image

from latentlab import pipeline
from latentlab.config import DataOptions
from latentlab.encoders.image_encoder import open_pretrained_of
from latentlab.errors import RunError

SIZE = 16


@pytest.fixture
def run(tmp_path):
    """A run with a network that has settings beside it."""
    (tmp_path / "pictures").mkdir()
    for number, pixels in enumerate(pictures(12)):
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number:02d}.png")
    encoder = nchw_model(tmp_path / "net" / "net.onnx", size=SIZE)
    write_config(tmp_path / "net", image_mean=0.5, image_std=0.5)
    data = DataOptions(data=str(tmp_path / "pictures"))
    return pipeline.use_encoder(data, str(encoder), tmp_path / "run")


def test_settings_that_are_gone_are_noticed(run, tmp_path):
    assert open_pretrained_of(run).card.preprocessing.mean == (0.5,) * 3
    (tmp_path / "net" / "preprocessor_config.json").unlink()
    with pytest.raises(RunError, match="the settings beside it are gone or others"):
        open_pretrained_of(run)


def test_another_file_and_a_damaged_one_are_noticed(run, tmp_path):
    path = tmp_path / "net" / "net.onnx"
    nchw_model(path, size=SIZE, metadata={"licence": "another"})
    with pytest.raises(RunError, match="its content differs"):
        open_pretrained_of(run)
    path.write_bytes(b"damaged")
    with pytest.raises(RunError, match="cannot be opened.*no ONNX file.*Put its file back"):
        open_pretrained_of(run)
