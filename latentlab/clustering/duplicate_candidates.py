"""Pairs of images that may be duplicates, by what their low frequencies have in common.

A descriptor holds the first `FREQUENCIES` x `FREQUENCIES` frequencies of a small grey image
(discrete cosine transform) without the first one, the brightness. Each is divided by its usual size
in the collection, and the descriptor has length 1: contrast does not count, and descriptors of
different images are nearly at right angles. Frequencies that are odd from left to right change
their sign in the mirror image, so that one pair of products compares both.

Each image, and five windows of it that show 77% of its area, are compared with all images.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.duplicate_pixels import SIDE

FREQUENCIES = 7
LIKENESS = 0.78  # cosine of descriptors from which pairs are compared
LIKENESS_OF_NEIGHBORS = 0.6  # the same for nearest ones by the encoder
CUT = 0.12  # of a side that windows leave out
ROWS = 512  # of a block of products, which stays in a processor's cache
COLUMNS = 1024
THREADS = 2
SHARD = 8192  # images that are described at once
SUGGESTED = 32_768  # pairs of the encoder that are looked at at once
PAIRS_PER_IMAGE = 4  # at most, on average; above, the less alike ones are dropped
MORE_PAIRS = 10_000
SAMPLE = 10_000  # images that give the frequencies' usual sizes

# Top, left, height and width, as shares of the sides.
WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    (0.0, 0.0, 1 - CUT, 1 - CUT),
    (0.0, CUT, 1 - CUT, 1 - CUT),
    (CUT, 0.0, 1 - CUT, 1 - CUT),
    (CUT, CUT, 1 - CUT, 1 - CUT),
    (CUT / 2, CUT / 2, 1 - CUT, 1 - CUT),
)


@dataclass(frozen=True)
class Candidates:
    """Pairs to compare, as arrays of shape (m,).

    Attributes
    ----------
    source, target : ndarray, int
        Positions of the images.
    window : ndarray, int
        Number of the window of the source, in `WINDOWS`, that is like the whole target.
    mirrored : ndarray, bool
        Whether it is like the mirror image of the target.
    likeness : ndarray, float32
        Cosine of the descriptors.
    """

    source: np.ndarray
    target: np.ndarray
    window: np.ndarray
    mirrored: np.ndarray
    likeness: np.ndarray

    def subset(self, chosen: np.ndarray) -> "Candidates":
        """Return some of the pairs.

        Parameters
        ----------
        chosen : ndarray of int or bool
            Which.
        """
        return Candidates(
            self.source[chosen],
            self.target[chosen],
            self.window[chosen],
            self.mirrored[chosen],
            self.likeness[chosen],
        )


class Descriptors:
    """Makes descriptors of windows of small images.

    Parameters
    ----------
    grey : ndarray of shape (n, SIDE, SIDE), uint8
        A collection, or a sample of it, that says how large frequencies are.
    """

    def __init__(self, grey: np.ndarray) -> None:
        self._transforms = [_transform(window) for window in WINDOWS]
        spread = _flat(grey) @ self._transforms[0]
        lengths = np.linalg.norm(spread, axis=1, keepdims=True)
        usual = np.sqrt(np.mean((spread / np.maximum(lengths, 1)) ** 2, axis=0))
        self._weights = 1 / np.maximum(usual, 1e-3)

    def describe(self, grey: np.ndarray, window: int = 0) -> np.ndarray:
        """Return the descriptors of one window of images, float32 (n, d).

        Parameters
        ----------
        grey : ndarray of shape (n, SIDE, SIDE), uint8
            Small images.
        window : int
            Its number in `WINDOWS`.
        """
        parts = []
        for start in range(0, len(grey), SHARD):
            raw = _flat(grey[start : start + SHARD]) @ self._transforms[window]
            raw *= self._weights
            lengths = np.linalg.norm(raw, axis=1, keepdims=True)
            # Of an image without any structure all is noise.
            parts.append(np.where(lengths > 1, raw / np.maximum(lengths, 1), 0))
        return np.concatenate(parts).astype(np.float32)


def candidates(grey: np.ndarray, neighbors: np.ndarray | None) -> Candidates:
    """Return the pairs to compare, each with the window that is most alike.

    Parameters
    ----------
    grey : ndarray of shape (n, SIDE, SIDE), uint8
        Small images.
    neighbors : ndarray of shape (n, m), int, or None
        Nearest images of each by the encoder, which count even if they are a little less alike.
    """
    descriptors = Descriptors(sample_of(grey, SAMPLE))
    whole = descriptors.describe(grey)
    collected = _Collected(len(grey))
    suggested = _suggested_pairs(neighbors)
    for window in range(len(WINDOWS)):
        described = whole if window == 0 else descriptors.describe(grey, window)
        for block in _alike(described, whole, window, collected):
            collected.add(block)
        if suggested is not None:
            collected.suggest(_suggested(described, whole, suggested, window))
    return collected.best()


def sample_of(grey: np.ndarray, count: int) -> np.ndarray:
    """Return about `count` images from all over a collection.

    Parameters
    ----------
    grey : ndarray of shape (n, SIDE, SIDE)
        The collection.
    count : int
        At most about twice as many are returned.
    """
    return grey[:: max(1, len(grey) // count)]


def nearest_looking(grey: np.ndarray, positions: np.ndarray, count: int) -> Candidates:
    """Return for some images the others that are most alike, however little that is.

    Parameters
    ----------
    grey : ndarray of shape (n, SIDE, SIDE), uint8
        Small images.
    positions : ndarray of shape (m,), int
        Whose nearest ones are looked for.
    count : int
        How many of each.
    """
    descriptors = Descriptors(sample_of(grey, SAMPLE))
    whole = descriptors.describe(grey)
    plain, odd = _products(whole[positions], whole.T)
    likeness = plain + np.abs(odd)
    likeness[np.arange(len(positions)), positions] = -np.inf
    target = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    row = np.repeat(np.arange(len(positions)), count)
    column = target.ravel()
    return Candidates(
        source=positions[row],
        target=column,
        window=np.zeros(len(row), int),
        mirrored=odd[row, column] < 0,
        likeness=likeness[row, column],
    )


class _Collected:
    """Candidates as they come, as many as can be compared.

    Parameters
    ----------
    n_images : int
        Size of the collection.
    """

    def __init__(self, n_images: int) -> None:
        self.bound = LIKENESS
        self._n_images = n_images
        self._most = PAIRS_PER_IMAGE * n_images + MORE_PAIRS
        self._blocks: list[Candidates] = []
        self._suggested: list[Candidates] = []
        self._count = 0

    def add(self, block: Candidates) -> None:
        """Take pairs; in a collection of like images, let the less alike ones go."""
        block = block.subset(block.likeness >= self.bound)
        self._blocks.append(block)
        self._count += len(block.source)
        if self._count > 2 * self._most:
            joined = _joined(self._blocks)
            self.bound = float(np.partition(joined.likeness, -self._most)[-self._most])
            self._blocks = [joined.subset(joined.likeness >= self.bound)]
            self._count = len(self._blocks[0].source)

    def suggest(self, block: Candidates) -> None:
        """Take pairs that the encoder holds for near."""
        self._suggested.append(block)

    def best(self) -> Candidates:
        """Return each pair once, as it is most alike."""
        every = _joined([*self._blocks, *self._suggested])
        low = np.minimum(every.source, every.target).astype(np.int64)
        pair = low * self._n_images + np.maximum(every.source, every.target)
        order = np.lexsort((-every.likeness, pair))
        is_first = np.diff(pair[order], prepend=-1) > 0
        return every.subset(order[is_first])


def _joined(blocks: list[Candidates]) -> Candidates:
    """Return all pairs of some blocks, of which there may be none."""
    blocks = blocks or [_nothing()]
    columns = []
    for name in ("source", "target", "window", "mirrored", "likeness"):
        parts = [getattr(block, name) for block in blocks]
        columns.append(np.concatenate(parts))
    return Candidates(*columns)


def _alike(
    described: np.ndarray, whole: np.ndarray, window: int, collected: _Collected
) -> Iterator[Candidates]:
    """Yield the pairs of a window with a whole image that reach the bound, block by block."""
    from threadpoolctl import threadpool_limits

    count = len(whole)
    columns = np.ascontiguousarray(whole.T)

    def alike_rows(row: int) -> Candidates:
        rows = described[row : row + ROWS]
        # Whole images are compared with each other once only.
        start = row // COLUMNS * COLUMNS if window == 0 else 0
        blocks = []
        for column in range(start, count, COLUMNS):
            products = _products(rows, columns[:, column : column + COLUMNS])
            candidates = _alike_block(products, (row, column), window, collected.bound)
            if candidates is not None:
                blocks.append(candidates)
        return _joined(blocks)

    # Threads of one's own, since those of matrix products wait for each other on small blocks.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(alike_rows, range(0, count, ROWS))


def _alike_block(
    products: tuple[np.ndarray, np.ndarray], corner: tuple[int, int], window: int, bound: float
) -> Candidates | None:
    """Return the pairs of a block of products that reach the bound; None if there is none."""
    plain, odd = products
    likeness = np.abs(odd)
    likeness += plain
    rows = np.flatnonzero(likeness.max(axis=1) >= bound)
    if not len(rows):
        return None
    number, second = np.nonzero(likeness[rows] >= bound)
    first = rows[number]
    source, target = first + corner[0], second + corner[1]
    fits = source < target if window == 0 else source != target
    first, second = first[fits], second[fits]
    return Candidates(
        source=source[fits],
        target=target[fits],
        window=np.full(len(first), window),
        mirrored=odd[first, second] < 0,
        likeness=likeness[first, second],
    )


def _products(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return products of descriptors: of frequencies that mirroring keeps, and of the others.

    `rows` has shape (m, d), `columns` (d, n).
    """
    even = _ORDER_EVEN
    return rows[:, :even] @ columns[:even], rows[:, even:] @ columns[even:]


def _suggested_pairs(neighbors: np.ndarray | None) -> np.ndarray | None:
    """Return the encoder's pairs in both orders, int (m, 2)."""
    if neighbors is None:
        return None
    image = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
    pairs = np.column_stack([image, neighbors.ravel()])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    once = np.unique(np.sort(pairs, axis=1), axis=0)
    return np.concatenate([once, once[:, ::-1]])


def _suggested(
    described: np.ndarray, whole: np.ndarray, pairs: np.ndarray, window: int
) -> Candidates:
    """Return those of the encoder's pairs that are alike enough in this window."""
    even = _ORDER_EVEN
    blocks = []
    for start in range(0, len(pairs), SUGGESTED):
        source, target = pairs[start : start + SUGGESTED].T
        products = described[source] * whole[target]
        plain = products[:, :even].sum(axis=1)
        odd = products[:, even:].sum(axis=1)
        likeness = plain + np.abs(odd)
        windows = np.full(len(source), window)
        block = Candidates(source, target, windows, odd < 0, likeness)
        blocks.append(block.subset(likeness >= LIKENESS_OF_NEIGHBORS))
    return _joined(blocks)


def _nothing() -> Candidates:
    nothing = np.empty(0, np.int64)
    return Candidates(nothing, nothing, nothing, nothing > 0, np.empty(0, np.float32))


# Descriptors


def _flat(grey: np.ndarray) -> np.ndarray:
    return grey.reshape(len(grey), SIDE * SIDE).astype(np.float32)


def _frequency_order() -> tuple[np.ndarray, int]:
    """Return the frequencies' order, those first that mirroring keeps, and how many these are."""
    across = [*range(0, FREQUENCIES, 2), *range(1, FREQUENCIES, 2)]
    down = range(FREQUENCIES)
    order = [row * FREQUENCIES + column for column in across for row in down if row + column > 0]
    even = sum(1 for number in order if number % FREQUENCIES % 2 == 0)
    return np.array(order), even


_ORDER, _ORDER_EVEN = _frequency_order()


def _transform(window: tuple[float, float, float, float]) -> np.ndarray:
    """Return the matrix (SIDE * SIDE, d) from an image's pixels to a window's frequencies."""
    from scipy.fft import dct

    top, left, height, width = window
    waves = dct(np.eye(SIDE), axis=0, norm="ortho")[:FREQUENCIES]
    down = waves @ _sampling(top, height)
    across = waves @ _sampling(left, width)
    matrix = np.einsum("av,bh->vhab", down, across).reshape(SIDE * SIDE, -1)
    return matrix[:, _ORDER].astype(np.float32)


def _sampling(start: float, length: float) -> np.ndarray:
    """Return the matrix (SIDE, SIDE) that stretches a part of a side to the whole of it."""
    place = (start + length * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5
    place = np.clip(place, 0, SIDE - 1)
    pixel = np.minimum(place.astype(int), SIDE - 2)
    weights = np.zeros((SIDE, SIDE))
    row = np.arange(SIDE)
    weights[row, pixel] = 1 - (place - pixel)
    weights[row, pixel + 1] = place - pixel
    return weights
