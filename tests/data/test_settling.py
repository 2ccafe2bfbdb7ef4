"""A run keeps how much was held out, whatever is added to its data later on."""

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.images import from_array
from latentlab.data.settling import settled


def image_set(splits):
    return from_array("x", np.zeros((len(splits), 8, 8, 3), np.uint8), np.array(splits))


def test_the_share_is_kept_as_a_number():
    data = DataOptions(data="x")
    assert settled(data, image_set(["train", "train"])).held_out == 0.0
    assert settled(data, image_set(["train", "test"])).held_out == 0.2


def test_what_a_user_says_stays():
    data = DataOptions(data="x", held_out=0.5)
    assert settled(data, image_set(["train", "train"])) == data
