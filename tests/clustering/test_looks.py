"""What pictures look like, and what sets clusters apart by it."""

import numpy as np
import pytest

from latentlab.clustering.cluster_words import different_names
from latentlab.clustering.looks import Looks, looks_of_pixels, looks_of_shapes

SIDE = 8


def noisy(colour, count=20, seed=0):
    """Return images about one colour, uint8 (count, SIDE, SIDE, 3)."""
    rng = np.random.default_rng(seed)
    images = np.array(colour) + rng.normal(0, 8, (count, 1, 1, 3)) + np.zeros((SIDE, SIDE, 1))
    return np.clip(images, 0, 255).astype(np.uint8)


def looks_of(*groups):
    pixels = np.concatenate(groups)
    return Looks(np.arange(len(pixels)), looks_of_pixels(pixels))


CLUSTERS = np.repeat([0, 1], 20)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((30, 30, 30), (200, 200, 200), ("dark", "bright")),
        ((60, 60, 200), (160, 160, 10), ("bluish", "yellowish")),
        ((200, 60, 60), (60, 200, 60), ("reddish", "greenish")),
    ],
)
def test_colours_and_brightness_have_words(first, second, words):
    found = looks_of(noisy(first), noisy(second, seed=1)).words_of(CLUSTERS, 2)
    assert words[0] in found[0]
    assert words[1] in found[1]


def test_detail_is_seen():
    rng = np.random.default_rng(0)
    busy = rng.integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)
    found = looks_of(busy, noisy((128, 128, 128))).words_of(CLUSTERS, 2)
    assert "detailed" in found[0]
    assert "smooth" in found[1]


def test_like_clusters_have_no_words():
    both = looks_of(noisy((90, 120, 90), seed=3), noisy((90, 120, 90), seed=4))
    assert both.words_of(CLUSTERS, 2) == [[], []]


def test_few_images_say_nothing():
    both = looks_of(noisy((0, 0, 0), 4), noisy((255, 255, 255), 4))
    assert both.words_of(np.repeat([0, 1], 4), 2) == [[], []]


def test_dropped_images_do_not_count():
    both = looks_of(noisy((0, 0, 0)), noisy((255, 255, 255)))
    assert both.words_of(np.repeat([0, -1], 20), 2) == [[], []]


def test_grey_images_have_no_colours():
    looks = looks_of_pixels(np.zeros((2, SIDE, SIDE, 1), np.uint8))
    assert list(looks) == ["brightness", "contrast", "detail"]


def test_sizes_of_the_originals_have_words():
    widths = np.r_[np.full(20, 400.0), np.full(19, 100.0), np.nan]
    widths += np.arange(40)
    shapes = looks_of_shapes(widths, np.full(40, 200.0))
    found = Looks(np.arange(40), shapes).words_of(CLUSTERS, 2)
    assert found == [["large pictures", "wide pictures"], ["small pictures", "tall pictures"]] or (
        found == [["wide pictures", "large pictures"], ["tall pictures", "small pictures"]]
    )


def test_looks_are_read_as_they_were_written(tmp_path):
    looks = looks_of(noisy((1, 2, 3)))
    read = Looks.read(looks.write(tmp_path / "looks.npz"))
    assert read.positions.tolist() == looks.positions.tolist()
    assert read.values.keys() == looks.values.keys()


def test_a_smaller_difference_tells_clusters_with_one_first_word_apart():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(4), 50)
    bright = np.array([-1.0, -1.0, 1.0, 1.0])[clusters] + rng.normal(0, 0.3, 200)
    detail = np.array([0.4, -0.4, 0.0, 0.0])[clusters] + rng.normal(0, 0.6, 200)
    looks = Looks(np.arange(200), {"brightness": bright, "detail": detail})
    words = looks.words_of(clusters, 4)
    assert words == [["dark", "detailed"], ["dark", "smooth"], ["bright"], ["bright"]]
    assert different_names(words)[:2] == ["dark, detailed", "dark, smooth"]
    # Alone it is no name.
    only = Looks(np.arange(200), {"detail": detail})
    assert only.words_of(clusters, 4)[2:] == [[], []]


def test_very_dark_is_said_beside_dark_only():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(4), 50)

    def words(*means):
        bright = np.array(means)[clusters] + rng.normal(0, 0.3, 200)
        return Looks(np.arange(200), {"brightness": bright}).words_of(clusters, 4)

    assert words(-4, -2, 2, 2)[:2] == [["very dark"], ["dark"]]
    assert words(-4, 0, 0, 0)[0] == ["dark"]
