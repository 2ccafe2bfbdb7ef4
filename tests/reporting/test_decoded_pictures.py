"""Which decoded mean codes a page shows."""

import numpy as np

from latentlab.reporting.decoded_pictures import say_something

RAMP = np.linspace(0, 255, 64).reshape(8, 8, 1).astype(np.uint8)


def test_even_pictures_say_nothing():
    grey = np.full_like(RAMP, 90)
    assert say_something(np.stack([RAMP, grey, RAMP[::-1]])).tolist() == [True, False, True]


def test_pictures_that_are_all_the_same_say_nothing():
    assert not say_something(np.stack([RAMP, RAMP, RAMP])).any()
    assert say_something(RAMP[None]).tolist() == [True]


def test_no_cluster():
    assert say_something(np.empty((0, 8, 8, 1), np.uint8)).tolist() == []
