"""Weights of the head of SwAV."""

import numpy as np
import pytest

from latentlab.training.swav_weights import HeadWeights


def test_head_weights_are_named_in_the_order_of_files():
    shapes = [(6, 4), (4,), (4,), (4,), (4,), (4, 3), (3,), (3, 5)]
    encoder = [np.zeros((2, 2))]
    above = [np.full(shape, number) for number, shape in enumerate(shapes)]
    head = HeadWeights.of([*encoder, *above])
    assert head.sizes() == {"hidden": 4, "projection": 3, "prototypes": 5}
    assert [array[(0,) * array.ndim] for array in head.projector_weights()] == [*range(7)]
    with pytest.raises(ValueError, match="no projection head"):
        HeadWeights.of(above[:5])
