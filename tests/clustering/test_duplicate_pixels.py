"""Small versions of images."""

import numpy as np
import pytest

from latentlab.clustering import duplicate_pixels as small


def test_images_of_any_size_are_resized_to_averages():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 20, 24, 3))
    assert small.resized(pixels, 16).mean() == pytest.approx(pixels.mean())
    assert small.resized(np.full((1, 7, 9, 1), 5.0), 16) == pytest.approx(
        np.full((1, 16, 16, 1), 5.0)
    )


def test_bars_are_even_and_on_one_axis():
    pixels = np.full((4, 50, 50, 3), 100, np.uint8)
    pixels[0, :5] = pixels[0, -6:] = 0
    pixels[1, :, :9] = pixels[1, :, -9:] = 255
    pixels[2, :5] = 0
    pixels[3, :5] = pixels[3, -5:] = pixels[3, :, :5] = pixels[3, :, -5:] = 0
    assert small.bars_of(pixels).tolist() == [[6, 0], [0, 9], [0, 0], [0, 0]]
