"""k-means (Lloyd 1982) of many vectors: most of the search is done on a random sample.

    1. k-means++ starts and a few steps of Lloyd on the sample; the best goes on.
    2. Centers are moved from where they are least of use to the widest clusters, as in "breathing
       k-means" (Fritzke 2020), for as long as that lowers the inertia of the sample.
    3. Of two such searches, the one that is better after a few steps of Lloyd on all vectors goes
       on with them to the end.

scikit-learn's ten restarts each go all the way on all vectors; this takes less than half of their
processor time for clusters as tight (reports/kmeans, docs/decisions/0094). Vectors are compared
block by block, so that memory does not grow with n times k, and sums are taken in the order of the
blocks: the same seed gives the same clusters with any number of threads.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from latentlab import backend

SAMPLE_ROWS = (10_000, 20_000)  # of the sample: at least and at most
SAMPLE_PER_CLUSTER = 100  # between them
LEAST_PER_CLUSTER = 20  # beyond them
SEARCHES = 2  # on the sample, each from starts of its own; one if there is one start
STARTS_OF_ALL = 300  # with k clusters a k-th of so many starts are tried: moves repair the others
TOLERANCE = 1e-4  # a descent ends when centers move by less, in variances: as in scikit-learn
START_STEPS = 8  # of Lloyd after a start
STEPS_WITH_MORE = 4  # with the centers that are to be placed
STEPS_AFTER = 10  # once as many others are removed
LEAST_GAIN = 1e-4  # of a move, as a share of the inertia
MOVED_SHARE = 10  # one of so many centers is moved at once, at first
FAILURES = 3  # moves without a gain before fewer centers are moved at once
MOST_STEPS = 300
BLOCK_NUMBERS = 1 << 19  # scores, or numbers of vectors, in a block: they stay in the cache
BLOCK_ROWS = 4096
THREADS = min(backend.count_processors(), 16)


@dataclass(frozen=True)
class KMeansFit:
    """Clusters of n vectors.

    Attributes
    ----------
    centers : ndarray of shape (k, d), float32
        Mean of each cluster.
    labels : ndarray of shape (n,), int32
        Nearest center of each vector.
    inertia : float
        Sum of the squared distances to them.
    n_iter : int
        Steps on all vectors.
    """

    centers: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int


def fit(matrix: np.ndarray, k: int, restarts: int, seed: int) -> KMeansFit:
    """Cluster vectors.

    Parameters
    ----------
    matrix : ndarray of shape (n, d), float32
        Finite vectors.
    k : int
        Number of clusters, at most n.
    restarts : int
        Starts on the sample, at most; fewer are made of many clusters.
    seed : int
        Of sample, starts and moves.

    Returns
    -------
    KMeansFit
        Some clusters may be empty if fewer vectors differ than there are clusters.

    Examples
    --------
    >>> fitted = fit(np.array([[0.0], [1.0], [9.0]], np.float32), k=2, restarts=3, seed=0)
    >>> sorted(fitted.centers.ravel().tolist()), round(fitted.inertia, 3)
    ([0.5, 9.0], 0.5)
    """
    # One thread of BLAS in each of ours: those of OpenBLAS burn time while they wait.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as pool:
        return _fit(np.asarray(matrix, np.float32), k, restarts, seed, pool)


def _fit(
    matrix: np.ndarray, k: int, restarts: int, seed: int, pool: ThreadPoolExecutor
) -> KMeansFit:
    rng = np.random.default_rng([seed, 45])
    chosen = np.sort(rng.permutation(len(matrix))[: _sample_size(k)])
    sample = _Rows.of(matrix[chosen], pool)
    n_starts = max(1, min(restarts, STARTS_OF_ALL // k))
    n_searches = min(SEARCHES, n_starts)
    searches = []
    for _ in range(n_searches):
        start = _best_start(sample, k, math.ceil(n_starts / n_searches), rng)
        searches.append(_moved(sample, start, rng))

    # Go on with all vectors, around their own mean; the better search goes all the way.
    rows = _Rows.of(matrix, pool)
    tried = []
    for search in searches:
        tried.append(rows.descend(search.centers + (sample.mean - rows.mean), START_STEPS))
    end = rows.descend(min(tried, key=lambda descent: descent.inertia).centers)
    nearest = rows.nearest(end.centers)
    inertia = float(nearest.squared.sum())
    return KMeansFit(end.centers + rows.mean, nearest.label, inertia, end.steps)


def _sample_size(k: int) -> int:
    fewest, most = SAMPLE_ROWS
    return max(fewest, min(most, SAMPLE_PER_CLUSTER * k), LEAST_PER_CLUSTER * k)


@dataclass(frozen=True)
class _Nearest:
    """The center next to each of n vectors.

    Attributes
    ----------
    label : ndarray of shape (n,), int32
        Its number.
    squared : ndarray of shape (n,), float64
        Squared distance to it.
    further : ndarray of shape (n,), float64
        By how much the squared distance to the second nearest is larger.
    """

    label: np.ndarray
    squared: np.ndarray
    further: np.ndarray


@dataclass(frozen=True)
class _Descent:
    """Centers (k, d) where some steps of Lloyd have led, the inertia before the last, and steps."""

    centers: np.ndarray
    inertia: float
    steps: int


_T = TypeVar("_T")


@dataclass(frozen=True)
class _Block(Generic[_T]):
    """Some rows, their vectors less the mean, and what is seen in their scores."""

    where: slice
    vectors: np.ndarray
    seen: _T


@dataclass(frozen=True)
class _Rows:
    """Vectors that are clustered, read block by block, less their mean: single precision is enough.

    Attributes
    ----------
    matrix : ndarray of shape (n, d), float32
        The vectors.
    mean : ndarray of shape (d,), float32
        Their mean. Centers are given less it.
    squares : ndarray of shape (n,), float64
        Squared lengths less the mean.
    pool : ThreadPoolExecutor
        Compares blocks side by side.
    """

    matrix: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    pool: ThreadPoolExecutor

    @classmethod
    def of(cls, matrix: np.ndarray, pool: ThreadPoolExecutor) -> "_Rows":
        mean = matrix.mean(axis=0, dtype=np.float64).astype(np.float32)
        squares = []
        for start in range(0, len(matrix), BLOCK_ROWS):
            block = matrix[start : start + BLOCK_ROWS] - mean
            squares.append(np.square(block).sum(axis=1).astype(np.float64))
        return cls(matrix, mean, np.concatenate(squares), pool)

    def look(self, centers: np.ndarray, at: Callable[[np.ndarray], _T]) -> Iterator[_Block[_T]]:
        """Yield blocks in order, with what `at` says of their scores (m, k).

        The nearest center has the largest score.
        """
        lengths = _half_squares(centers)
        size = min(BLOCK_ROWS, max(64, BLOCK_NUMBERS // max(centers.shape)))

        def look_at(start: int) -> _Block[_T]:
            where = slice(start, start + size)
            vectors = self.matrix[where] - self.mean
            scores = vectors @ centers.T
            scores -= lengths
            return _Block(where, vectors, at(scores))

        ahead: deque[Future[_Block[_T]]] = deque()  # a few, so that memory is bounded
        for start in range(0, len(self.matrix), size):
            ahead.append(self.pool.submit(look_at, start))
            if len(ahead) > THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def nearest(self, centers: np.ndarray) -> _Nearest:
        """Return the nearest of some centers (k, d), less the mean, to each vector."""
        label = np.empty(len(self.matrix), np.int32)
        score = np.empty(len(self.matrix))
        second = np.empty(len(self.matrix))
        for block in self.look(centers, _two_largest):
            label[block.where], score[block.where], second[block.where] = block.seen
        squared = np.maximum(self.squares - 2 * score, 0)
        return _Nearest(label, squared, 2 * (score - second))

    def descend(self, centers: np.ndarray, most_steps: int = MOST_STEPS) -> _Descent:
        """Take steps of Lloyd from some centers (k, d), until they hardly move.

        Sums are kept from step to step: only what changes its cluster is added and subtracted.
        """
        members = _Members.none(len(self.matrix), *centers.shape)
        least_shift = TOLERANCE * self.squares.mean() / centers.shape[1]
        inertia = np.inf
        steps = 0
        is_moving = True
        while is_moving and steps < most_steps:
            n_changed = 0
            inertia = self.squares.sum()
            for block in self.look(centers, _largest):
                labels, largest = block.seen
                inertia -= 2 * largest.sum(dtype=np.float64)
                n_changed += members.change(block.where, block.vectors, labels)
            moved = members.means(centers)
            is_moving = n_changed > 0 and np.square(moved - centers).sum() > least_shift
            centers = moved
            steps += 1
        return _Descent(centers, float(inertia), steps)


@dataclass(frozen=True)
class _Members:
    """The vectors of each cluster, as sums that follow every change.

    Attributes
    ----------
    labels : ndarray of shape (n,), int32
        Cluster of each vector; -1 before the first step.
    sums : ndarray of shape (k, d), float64
        Sum of the vectors of each cluster.
    counts : ndarray of shape (k,), int
        Their number.
    """

    labels: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def none(cls, n: int, k: int, d: int) -> "_Members":
        return cls(np.full(n, -1, np.int32), np.zeros((k, d)), np.zeros(k, np.int64))

    def change(self, where: slice, vectors: np.ndarray, labels: np.ndarray) -> int:
        """Give the vectors (m, d) at some rows new clusters; return how many change theirs."""
        before = self.labels[where]
        changed = np.flatnonzero(labels != before)
        if len(changed) == 0:
            return 0
        if len(changed) < len(vectors):
            vectors = vectors[changed]
        if before[changed[0]] < 0:
            self._add(vectors, labels[:, None], [1])
        else:
            self._add(vectors, np.stack([labels[changed], before[changed]], axis=1), [1, -1])
        self.labels[where] = labels
        return len(changed)

    def means(self, otherwise: np.ndarray) -> np.ndarray:
        """Return the mean of each cluster, float32 (k, d); of an empty one, the row otherwise."""
        means = self.sums / np.maximum(self.counts, 1)[:, None]
        return np.where(self.counts[:, None] > 0, means, otherwise).astype(np.float32)

    def _add(self, vectors: np.ndarray, clusters: np.ndarray, signs: list[int]) -> None:
        """Add vectors (m, d) to clusters (m, s), or subtract them: s signs."""
        from scipy import sparse

        m, width = clusters.shape
        k = len(self.counts)
        weights = np.tile(np.array(signs, np.float32), m)
        row_ends = np.arange(0, (m + 1) * width, width, dtype=np.int32)
        of_vectors = sparse.csr_matrix((weights, clusters.ravel(), row_ends), shape=(m, k))
        self.sums[:] += of_vectors.T @ vectors
        self.counts[:] += np.bincount(clusters.ravel(), weights, k).astype(np.int64)


def _half_squares(centers: np.ndarray) -> np.ndarray:
    return np.square(centers).sum(axis=1) / np.float32(2)


def _largest(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of the largest score of each row, int32, and that score."""
    columns = scores.argmax(axis=1)
    return columns.astype(np.int32), scores[np.arange(len(scores)), columns]


def _two_largest(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the column of the largest score of each row, that score and the second largest."""
    columns, largest = _largest(scores)
    scores[np.arange(len(scores)), columns] = -np.inf
    return columns, largest, scores.max(axis=1)


def _best_start(sample: _Rows, k: int, count: int, rng: np.random.Generator) -> _Descent:
    """Return the best of some k-means++ starts after a few steps."""
    centered = sample.matrix - sample.mean
    starts = []
    for _ in range(count):
        centers = centered[_spread_rows(centered, sample.squares, k, rng)]
        starts.append(sample.descend(centers, START_STEPS))
    return min(starts, key=lambda start: start.inertia)


def _spread_rows(
    vectors: np.ndarray, squares: np.ndarray, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Return k rows by greedy k-means++ (Arthur and Vassilvitskii 2007), as scikit-learn's."""
    squares = squares.astype(np.float32)
    trials = 2 + int(np.log(k))
    chosen = [int(rng.integers(len(vectors)))]
    distances = _squared_distances(vectors, squares, np.array(chosen))[:, 0]
    for _ in range(k - 1):
        candidates = _draw(distances, trials, rng)
        nearer = _squared_distances(vectors, squares, candidates)
        np.minimum(nearer, distances[:, None], out=nearer)
        best = nearer.sum(axis=0, dtype=np.float64).argmin()
        distances = nearer[:, best].copy()
        chosen.append(int(candidates[best]))
    return np.array(chosen)


def _squared_distances(vectors: np.ndarray, squares: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the squared distance of each vector to some of them, float32 (n, len(rows))."""
    distances = vectors @ vectors[rows].T
    distances *= -2
    distances += squares[:, None]
    distances += squares[rows]
    return np.maximum(distances, 0, out=distances)


def _draw(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return positions drawn in proportion to weights (n,)."""
    sums = np.cumsum(weights, dtype=np.float64)
    drawn = np.searchsorted(sums, rng.random(count) * sums[-1])
    return np.minimum(drawn, len(weights) - 1)


def _moved(sample: _Rows, best: _Descent, rng: np.random.Generator) -> _Descent:
    """Move centers to better places while that lowers the inertia; in the end one at a time."""
    k = len(best.centers)
    count = max(1, min(k // 8, max(4, k // MOVED_SHARE)))
    failures = 0
    while count > 0:
        added = _with_more(sample, best.centers, count, rng)
        more = sample.descend(added, STEPS_WITH_MORE).centers
        moved = sample.descend(_without_least(sample, more, k), STEPS_AFTER)
        if moved.inertia < best.inertia * (1 - LEAST_GAIN):
            best = moved
            failures = 0
            continue
        failures += 1
        if failures == FAILURES:
            count //= 2
            failures = 0
    return best


def _with_more(
    sample: _Rows, centers: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return centers and one more in each of the widest clusters, at a member far from its own."""
    nearest = sample.nearest(centers)
    widths = np.bincount(nearest.label, nearest.squared, len(centers))
    rows = []
    for cluster in np.argsort(-widths, kind="stable")[:count]:
        members = np.flatnonzero(nearest.label == cluster)
        if len(members):
            rows.append(members[_draw(nearest.squared[members], 1, rng)[0]])
    return np.concatenate([centers, sample.matrix[rows] - sample.mean])


def _without_least(sample: _Rows, centers: np.ndarray, k: int) -> np.ndarray:
    """Return k of the centers, less those that cost least to leave out, no two next to each other.

    The members of a center that goes fall to its neighbour. So if both went, it would cost more
    than each alone.
    """
    nearest = sample.nearest(centers)
    costs = np.bincount(nearest.label, nearest.further, len(centers))
    distances = _half_squares(centers) - centers @ centers.T
    np.fill_diagonal(distances, np.inf)
    neighbour = distances.argmin(axis=1)
    n_more = len(centers) - k
    leaves = np.zeros(len(centers), bool)
    must_stay = np.zeros(len(centers), bool)
    order = np.argsort(costs, kind="stable")
    for center in order:
        if leaves.sum() < n_more and not must_stay[center]:
            leaves[center] = True
            must_stay[neighbour[center]] = True
    # Where neighbours forbid too many, the cheapest go all the same.
    spare = order[~leaves[order]][: n_more - leaves.sum()]
    leaves[spare] = True
    return centers[~leaves]
