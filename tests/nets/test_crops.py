"""Random views: drawn by seed alone, and doing to pixels what they say."""

import numpy as np
import pytest
from PIL import Image

from latentlab.nets import crops

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.random((5, *SHAPE)).astype(np.float32)


def unchanged(size: int = 32, **changes) -> np.ndarray:
    """Return numbers of the view that is the image itself, with some changed by position."""
    numbers = np.zeros((1, crops.N_NUMBERS), np.float32)
    numbers[0, :6] = 0, 32 / size, 0, 32 / size, 1, 0
    numbers[0, 6:15] = np.eye(3).ravel()
    for position, value in changes.items():
        numbers[0, int(position[1:])] = value
    return numbers


def applied(image, numbers, size=32):
    return np.asarray(crops.apply(image[None], numbers, size))[0]


def test_the_whole_image_comes_back_and_mirrored(images):
    np.testing.assert_allclose(applied(images[0], unchanged()), images[0], atol=1e-6)
    np.testing.assert_allclose(
        applied(images[0], unchanged(_2=32, _3=-1)), images[0][:, ::-1], atol=1e-6
    )


def test_crops_are_the_ones_asked_for(images):
    np.testing.assert_allclose(
        applied(images[1], unchanged(_0=8, _1=1, _2=4, _3=1), 16), images[1][8:24, 4:20], atol=1e-6
    )


def test_smaller_views_are_not_aliased(images):
    ours = applied(images[2], unchanged(16), 16)
    pillow = (
        np.asarray(
            Image.fromarray((images[2] * 255).astype(np.uint8)).resize(
                (16, 16), Image.Resampling.BILINEAR
            )
        )
        / 255
    )
    np.testing.assert_allclose(ours, pillow, atol=0.01)


def test_colours_change_as_they_should(images):
    luma = images[3] @ crops.LUMA
    grey = applied(
        images[3],
        unchanged(**{f"_{6 + i}": value for i, value in enumerate(np.tile(crops.LUMA, 3))}),
    )
    np.testing.assert_allclose(grey, np.repeat(luma[..., None], 3, axis=2), atol=1e-5)
    dark = applied(images[3], unchanged(_4=0.5))
    np.testing.assert_allclose(dark, images[3] / 2, atol=1e-6)
    flat = applied(images[3], unchanged(_4=0.0, _5=1.0))
    np.testing.assert_allclose(flat, luma.mean(), atol=1e-5)


def test_hue_turns_colours_and_leaves_grey_alone():
    kind = crops.ViewKind(32, (1.0, 1.0), (0, 0, 0, 0.5), jitter_chance=1.0, grey_chance=0.0)
    colours = crops.draw(kind, 50, SHAPE, np.random.default_rng(1))[:, 6:15].reshape(-1, 3, 3)
    np.testing.assert_allclose(colours @ np.ones(3), 1.0, atol=0.02)
    np.testing.assert_allclose(crops.LUMA @ colours, np.tile(crops.LUMA, (50, 1)), atol=0.02)
    assert np.abs(colours - np.eye(3)).max() > 0.5


def test_a_square_goes_missing(images):
    holed = applied(images[4], unchanged(_15=0.5, _16=0.5, _17=0.5))
    assert (holed[8:24, 8:24] == 0.5).all()
    np.testing.assert_allclose(holed[:8], images[4][:8], atol=1e-6)


def test_draws_stay_inside_the_image_and_follow_the_seed():
    kind = crops.ViewKind(18, (0.08, 0.4))
    numbers = crops.draw(kind, 500, SHAPE, np.random.default_rng(3))
    np.testing.assert_array_equal(numbers, crops.draw(kind, 500, SHAPE, np.random.default_rng(3)))
    ends = np.stack([numbers[:, 2], numbers[:, 2] + 18 * numbers[:, 3]])
    assert ends.min() > -1e-4
    assert ends.max() < 32 + 1e-4
    area = np.abs(18 * numbers[:, 1] * 18 * numbers[:, 3]) / 32**2
    assert 0.08 < area.mean() < 0.4
    assert 0.4 < (numbers[:, 3] < 0).mean() < 0.6
    assert (
        0.13
        < np.isclose(numbers[:, 6:15].reshape(-1, 3, 3), crops.LUMA).all(axis=(1, 2)).mean()
        < 0.27
    )


def test_grey_images_have_views_too():
    image = np.random.default_rng(0).random((1, 28, 28, 1)).astype(np.float32)
    kind = crops.ViewKind(24, (0.2, 1.0), cutout=0.5)
    view = np.asarray(
        crops.apply(image, crops.draw(kind, 1, (28, 28, 1), np.random.default_rng(0)), 24)
    )
    assert view.shape == (1, 24, 24, 1)
    assert 0 <= view.min() <= view.max() <= 1
