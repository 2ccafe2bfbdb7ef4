"""Opening images: colours become grey."""

import numpy as np
import pytest
from helpers.runs import make_stripes
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError, DataError


def test_colours_become_grey_as_pictures_do(stripes_file):
    from PIL import Image

    coloured = opening.open_images(DataOptions(data=str(stripes_file)))
    grey = opening.open_images(DataOptions(data=str(stripes_file), channels=1))
    assert grey.image_shape == (16, 16, 1)
    chosen = np.arange(len(coloured))
    pixels = np.stack(
        [np.asarray(Image.fromarray(image).convert("L")) for image in coloured.read(chosen)]
    )
    np.testing.assert_array_equal(grey.read(chosen)[..., 0], pixels)
    with pytest.raises(ConfigError, match="1 or 3 channels, not 4"):
        opening.open_images(DataOptions(data=str(stripes_file), channels=4))


def test_limits_refuse_and_can_be_raised(tmp_path):
    Image.new("L", (300, 300)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="raise `max_pixels`"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=89_999))
    assert len(opening.open_images(DataOptions(data=str(tmp_path), max_pixels=90_000))) == 1
    np.savez(tmp_path / "x.npz", images=make_stripes(10)[0])
    with pytest.raises(DataError, match="raise `max_bytes`"):
        opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=7000))
    assert len(opening.open_images(DataOptions(data=str(tmp_path / "x.npz"), max_bytes=9000))) == 10
    with pytest.raises(ConfigError, match="`max_pixels=-1`: must be at least 1"):
        opening.open_images(DataOptions(data=str(tmp_path), max_pixels=-1))


def test_sources_resolve_by_name_and_path(tmp_path):
    (tmp_path / "x.npy").write_text("")
    assert opening.resolve(DataOptions(data="digits")) == "digits"
    assert opening.resolve(DataOptions(data=str(tmp_path / "x.npy"))) == "arrays"
    assert opening.resolve(DataOptions(data=str(tmp_path))) == "folder"
