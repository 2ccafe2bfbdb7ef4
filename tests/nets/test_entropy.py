"""The effective number of clusters."""

import numpy as np
import pytest

from latentlab.nets.entropy import effective_number


def test_effective_clusters():
    assert effective_number(np.array([10, 10, 10, 10])) == pytest.approx(4)
    assert effective_number(np.array([40, 0, 0, 0])) == pytest.approx(1)


def test_effective_number_counts_equal_shares():
    assert effective_number(np.array([3, 3, 3, 0])) == pytest.approx(3)
    assert effective_number(np.array([7, 0])) == 1
