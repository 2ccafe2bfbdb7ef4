"""Opening images: colours become grey."""

import numpy as np
import pytest

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.errors import ConfigError


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
