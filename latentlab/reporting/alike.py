"""Images that are alike: exact nearest neighbours by the cosine of what the map shows of an image.

A page that is a file holds the neighbours of its thumbnails; the viewer computes those of one image
among all images when it is asked.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentlab.features.neighbors import nearest_by_cosine
from latentlab.features.steps import unit
from latentlab.reporting import umap_map
from latentlab.storage.run import Run

MANY_NEIGHBOURS = 24
FEW_NEIGHBOURS = 12
FEW_IMAGES = 2_000  # with more thumbnails a page holds fewer neighbours of each
MOST_KEPT = 1_000_000_000  # bytes of vectors that stay in memory; more are read for every search


@dataclass(frozen=True)
class Neighbours:
    """The images nearest to one.

    Attributes
    ----------
    positions : list of int
        Their positions in the run, the nearest first.
    distances : list of float
        1 less the cosine, from 0 to 2.
    """

    positions: list[int]
    distances: list[float]


def nearest_among(run: Run, positions: np.ndarray) -> np.ndarray:
    """Return the nearest images of each of some images, among these.

    Parameters
    ----------
    run : Run
        A run with embedded images.
    positions : ndarray of shape (m,), int
        Positions of the images, in any order.

    Returns
    -------
    ndarray of shape (m, k), int32
        Indices into `positions`, the nearest first; k is 24, or 12 of more than 2,000 images.

    Raises
    ------
    RunError
        If the run holds no vectors.
    """
    count = MANY_NEIGHBOURS if len(positions) <= FEW_IMAGES else FEW_NEIGHBOURS
    count = min(count, len(positions) - 1)
    if count < 1:
        return np.empty((len(positions), 0), np.int32)
    ascending = np.argsort(positions, kind="stable")
    vectors = umap_map.mapped_vectors(run, positions[ascending])
    in_order = np.empty_like(vectors)
    in_order[ascending] = unit(vectors)
    return nearest_by_cosine(in_order, count).astype(np.int32)


class Search:
    """Searches all images of a run for those nearest to one; safe for threads.

    Parameters
    ----------
    run : Run
        A run with embedded images.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._in_memory: list[np.ndarray] | None = None
        self._lock = threading.Lock()  # the first search reads the vectors

    def nearest_to(self, position: int, count: int) -> Neighbours:
        """Return the images nearest to one image.

        Parameters
        ----------
        position : int
            Its position in the run.
        count : int
            Images, at most.

        Raises
        ------
        RunError
            If the run holds no vectors.
        """
        with self._lock:
            vector = self._vector(position)
            cosines = np.concatenate([part @ vector for part in self._parts()])
        cosines[position] = -np.inf  # an image is not its own neighbour
        count = min(count, len(cosines) - 1)
        if count < 1:
            return Neighbours([], [])
        candidates = np.argpartition(-cosines, count - 1)[:count]
        nearest = candidates[np.argsort(-cosines[candidates], kind="stable")]
        return Neighbours(nearest.tolist(), (1 - cosines[nearest]).clip(0, 2).round(5).tolist())

    def _vector(self, position: int) -> np.ndarray:
        """Return the vector of one image."""
        start = 0
        for part in self._parts():
            if position < start + len(part):
                return part[position - start]
            start += len(part)
        raise IndexError(position)

    def _parts(self) -> Iterator[np.ndarray]:
        """Yield the unit vectors of all images; they stay in memory if they are not too many."""
        if self._in_memory is not None:
            yield from self._in_memory
            return
        parts: list[np.ndarray] = []
        n_bytes = 0
        for part in _unit_vectors(self._run):
            n_bytes += part.nbytes
            if n_bytes <= MOST_KEPT:
                parts.append(part)
            yield part
        if n_bytes <= MOST_KEPT:
            self._in_memory = parts


def _unit_vectors(run: Run) -> Iterator[np.ndarray]:
    """Yield the vectors of each part, brought to length 1."""
    for vectors in umap_map.mapped_parts(run):
        yield unit(vectors).astype(np.float32, copy=False)
