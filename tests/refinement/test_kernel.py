"""The kernel of soft assignments on small and large codes."""

import numpy as np
import pytest

from latentlab.refinement import kernel


def q_of(z, centers, alpha, scale):
    from latentlab.nets.layers import ClusteringLayer

    layer = ClusteringLayer(len(centers), alpha, scale)
    layer.build((None, centers.shape[1]))
    layer.set_centers(centers)
    return np.asarray(layer(z))


@pytest.mark.parametrize("unit", [0.001, 1.0, 30.0])
def test_on_a_large_code_q_starts_as_unsure_as_on_the_papers_ten_numbers(unit):
    """By default q is as unsure whatever the code's unit.

    At the published kernel, or at one scaled by the spread, q would be near uniform.
    """
    rng = np.random.default_rng(0)
    centers = 0.3 * unit * rng.normal(size=(10, 1024)).astype(np.float32)
    z = centers[rng.integers(0, 10, 200)] + unit * rng.normal(size=(200, 1024)).astype(np.float32)
    squared = np.square(z[:, None] - centers).sum(axis=2)
    alpha, scale = kernel.kernel_for(squared, 900.0, 1024, is_code=True, alpha=None, scale=None)
    q = q_of(z, centers, alpha, scale)
    entropy = -(q * np.log(q)).sum(axis=1).mean() / np.log(10)
    assert entropy == pytest.approx(kernel.UNCERTAINTY, abs=0.005)
    assert 0.25 < q.max(axis=1).mean() < 0.7
    for fixed in (1.0, float(squared.min(axis=1).mean())):
        assert q_of(z, centers, 1.0, fixed).max(axis=1).mean() < 0.15


def test_q_of_images_far_from_every_center_is_finite_with_many_degrees_of_freedom():
    q = q_of(1e4 * np.ones((3, 64), np.float32), np.eye(4, 64, dtype=np.float32), 63.0, 1.0)
    np.testing.assert_allclose(q, 0.25, atol=1e-3)


def test_the_published_kernel_stands_on_small_codes_and_what_is_given_stands_everywhere():
    squared = np.random.default_rng(0).uniform(900, 1100, (50, 4))
    assert kernel.kernel_for(squared, 900.0, 10, True, None, None) == (1.0, 1.0)
    assert kernel.kernel_for(squared, 900.0, 32, True, 2.0, None) == (2.0, 1.0)
    assert kernel.kernel_for(squared, 900.0, 1024, True, None, 5.0) == (1.0, 5.0)
    assert kernel.kernel_for(squared, 900.0, 1024, False, 3.0, 5.0) == (3.0, 5.0)
    assert kernel.kernel_for(squared, 900.0, 1024, True, 50.0, None)[0] == 50.0
    assert kernel.kernel_for(squared, 900.0, 1024, False, None, None) == (1.0, 900.0)


def test_a_kernel_that_cannot_be_sure_enough_is_as_narrow_as_it_gets():
    even = np.full((20, 4), 7.0)
    assert kernel.fitted_scale(even, 1.0) == pytest.approx(7.0 * kernel.NARROWEST, rel=1e-3)
    assert np.isfinite(kernel.fitted_scale(np.zeros((20, 4)), 1.0))
    assert np.isfinite(kernel.fitted_scale(even[:, :1], 1.0))
