"""A random sample of rows by their names: the same images, in whatever order they come."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

SAMPLE = 50_000  # training images that feature steps learn from, at most
_DIGEST_BYTES = 8


def sample_by_id(ids: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return the rows of a random sample, ascending.

    An id is drawn by its own hash. So the sample depends on the ids and the seed, and not on the
    order of the ids: data that are sorted by class give a sample of all classes.

    Parameters
    ----------
    ids : ndarray of shape (n,), str or int
        Names of the rows.
    limit : int
        Rows of the sample; all of them if there are no more.
    seed : int
        Another seed draws another sample.

    Returns
    -------
    ndarray of shape (min(n, limit),), int
        Rows.

    Examples
    --------
    >>> ids = np.array(["a", "b", "c", "d"])
    >>> rows = sample_by_id(ids, 2, seed=0)
    >>> backwards = sample_by_id(ids[::-1], 2, seed=0)
    >>> sorted(ids[rows]) == sorted(ids[::-1][backwards])
    True
    """
    if len(ids) <= limit:
        return np.arange(len(ids))
    start = hashlib.blake2b(f"{seed}\n".encode(), digest_size=_DIGEST_BYTES)
    places = np.empty(len(ids), np.uint64)
    for row, name in enumerate(ids.tolist()):
        state = start.copy()
        state.update(str(name).encode())
        places[row] = int.from_bytes(state.digest(), "big")
    return np.sort(np.argpartition(places, limit)[:limit])


def sampled(
    batches: Iterable[np.ndarray], ids: np.ndarray, seed: int, limit: int = SAMPLE
) -> Iterator[np.ndarray]:
    """Yield a random sample of the rows of batches, batch by batch, in their order.

    Parameters
    ----------
    batches : iterable of ndarray of shape (m, d)
        They make up n rows; one at a time is in memory.
    ids : ndarray of shape (n,), str or int
        Names of the rows, by which they are drawn as by `sample_by_id`.
    seed : int
        Another seed draws another sample.
    limit : int
        Rows of the sample; all of them if there are no more.

    Examples
    --------
    >>> batches = [np.array([[0], [1]]), np.array([[2], [3]])]
    >>> len(np.concatenate(list(sampled(batches, np.arange(4), seed=0, limit=3))))
    3
    """
    rows = sample_by_id(ids, limit, seed)
    start = 0
    for batch in batches:
        first, last = np.searchsorted(rows, [start, start + len(batch)])
        if last - first == len(batch):
            yield batch
        elif last > first:
            yield batch[rows[first:last] - start]
        start += len(batch)
        if last == len(rows):
            return
