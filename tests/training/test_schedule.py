"""The schedule of the learning rate."""

import pytest
from helpers.runs import small_fit

from latentlab.training.schedule import learning_rate


def test_cosine_schedule_starts_at_the_rate_and_ends_near_zero():
    options = small_fit(schedule="cosine", learning_rate=0.1)
    assert learning_rate(options, 0, 100) == pytest.approx(0.1)
    assert learning_rate(options, 50, 100) == pytest.approx(0.05)
    assert learning_rate(options, 99, 100) < 1e-4
    assert learning_rate(small_fit(schedule="constant", learning_rate=0.1), 99, 100) == 0.1
