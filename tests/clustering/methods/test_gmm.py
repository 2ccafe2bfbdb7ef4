"""The Gaussian mixture agrees with scikit-learn's."""

import numpy as np
from helpers.clusterers import fitted


def test_mixture_agrees_with_scikit_learn():
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    matrix = np.concatenate(
        [rng.normal(0, 1, (200, 3)) @ rng.normal(0, 1, (3, 3)) + shift for shift in (0, 3)]
    ).astype(np.float32)
    ours = fitted("gmm", matrix, k=2, restarts=1)
    theirs = GaussianMixture(2, random_state=0, reg_covar=1e-6 * matrix.var(axis=0).mean()).fit(
        matrix
    )
    expected = theirs.predict_proba(matrix)
    found = ours.assign(matrix).soft
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(expected, axis=1), atol=1e-3)
