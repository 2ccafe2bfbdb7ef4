"""Values that can be labels."""

import pytest

from latentlab.errors import DataError
from latentlab.scoring.labels import encode_labels
from latentlab.scoring.labels._listed import as_one_kind


def test_labels_that_are_no_labels_are_refused():
    assert encode_labels([1.0, float("nan"), 0.0])[0].tolist() == [1, -1, 0]
    for values in ([[1], [2]], [1, "a"], [b"a"], [1j]):
        with pytest.raises(DataError, match="all numbers or all text"):
            encode_labels(values)


def test_numbers_of_thousands_of_digits_are_words():
    many = "9" * 5000  # more than Python turns into a number
    assert as_one_kind([many, "1"]) == [many, "1"]
    assert as_one_kind(["9" * 18, "-1"]) == [10**18 - 1, -1]
