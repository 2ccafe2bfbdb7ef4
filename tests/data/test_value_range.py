"""One scale for a set: which numbers become black and white."""

import numpy as np
import pytest

from latentlab.data.value_range import (
    ImageNumbers,
    Scale,
    ValueRange,
    dark_scale,
    full_scale,
    scale_of,
)
from latentlab.errors import ConfigError


def sample(*pictures):
    return [ImageNumbers.of(np.asarray(picture), "16-bit", 1000) for picture in pictures]


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "5,5", "9,1", "nan,1", "0,inf"])
def test_what_is_no_range_is_one_clear_line(text):
    with pytest.raises(ConfigError, match="a range is two numbers, LOW,HIGH"):
        ValueRange.of_text(text)


def test_equal_numbers_of_all_types_are_equal_pixels():
    numbers = np.arange(100, 128)
    scaled = ValueRange(90, 130).to_bytes(numbers)
    for kind in (np.uint8, np.int8, np.int16, ">u2", np.uint32, np.int64, np.float32, np.float64):
        np.testing.assert_array_equal(ValueRange(90, 130).to_bytes(numbers.astype(kind)), scaled)


def test_what_lies_beyond_is_black_or_white():
    assert ValueRange(-1, 1).to_bytes(np.array([-9.0, -1, 0, 1, 9])).tolist() == [
        0,
        0,
        128,
        255,
        255,
    ]


def test_the_range_is_that_of_the_whole_set():
    scale = scale_of(sample(np.full(1000, 100), np.full(1000, 900)), "pictures")
    assert scale.range == ValueRange(100, 900)


def test_a_few_hot_pixels_do_not_count():
    camera = np.linspace(130, 250, 100_000)
    camera[::20_000] = 60_000
    assert scale_of([ImageNumbers.of(camera, "16-bit", 100_000)], "pictures").range.high < 251


def test_a_rare_signal_counts_where_all_else_is_one_number():
    sparse = np.zeros(100_000, np.uint16)
    sparse[:10] = 500
    image = ImageNumbers.of(sparse, "16-bit", 1000)
    assert scale_of([image], "pictures").range == ValueRange(0, 500)


def test_a_constant_set_is_black_and_not_an_error():
    scale = scale_of(sample(np.full(10, 300)), "pictures")
    assert scale.range.to_bytes(np.array([300])).tolist() == [0]


def test_masks_get_the_range_of_their_numbers_and_photos_do_not():
    assert dark_scale(sample([0, 1], [0, 7]), "masks").range == ValueRange(0, 7)
    assert dark_scale(sample([0, 1], [0, 200]), "photos") == Scale()
    assert dark_scale(sample([0, 0]), "black") == Scale()


def test_a_range_reaches_pictures_of_eight_bits_only_if_it_is_theirs():
    for low, high, holds in ((0, 1, 1), (130, 250, 1), (0, 4095, 0), (-1, 1, 0), (0.002, 0.9, 0)):
        assert ValueRange(low, high).holds_for_bytes == bool(holds)


def test_without_a_range_the_format_says_what_is_white():
    assert full_scale(np.array([0, 65535], np.uint16)).tolist() == [0, 255]
    assert full_scale(np.array([0, 255], np.int32)).tolist() == [0, 255]
    with pytest.raises(ValueError, match="no known scale"):
        full_scale(np.array([-1.0, 1.0]))
