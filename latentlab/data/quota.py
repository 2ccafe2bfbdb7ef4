"""The first images of each split, up to a limit."""

import numpy as np

from latentlab.data.splits import TEST, TRAIN


class Quota:
    """Takes the first images of each split, up to a limit.

    Parameters
    ----------
    limit : int or None
        Images of each split, at most.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._counts = {TRAIN: 0, TEST: 0}
        self._has_refused = False

    @property
    def is_full(self) -> bool:
        """Whether no further image can be taken."""
        return self._limit is not None and min(self._counts.values()) >= self._limit

    @property
    def is_cut(self) -> bool:
        """Whether there were images beyond the limit, or may have been: nobody asks when full."""
        return self._has_refused or self.is_full

    def take(self, splits: np.ndarray) -> np.ndarray:
        """Return the positions of the images to take from a shard, ascending.

        Parameters
        ----------
        splits : ndarray of shape (m,), str
            "train" or "test" for each image of the shard.
        """
        if self._limit is None:
            return np.arange(len(splits))
        positions = []
        for split in self._counts:
            room = self._limit - self._counts[split]
            members = np.flatnonzero(splits == split)[:room]
            self._counts[split] += len(members)
            positions.append(members)
        taken = np.sort(np.concatenate(positions))
        self._has_refused |= len(taken) < len(splits)
        return taken
