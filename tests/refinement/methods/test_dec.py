"""The target distribution of DEC."""

import numpy as np

from latentlab.refinement.methods.dec import target_distribution


def test_target_distribution_is_the_papers():
    q = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]], np.float32)
    f = q.sum(axis=0)
    expected = np.array(
        [
            [row[j] ** 2 / f[j] / sum(row[i] ** 2 / f[i] for i in range(2)) for j in range(2)]
            for row in q
        ]
    )
    np.testing.assert_allclose(target_distribution(q), expected, rtol=1e-5)
