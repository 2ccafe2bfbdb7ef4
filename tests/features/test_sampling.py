"""Samples by id: the same images in any order, evenly from sorted data."""

import numpy as np

from latentlab.features.sampling import sample_by_id, sampled

IDS = np.array([f"class-{number // 1000}/{number}.png" for number in range(10_000)])


def test_a_sample_of_sorted_data_has_all_classes_alike():
    rows = sample_by_id(IDS, 1000, seed=0)
    counts = np.bincount(rows // 1000, minlength=10)
    assert len(rows) == 1000
    assert counts.min() > 60
    assert counts.max() < 140


def test_the_sample_depends_on_ids_and_seed_and_not_on_the_order():
    shuffled = np.random.default_rng(0).permutation(IDS)
    drawn = set(IDS[sample_by_id(IDS, 100, seed=0)])
    assert set(shuffled[sample_by_id(shuffled, 100, seed=0)]) == drawn
    assert set(IDS[sample_by_id(IDS, 100, seed=1)]) != drawn


def test_all_rows_are_taken_up_to_the_limit():
    np.testing.assert_array_equal(sample_by_id(IDS[:10], 10, seed=0), np.arange(10))


def test_a_sample_is_read_batch_by_batch_and_up_to_its_last_row():
    whole = np.arange(20).reshape(10, 2)

    def batches():
        yield whole[:4]
        yield whole[4:8]
        yield whole[8:]

    for limit in (1, 4, 9, 10):
        parts = list(sampled(batches(), np.arange(10), 0, limit))
        rows = sample_by_id(np.arange(10), limit, 0)
        np.testing.assert_array_equal(np.concatenate(parts), whole[rows])
