"""Strongly changed views: each operation does what it says, and nothing else happens."""

import numpy as np
import pytest

from latentlab.nets import strong_views
from latentlab.nets.strong_views import StrongKind

SHAPE = (12, 12, 3)
STILL = StrongKind(size=12, operations=0, smallest_crop=1.0, cutout=0.0)


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0.2, 0.6, (3, *SHAPE)).astype(np.float32)


@pytest.fixture
def numbers():
    """Return the numbers of whole, upright, unchanged views."""
    drawn = strong_views.draw(STILL, 3, SHAPE, np.random.default_rng(1))
    drawn[:, :4] = [0, 1, 0, 1]
    return drawn


def view(images, numbers):
    return np.asarray(strong_views.apply(images, numbers, STILL.size))


def test_without_operations_a_view_is_the_image(images, numbers):
    np.testing.assert_allclose(view(images, numbers), images, atol=1e-5)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (strong_views.BRIGHTNESS, 0.5, lambda x: x * 0.5),
        (strong_views.SOLARIZE, 0.0, lambda x: 1 - x),
        (strong_views.POSTERIZE, 16.0, lambda x: np.floor(x * 255 / 16) / 16),
        (strong_views.COLOUR, 0.0, lambda x: np.repeat(x @ [[0.299], [0.587], [0.114]], 3, -1)),
        (
            strong_views.AUTOCONTRAST,
            1.0,
            lambda x: (x - x.min((1, 2), keepdims=True)) / np.ptp(x, (1, 2), keepdims=True),
        ),
    ],
)
def test_an_operation_on_tone(images, numbers, column, value, expected):
    numbers[:, column] = value
    np.testing.assert_allclose(view(images, numbers), expected(images), atol=0.02)


def test_contrast_and_sharpness_keep_the_mean_and_lower_the_spread(images, numbers):
    for column in (strong_views.CONTRAST, strong_views.SHARPNESS):
        changed = numbers.copy()
        changed[:, column] = 0.1
        result = view(images, changed)
        assert result.std() < 0.7 * images.std()
        assert result.mean() == pytest.approx(images.mean(), abs=0.02)


def test_equalizing_evens_the_values(images, numbers):
    numbers[:, strong_views.EQUALIZE] = 1.0
    values = np.sort(view(images, numbers)[0, :, :, 0].ravel())
    assert np.abs(values - np.linspace(0, 1, len(values))).max() < 0.1


def test_geometry_turns_and_moves_what_is_seen_and_leaves_grey(numbers):
    image = np.zeros((3, *SHAPE), np.float32)
    image[:, 5:7, 5:7] = 1.0
    drawn = strong_views.draw(
        StrongKind(size=12, operations=14, cutout=0.0), 3, SHAPE, np.random.default_rng(0)
    )
    numbers[:, strong_views.AFFINE] = drawn[:, strong_views.AFFINE]
    moved = view(image, numbers)
    assert not np.allclose(moved, image)
    assert np.isclose(moved, strong_views.GREY).any()


def test_each_image_takes_as_many_operations_as_asked():
    takes = strong_views._draw_operations(4, 200, np.random.default_rng(0))
    counts = np.sum([*takes.values()], axis=0)
    np.testing.assert_array_equal(counts, 4)
    assert len(takes) == 14
    assert min(takes[name].sum() for name in takes) > 20


def test_grey_images_have_strong_views_too():
    kind = StrongKind(size=8)
    numbers = strong_views.draw(kind, 20, (8, 8, 1), np.random.default_rng(0))
    views = strong_views.apply(np.full((20, 8, 8, 1), 0.3, np.float32), numbers, 8)
    assert views.shape == (20, 8, 8, 1)
    assert 0 <= np.min(views) <= np.max(views) <= 1
