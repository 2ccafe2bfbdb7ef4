"""How many threads scikit-learn takes for many small fits."""

import contextlib
from collections.abc import Iterator

# n * d * k of a fit. With up to so many, one thread is as fast as two on the wall, and takes half
# of their CPU-seconds: 1.28 million and 20 million were tried, with 2 cores.
SMALL_FIT = 20_000_000


@contextlib.contextmanager
def threads_for(shape: tuple[int, int], k: int) -> Iterator[None]:
    """Fit with one thread inside the context where fits are small.

    Threads of OpenMP wait for each other without sleeping. In small fits they mostly wait, and
    where other programs run, much longer than they compute.

    Parameters
    ----------
    shape : tuple of int
        Of the vectors, (n, d).
    k : int
        Largest number of clusters.
    """
    from threadpoolctl import threadpool_limits

    if shape[0] * shape[1] * k > SMALL_FIT:
        yield
        return
    with threadpool_limits(1):
        yield
