"""Sinkhorn's algorithm."""

import numpy as np

from latentlab.training.sinkhorn import sinkhorn


def test_sinkhorn_shares_out_evenly_without_overflow():
    scores = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    codes = np.asarray(sinkhorn(scores, 0.5, 50))
    np.testing.assert_allclose(codes.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(codes.sum(axis=0), 5, rtol=1e-2)
    assert np.isfinite(np.asarray(sinkhorn(scores, 1e-3, 3))).all()
