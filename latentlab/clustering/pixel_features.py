"""Small vectors straight from pixels: the histogram of the colours, and that of the edges.

Clusters of these vectors are what pictures give without any network. An encoder that finds no more
than they do has not been needed.
"""

from collections.abc import Callable

import numpy as np

BLOCK_BYTES = 1 << 19  # of pixels that are worked on at once: what is made of them stays in a cache
LEVELS = 4  # of each channel in the histogram of colours: 64 bins of RGB
ANGLES = 9  # bins of the directions of edges, over half a turn
CELLS = 4  # cells along each side of an image
BLOCK = 2  # cells along each side of a block, which is scaled to length 1 as a whole
CLIP = 0.2  # largest value of a scaled block, so that single strong edges do not rule it
SMALLEST = 1e-6


def colour_histograms(images: np.ndarray) -> np.ndarray:
    """Return the root of each image's joint histogram of colours, float32 (n, LEVELS**channels).

    The roots make Euclidean distances those of Hellinger, so that large even areas do not rule.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8

    Examples
    --------
    >>> red = np.zeros((1, 2, 2, 3), np.uint8)
    >>> red[..., 0] = 255
    >>> np.flatnonzero(colour_histograms(red)).tolist()
    [48]
    """
    return _in_blocks(_colour_histograms, images)


def _colour_histograms(images: np.ndarray) -> np.ndarray:
    n_images, height, width, channels = images.shape
    levels = images.astype(np.int64) * LEVELS // 256
    bins = levels @ LEVELS ** np.arange(channels)[::-1]
    return np.sqrt(_counts(bins.reshape(n_images, -1), LEVELS**channels) / (height * width))


def edge_histograms(images: np.ndarray) -> np.ndarray:
    """Return histograms of oriented gradients (HOG), float32 (n, 324) of images of any size.

    After Dalal and Triggs (2005): gradients of the channel where they are strongest, votes for the
    two nearest of 9 directions in each of 4 x 4 cells, and blocks of 2 x 2 cells, each scaled to
    length 1, clipped at 0.2 and scaled again. Pixels do not vote for neighbouring cells.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels), uint8
    """
    return _in_blocks(_edge_histograms, images)


def _in_blocks(make: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Return make(images), (n, d), of some images at a time."""
    size = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    # One block at least, so that no images give no rows of the right length.
    starts = range(0, max(1, len(images)), size)
    return np.concatenate([make(images[start : start + size]) for start in starts])


def _edge_histograms(images: np.ndarray) -> np.ndarray:
    strength, angle = _gradients(images.astype(np.float32))
    n_images, height, width = strength.shape

    # Each pixel votes for the two directions that are nearest, in its cell.
    below = np.floor(angle).astype(np.int64)
    share = angle - below
    cell = CELLS * _cells(height)[:, None] + _cells(width)
    cells = np.zeros((n_images, CELLS * CELLS * ANGLES), np.float32)
    for direction, votes in ((below, strength * (1 - share)), (below + 1, strength * share)):
        bins = cell * ANGLES + direction % ANGLES
        cells += _counts(bins.reshape(n_images, -1), cells.shape[1], votes.reshape(n_images, -1))

    blocks = _blocks(cells.reshape(n_images, CELLS, CELLS, ANGLES))
    blocks = _unit(np.minimum(_unit(blocks), CLIP))
    return blocks.reshape(n_images, -1)


def _gradients(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return strength and direction of the edges, (n, height, width); directions in [0, ANGLES)."""
    down = np.gradient(images, axis=1)
    across = np.gradient(images, axis=2)
    squared = down**2 + across**2
    strongest = squared.argmax(axis=-1)[..., None]
    down, across, squared = (
        np.take_along_axis(values, strongest, axis=-1)[..., 0] for values in (down, across, squared)
    )
    half_turns = np.arctan2(down, across) / np.pi % 1.0
    return np.sqrt(squared), half_turns * ANGLES


def _cells(length: int) -> np.ndarray:
    """Return the cell of each pixel along a side of `length` pixels."""
    return np.arange(length) * CELLS // length


def _blocks(cells: np.ndarray) -> np.ndarray:
    """Return overlapping blocks of BLOCK x BLOCK cells, (n, blocks, numbers)."""
    places = range(CELLS - BLOCK + 1)
    blocks = [
        cells[:, row : row + BLOCK, column : column + BLOCK].reshape(len(cells), -1)
        for row in places
        for column in places
    ]
    return np.stack(blocks, axis=1)


def _unit(blocks: np.ndarray) -> np.ndarray:
    return blocks / np.maximum(np.linalg.norm(blocks, axis=-1, keepdims=True), SMALLEST)


def _counts(bins: np.ndarray, n_bins: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the histogram of each row of `bins`, float32 (n, n_bins)."""
    n_rows = len(bins)
    rows = np.arange(n_rows)[:, None] * n_bins
    flat_weights = None if weights is None else weights.ravel()
    counts = np.bincount((rows + bins).ravel(), flat_weights, minlength=n_rows * n_bins)
    return counts.reshape(n_rows, n_bins).astype(np.float32)
