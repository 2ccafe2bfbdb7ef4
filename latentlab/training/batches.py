"""Which images are trained on, in which order, and read while the device computes."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import numpy as np

from latentlab.config import FitOptions
from latentlab.data.images import TRAIN, ImageSet
from latentlab.errors import TrainingError

Item = TypeVar("Item")
_END: Any = object()  # stands for the end of the items


def split_validation(images: ImageSet, options: FitOptions) -> tuple[np.ndarray, np.ndarray]:
    """Return the images to train on and those for validation, both from the training split.

    Parameters
    ----------
    images : ImageSet
        Images of all splits.
    options : FitOptions
        `validation` is the share for validation; `seed` draws it.

    Returns
    -------
    tuple of ndarray of int
        Sorted positions in `images`: of the images to train on, and of the validation images.

    Raises
    ------
    TrainingError
        If there are fewer than two training images.
    """
    # At least one image for validation, and one to train on.
    members = images.indices(TRAIN)
    wanted = max(1, round(options.validation * len(members)))
    count = min(wanted, len(members) - 1)
    if count < 1:
        raise TrainingError(
            f"{images.name}: {len(members)} training images are too few to train on;"
            " at least 2 are needed."
        )
    order = np.random.default_rng([options.seed, 1]).permutation(members)
    return np.sort(order[count:]), np.sort(order[:count])


def batches(indices: np.ndarray, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Yield the shuffled batches of one epoch.

    The last, short batch is left out unless it is the only one: every step has the same shape.

    Parameters
    ----------
    indices : ndarray of shape (n,)
        Positions of the images.
    batch_size : int
        Images per batch.
    seed, epoch : int
        The order depends on both and on nothing else.

    Yields
    ------
    ndarray of shape (batch_size,)

    Examples
    --------
    >>> [len(batch) for batch in batches(np.arange(25), 10, seed=0, epoch=1)]
    [10, 10]
    >>> [len(batch) for batch in batches(np.arange(7), 10, seed=0, epoch=1)]
    [7]
    """
    order = np.random.default_rng([seed, 2, epoch]).permutation(indices)
    # Where whole batches end.
    stop = len(order)
    if len(order) >= batch_size:
        stop -= len(order) % batch_size
    for start in range(0, stop, batch_size):
        yield order[start : start + batch_size]


def steps_per_epoch(n_images: int, batch_size: int) -> int:
    """Return the number of training steps of one epoch, as `batches` yields them.

    Parameters
    ----------
    n_images : int
        Images to train on.
    batch_size : int
        Images per step.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> steps_per_epoch(25, 10)
    2
    """
    return max(1, n_images // batch_size)


class Prefetch(Generic[Item]):
    """An iterator that makes its next item in another thread while the current one is in use.

    The device then need not wait for the processor. It is a context manager: its end waits for
    the thread. An exception of `items` is raised where the item would have been returned.

    Parameters
    ----------
    items : iterator
        Makes the items.

    Examples
    --------
    >>> with Prefetch(iter([5, 6])) as ready:
    ...     list(ready)
    [5, 6]
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._following: Future[Item] = self._submit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        item = self._following.result()
        if item is _END:
            raise StopIteration
        self._following = self._submit()
        return item

    def _submit(self) -> "Future[Item]":
        return self._pool.submit(next, self._items, _END)
