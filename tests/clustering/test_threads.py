"""Small fits take one thread, large ones all."""

import sklearn.cluster  # noqa: F401  # brings the libraries with threads
from threadpoolctl import threadpool_info

from latentlab.clustering.threads import SMALL_FIT, threads_for


def threads():
    return [library["num_threads"] for library in threadpool_info()]


def test_small_fits_take_one_thread_and_large_ones_as_many_as_before():
    before = threads()
    with threads_for((100, 10), 5):
        assert set(threads()) == {1}
    assert threads() == before
    with threads_for((SMALL_FIT, 2), 5):
        assert threads() == before
