"""Feature vectors of the training images, which may not fit into memory at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Vectors:
    """The training images' feature vectors, read in parts.

    Attributes
    ----------
    n_images, n_dims : int
        Shape of the whole matrix.
    parts : callable
        parts() yields float32 matrices of shape (m, n_dims) that make up the whole. It can be
        called again.
    prototype_shares : callable or None
        prototype_shares() returns float32 (n_images, prototypes): how much of each prototype of
        the encoder's training an image is. None if the vectors do not come from a run.

    Examples
    --------
    >>> vectors = Vectors.of(np.zeros((3, 2), np.float32))
    >>> vectors.n_images, vectors.matrix().shape
    (3, (3, 2))
    """

    n_images: int
    n_dims: int
    parts: Callable[[], Iterator[np.ndarray]] = field(repr=False)
    prototype_shares: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, matrix: np.ndarray, prototype_shares: Callable[[], np.ndarray] | None = None
    ) -> "Vectors":
        """Wrap a matrix that is in memory.

        Parameters
        ----------
        matrix : ndarray of shape (n_images, n_dims), float32
        prototype_shares : callable or None
            See the class.
        """
        n_images, n_dims = matrix.shape
        return cls(n_images, n_dims, lambda: iter([matrix]), prototype_shares)

    def matrix(self) -> np.ndarray:
        """Return all vectors in memory, float32 (n_images, n_dims)."""
        return np.concatenate(list(self.parts()))
