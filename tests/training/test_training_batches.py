"""Batches: order, validation part, batches made ahead."""

import threading

import numpy as np
import pytest
from helpers.runs import small_fit

from latentlab.data import opening
from latentlab.training.batches import Prefetch, batches, split_validation


def test_batches_depend_on_seed_and_epoch_only():
    indices = np.arange(50, 150)
    first = np.concatenate(list(batches(indices, 20, 0, 1)))
    assert sorted(first) == list(range(50, 150))
    np.testing.assert_array_equal(first, np.concatenate(list(batches(indices, 20, 0, 1))))
    assert not np.array_equal(first, np.concatenate(list(batches(indices, 20, 0, 2))))
    assert not np.array_equal(first, np.concatenate(list(batches(indices, 20, 1, 1))))


def test_batches_drop_the_short_rest_but_never_everything():
    assert [len(b) for b in batches(np.arange(25), 10, 0, 1)] == [10, 10]
    assert [len(b) for b in batches(np.arange(7), 10, 0, 1)] == [7]


def test_validation_part_comes_from_the_training_split_only(data):
    images = opening.open_images(data)
    fit_part, validation = split_validation(images, small_fit())
    assert len(validation) == 12
    assert not set(fit_part) & set(validation)
    assert set(images.splits[np.concatenate([fit_part, validation])]) == {"train"}


def test_what_is_made_ahead_comes_in_order_and_so_do_errors():
    def items():
        yield from range(3)
        raise ValueError("the fourth")

    seen = []
    with (
        pytest.raises(ValueError, match="the fourth"),
        Prefetch(items()) as ready,
    ):
        for item in ready:
            seen.append(item)  # noqa: PERF402 - what came before the error counts
    assert seen == [0, 1, 2]
    with Prefetch(iter([5, 6])) as ready:
        assert list(ready) == [5, 6]
    with Prefetch(items()) as ready:
        assert next(ready) == 0
    begun = threading.Event()
    with Prefetch(begun.set() or item if item else item for item in range(2)) as ready:
        assert next(ready) == 0
        assert begun.wait(60)  # the next one is made while this one is held
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
