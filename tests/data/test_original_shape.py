"""The shape that images had before they were brought to one size."""

import numpy as np
import pytest
from PIL import Image

from latentlab.config import DataOptions
from latentlab.data import opening
from latentlab.data.original_shape import common_shape


def shape_of(path):
    options = DataOptions(data=str(path), size=32)
    return common_shape(opening.open_images(options), options)


@pytest.mark.parametrize(
    ("sizes", "mode", "shape"),
    [
        ([(20, 10)] * 3, "RGB", (10, 20, 3)),
        ([(20, 10)] * 3, "L", (10, 20, 1)),
        ([(20, 10), (20, 10), (21, 10)], "RGB", None),
    ],
)
def test_pictures_have_a_shape_if_all_have_the_same(tmp_path, sizes, mode, shape):
    for number, size in enumerate(sizes):
        Image.new(mode, size, 100).save(tmp_path / f"{number}.png")
    assert shape_of(tmp_path) == shape


def test_arrays_have_the_shape_of_their_images(tmp_path):
    np.save(tmp_path / "x.npy", np.full((4, 8, 6, 3), 99, np.uint8))
    assert shape_of(tmp_path / "x.npy") == (8, 6, 3)
