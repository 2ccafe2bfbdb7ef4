"""How alike two images are once one is laid on the other.

The target, or its mirror image, is laid on a rectangle of the source: two shifts and two scales,
found by Gauss-Newton steps (Lucas and Kanade 1981) that also fit brightness and contrast. Then,
where both show something, three correlations are taken:

- pixels: of the images, slightly blurred;
- edges: of what is finer than two small pixels, which skies and backgrounds do not share by chance;
- detail: the same after the contrast was made even over the image, so that one strong outline
  does not outweigh the rest.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.duplicate_candidates import THREADS, WINDOWS, Candidates
from latentlab.clustering.duplicate_pixels import SIDE

STEPS = 6
LARGEST_STEP = 0.06  # of a side
LARGEST_SHIFT = 0.25
SCALES = 0.7, 1.3
BLUR = 1.0  # small pixels
FINE_BLUR, COARSE_BLUR = 0.7, 2.0  # between them lie edges
SURROUNDINGS = 7  # small pixels over which contrast is made even
LEAST_COMMON = 0.5  # of the target that the source has to show
BLOCK = 1024  # pairs that are compared at once

_CENTERED = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32)


@dataclass(frozen=True)
class Likeness:
    """How alike the images of m pairs are, as arrays of shape (m,) but for the first.

    Attributes
    ----------
    places : ndarray of shape (m, 4), float32
        The rectangle of the source that the target shows: top, left, height and width, as shares
        of the source's sides.
    pixels, edges, detail : ndarray, float32
        Correlations, see above; 0 where too little is common.
    """

    places: np.ndarray
    pixels: np.ndarray
    edges: np.ndarray
    detail: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The mean of edges and detail, float32 (m,)."""
        return (self.edges + self.detail) / 2


def compare(grey: np.ndarray, pairs: Candidates) -> Likeness:
    """Lay the images of pairs on each other, and compare them.

    Parameters
    ----------
    grey : ndarray of shape (n, SIDE, SIDE), uint8
        Small images.
    pairs : Candidates
        m pairs, and where to begin.

    Returns
    -------
    Likeness
    """
    from threadpoolctl import threadpool_limits

    def compare_block(start: int) -> Likeness:
        return _compare(grey, pairs.subset(np.arange(start, min(start + BLOCK, count))))

    count = len(pairs.source)
    if not count:
        nothing = np.empty(0, np.float32)
        return Likeness(np.empty((0, 4), np.float32), nothing, nothing, nothing)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        blocks = list(pool.map(compare_block, range(0, count, BLOCK)))
    return Likeness(
        np.concatenate([block.places for block in blocks]),
        np.concatenate([block.pixels for block in blocks]),
        np.concatenate([block.edges for block in blocks]),
        np.concatenate([block.detail for block in blocks]),
    )


def laid_on(images: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what rectangles of images show, stretched to the whole, and where they show anything.

    Parameters
    ----------
    images : ndarray of shape (m, SIDE, SIDE), float32
        Small images.
    places : ndarray of shape (m, 4), float32
        Top, left, height and width of the rectangles, which may leave the images.

    Returns
    -------
    shown : ndarray of shape (m, SIDE, SIDE), float32
        By linear interpolation.
    inside : ndarray of shape (m, SIDE, SIDE), float32
        1 inside the image, else 0.
    """
    return _laid_on(images, _as_position(places))


def blurred(images: np.ndarray, width: float) -> np.ndarray:
    """Return images after a Gaussian blur.

    Parameters
    ----------
    images : ndarray of shape (m, SIDE, SIDE), float32
        Small images.
    width : float
        Standard deviation in small pixels.
    """
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(images, (0, width, width), mode="nearest")


def edges_of(images: np.ndarray) -> np.ndarray:
    """Return what is finer than two small pixels, float32 (m, SIDE, SIDE).

    Parameters
    ----------
    images : ndarray of shape (m, SIDE, SIDE), float32
        Small images.
    """
    return blurred(images, FINE_BLUR) - blurred(images, COARSE_BLUR)


def _compare(grey: np.ndarray, pairs: Candidates) -> Likeness:
    """Compare a block of pairs."""
    source = grey[pairs.source].astype(np.float32)
    target = grey[pairs.target].astype(np.float32)
    target = np.where(pairs.mirrored[:, None, None], target[:, :, ::-1], target)
    places = np.array(WINDOWS, np.float32)[pairs.window]
    smooth_source, smooth_target = blurred(source, BLUR), blurred(target, BLUR)
    position = _aligned(smooth_source, smooth_target, _as_position(places))

    # Pixels, and what is finer, where both show something.
    shown, inside = _laid_on(smooth_source, position)
    pixels = _correlation(shown, smooth_target, inside)
    source_edges, _ = _laid_on(edges_of(source), position)
    target_edges = edges_of(target)
    edges = _correlation(source_edges, target_edges, inside)
    detail = _correlation(_evened(source_edges, inside), _evened(target_edges, inside), inside)
    has_common = inside.mean(axis=(1, 2)) >= LEAST_COMMON
    return Likeness(
        _as_places(position),
        np.where(has_common, pixels, 0),
        np.where(has_common, edges, 0),
        np.where(has_common, detail, 0),
    )


# Positions: the centre of the rectangle relative to the image's, down and across, and its scales


def _as_position(places: np.ndarray) -> np.ndarray:
    centre = places[:, :2] + places[:, 2:] / 2 - 0.5
    return np.concatenate([centre, places[:, 2:]], axis=1)


def _as_places(position: np.ndarray) -> np.ndarray:
    corner = position[:, :2] + 0.5 - position[:, 2:] / 2
    return np.concatenate([corner, position[:, 2:]], axis=1).astype(np.float32)


def _aligned(source: np.ndarray, target: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the positions (m, 4) at which source and target fit best, near the given ones."""
    for _ in range(STEPS):
        position = position + _step(source, target, position)
        position[:, :2] = np.clip(position[:, :2], -LARGEST_SHIFT, LARGEST_SHIFT)
        position[:, 2:] = np.clip(position[:, 2:], *SCALES)
    return position


def _step(source: np.ndarray, target: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the change of the positions, float32 (m, 4), that least squares propose."""
    shown, inside = _laid_on(source, position)
    down = np.gradient(shown, axis=1) * (SIDE / position[:, 2, None, None])
    across = np.gradient(shown, axis=2) * (SIDE / position[:, 3, None, None])
    terms = [
        down,
        across,
        down * _CENTERED[:, None],
        across * _CENTERED[None, :],
        shown,
        np.ones_like(shown),
    ]
    count = len(source)
    design = np.stack(terms, axis=1).reshape(count, len(terms), -1)
    weighed = design * inside.reshape(count, 1, -1)
    square = (weighed @ design.transpose(0, 2, 1)).astype(np.float64)
    right = (weighed @ target.reshape(count, -1, 1)).astype(np.float64)
    # A little damping keeps flat images solvable.
    diagonal = np.arange(len(terms))
    square[:, diagonal, diagonal] *= 1.001
    square[:, diagonal, diagonal] += 1e-3
    solution = np.linalg.solve(square, right)[:, :, 0]
    contrast = solution[:, 4:5]
    contrast = np.where(np.abs(contrast) < 0.1, 0.1, contrast)
    step = np.clip(solution[:, :4] / contrast, -LARGEST_STEP, LARGEST_STEP)
    return step.astype(np.float32)


def _laid_on(images: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what `laid_on` does, of positions."""
    row = (0.5 + position[:, :1] + position[:, 2:3] * _CENTERED) * SIDE - 0.5
    column = (0.5 + position[:, 1:2] + position[:, 3:] * _CENTERED) * SIDE - 0.5
    inside = _is_inside(row)[:, :, None] & _is_inside(column)[:, None, :]
    first_row, row_rest = _cell(row)
    first_column, column_rest = _cell(column)
    number = np.arange(len(images))[:, None]
    above = images[number, first_row]
    rows = above + (images[number, first_row + 1] - above) * row_rest[:, :, None]
    left = np.take_along_axis(rows, first_column[:, None, :], axis=2)
    right = np.take_along_axis(rows, first_column[:, None, :] + 1, axis=2)
    return left + (right - left) * column_rest[:, None, :], inside.astype(np.float32)


def _is_inside(place: np.ndarray) -> np.ndarray:
    return (place > -0.75) & (place < SIDE - 0.25)


def _cell(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixel before each place, and how far behind it the place lies."""
    kept_in = np.clip(place, 0, SIDE - 1)
    first = np.minimum(kept_in.astype(np.int32), SIDE - 2)
    return first, (kept_in - first).astype(np.float32)


# Correlations


def _evened(edges: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return edges divided by their strength around, and half the mean strength."""
    from scipy.ndimage import uniform_filter

    around = (0, SURROUNDINGS, SURROUNDINGS)
    energy = uniform_filter((edges * inside) ** 2, around, mode="constant")
    strength = np.sqrt(np.maximum(energy, 0))
    mean_strength = strength.mean(axis=(1, 2), keepdims=True)
    return edges / (strength + mean_strength / 2 + 1e-3)


def _correlation(first: np.ndarray, second: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the correlation of each image with its partner where both show something, (m,)."""
    area = inside.sum(axis=(1, 2), keepdims=True) + 1e-6
    a = (first - (first * inside).sum(axis=(1, 2), keepdims=True) / area) * inside
    b = (second - (second * inside).sum(axis=(1, 2), keepdims=True) / area) * inside
    norms = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    return ((a * b).sum(axis=(1, 2)) / np.maximum(norms, 1e-3)).astype(np.float32)
