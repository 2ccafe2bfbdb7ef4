"""Clusters have canonical numbers."""

import numpy as np

from latentlab.clustering.assigned import canonical_order


def test_canonical_order_is_by_size_then_first_member():
    np.testing.assert_array_equal(canonical_order(np.array([2, 0, 0, 1, 3, 3, 3]), 4), [3, 0, 2, 1])
