"""Which labels to trust."""

import numpy as np

from latentlab.refinement.trusted import agreement_with_neighbors, trusted_images


def test_images_are_trusted_that_are_sure_and_among_their_like():
    q = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]] + [[0.1, 0.9]] * 2)
    neighbors = np.array([[1, 2], [0, 2], [4, 5], [0, 1], [5, 2], [4, 3]])
    np.testing.assert_allclose(
        agreement_with_neighbors(q.argmax(axis=1), neighbors), [1, 1, 0, 1, 0.5, 0.5]
    )
    np.testing.assert_array_equal(
        trusted_images(q, neighbors, 0.8, 0.5), [True, True, False, False, True, True]
    )


def test_no_cluster_goes_without_a_trusted_image():
    q = np.array([[0.9, 0.1]] * 4 + [[0.45, 0.55], [0.4, 0.6]])
    neighbors = np.array([[1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1]])
    trusted = trusted_images(q, neighbors, 0.8, 0.5)
    np.testing.assert_array_equal(trusted, [True] * 4 + [False, True])
