"""Histograms of colours and of edges: lengths, what changes them and what does not."""

import numpy as np
import pytest

from latentlab.clustering import pixel_features
from latentlab.clustering.pixel_features import colour_histograms, edge_histograms


def pictures(channels=3, size=32, count=5):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def test_colours_are_shares_of_the_pixels_wherever_these_lie():
    images = pictures()
    histograms = colour_histograms(images)
    assert histograms.shape == (5, 64)
    np.testing.assert_allclose((histograms**2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(colour_histograms(images[:, ::-1, ::-1]), histograms)


def test_edges_are_seen_by_direction_and_place():
    across = np.zeros((1, 32, 32, 1), np.uint8)
    across[:, 8:] = 200  # a horizontal edge
    down = across.transpose(0, 2, 1, 3)
    horizontal = edge_histograms(across).reshape(9, 4, 9)
    vertical = edge_histograms(down).reshape(9, 4, 9)
    # Gradients of half a right turn differ: bins 4 and 5 of nine stand for 90 degrees.
    assert set(np.flatnonzero(horizontal.sum(axis=(0, 1)))) == {4, 5}
    assert set(np.flatnonzero(vertical.sum(axis=(0, 1)))) == {0}
    lit = np.flatnonzero(horizontal.sum(axis=(1, 2)))
    assert lit.tolist() == [0, 1, 2, 3, 4, 5]  # no edge in the lowest row of blocks


def test_edges_do_not_depend_on_brightness_or_contrast():
    images = pictures() // 2
    brighter = images + 60
    np.testing.assert_allclose(edge_histograms(brighter), edge_histograms(images), atol=1e-5)
    doubled = images * 2
    np.testing.assert_allclose(edge_histograms(doubled), edge_histograms(images), atol=1e-4)


@pytest.mark.parametrize("size", [4, 8, 28, 33])
@pytest.mark.parametrize(("channels", "bins"), [(1, 4), (3, 64)])
def test_any_size_and_number_of_channels(size, channels, bins):
    images = pictures(channels, size, 3)
    assert colour_histograms(images).shape == (3, bins)
    assert edge_histograms(images).shape == (3, 324)
    assert np.isfinite(edge_histograms(images)).all()


def test_even_pictures_have_no_edges():
    assert not edge_histograms(np.full((2, 8, 8, 3), 7, np.uint8)).any()


@pytest.mark.parametrize("histograms", [colour_histograms, edge_histograms])
def test_blocks_change_no_bit(histograms, monkeypatch):
    images = pictures(count=7)
    at_once = histograms(images)
    monkeypatch.setattr(pixel_features, "BLOCK_BYTES", 2 * images[0].nbytes)
    np.testing.assert_array_equal(histograms(images), at_once)
