"""Images that a collection holds more than once: exactly, or nearly.

Exact duplicates have the same pixels. Near ones are recompressed, resized, shifted, mirrored or
recoloured. Candidates for them come from two sides, and every candidate is then compared:

- a perceptual hash: 64 signs of the lowest frequencies of the grey image (discrete cosine
  transform; Zauner 2010), also of the mirrored image; pairs that differ in at most `HASH_BITS`;
- the encoder: each image's nearest ones by the cosine of their feature vectors.

A pair is a near duplicate if small versions of both correlate with at least `PIXELS`, and their
edges with at least `EDGES`, at the best of the shifts by one small pixel and of mirroring. Edges
count too, since skies and plain backgrounds correlate without being the same picture.

In collections of images that are alike, as digits of a class are, both bounds rise. A duplicate
must lie nearer than `NEARER` times the distance of an image's best match, taken in the less alike
quarter of the collection. `scripts/audit_record.py` measures what this finds. No label takes part.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from latentlab.data.images import ImageSet

SIDE = 16  # pixels of the small versions
HASH_SIDE = 32
HASH_BITS = 14
PIXELS = 0.9
EDGES = 0.7
NEARER = 0.4  # of the distance, 1 - correlation, to the best match
NEAREST = 5  # neighbours of an image that are candidates
SHARD = 2048
BLOCK = 4096  # pairs, or hashes, that are compared at once


def _ignore(n_images: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of duplicates, as arrays of shape (m,).

    Attributes
    ----------
    first, second : ndarray, int
        Positions of the images, the smaller one first.
    exact : ndarray, bool
        Whether they have the same pixels.
    pixels, edges : ndarray, float32
        Correlations of the small images and of their edges; 1 if exact.
    mirrored : ndarray, bool
        Whether they fit better if one of them is mirrored.
    """

    first: np.ndarray
    second: np.ndarray
    exact: np.ndarray
    pixels: np.ndarray
    edges: np.ndarray
    mirrored: np.ndarray


@dataclass(frozen=True)
class SmallImages:
    """The properties of n images that are compared.

    Attributes
    ----------
    images : ndarray of shape (n, SIDE, SIDE, channels), float32
        Small versions.
    hashes, mirrored_hashes : ndarray of shape (n,), uint64
        Perceptual hashes of each image and of its mirror image.
    digests : list of bytes
        SHA-256 of the pixels.
    """

    images: np.ndarray
    hashes: np.ndarray
    mirrored_hashes: np.ndarray
    digests: list[bytes]


@dataclass(frozen=True)
class Likeness:
    """How alike the images of m pairs are at their best alignment.

    Attributes
    ----------
    pixels, edges : ndarray of shape (m,), float32
        Correlations.
    mirrored : ndarray of shape (m,), bool
        Whether the best alignment is a mirrored one.
    """

    pixels: np.ndarray
    edges: np.ndarray
    mirrored: np.ndarray


def find(
    images: ImageSet, neighbors: np.ndarray | None, step: Callable[[int], None] = _ignore
) -> Pairs:
    """Find the exact and the near duplicates among images.

    Parameters
    ----------
    images : ImageSet
    neighbors : ndarray of shape (n, m), int, or None
        Positions of each image's nearest ones by their features; None: only hashes count.
    step : callable
        Called with the number of images that were read.

    Returns
    -------
    Pairs
    """
    small = shrink(images, step)
    positions = _candidates(small, neighbors)
    likeness = compare(small.images, positions)

    # A pair is exact, or alike enough for this collection.
    digests = small.digests
    is_exact = np.array([digests[i] == digests[j] for i, j in positions.tolist()], bool)
    pixel_bound = _bound(PIXELS, likeness.pixels, positions, len(images))
    edge_bound = _bound(EDGES, likeness.edges, positions, len(images))
    is_alike = (likeness.pixels >= pixel_bound) & (likeness.edges >= edge_bound)

    is_duplicate = is_exact | is_alike
    first, second = positions[is_duplicate].T
    exact = is_exact[is_duplicate]
    return Pairs(
        first,
        second,
        exact,
        np.where(exact, 1, likeness.pixels[is_duplicate]),
        np.where(exact, 1, likeness.edges[is_duplicate]),
        likeness.mirrored[is_duplicate] & ~exact,
    )


def groups(pairs: Pairs, n_images: int) -> np.ndarray:
    """Join pairs that share an image.

    Parameters
    ----------
    pairs : Pairs
    n_images : int
        Size of the collection.

    Returns
    -------
    ndarray of shape (n_images,), int
        Number of each image's group of duplicates; -1 without a duplicate.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = np.ones(len(pairs.first), bool)
    graph = coo_array((links, (pairs.first, pairs.second)), shape=(n_images, n_images))
    component = connected_components(graph, directed=False)[1]
    sizes = np.bincount(component, minlength=n_images)
    numbers = np.cumsum(sizes > 1) - 1
    return np.where(sizes[component] > 1, numbers[component], -1)


def shrink(images: ImageSet, step: Callable[[int], None] = _ignore) -> SmallImages:
    """Read every image once and return the properties to compare.

    Parameters
    ----------
    images : ImageSet
    step : callable
        Called with the number of images that were read.
    """
    small = []
    hashes = []
    mirrored_hashes = []
    digests: list[bytes] = []
    for indices in images.shards(SHARD):
        # Hashes are of the grey image at 32 x 32 pixels, comparisons of colours at 16 x 16.
        pixels = images.read(indices)
        grey = resized(pixels.mean(axis=3, keepdims=True), HASH_SIDE)[..., 0]
        small.append(resized(pixels, SIDE).astype(np.float32))
        hashes.append(perceptual_hash(grey))
        mirrored_hashes.append(perceptual_hash(grey[:, :, ::-1]))
        digests += map(_digest, pixels)
        step(int(indices[-1]) + 1)
    return SmallImages(
        np.concatenate(small), np.concatenate(hashes), np.concatenate(mirrored_hashes), digests
    )


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """Return hashes, uint64 (n,): which low frequencies lie above their median.

    Parameters
    ----------
    grey : ndarray of shape (n, HASH_SIDE, HASH_SIDE)
        Grey images.
    """
    from scipy.fft import dctn

    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(grey), 64)
    # The first frequency is the mean brightness.
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return images of side x side pixels: averages over cells of equal size.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, channels)
    side : int
        Height and width of the result. Cells take parts of pixels if it does not divide the
        images' sides.
    """
    n_images, height, width, channels = pixels.shape
    if height % side == 0 and width % side == 0:
        cells = pixels.reshape(n_images, side, height // side, side, width // side, channels)
        return cells.mean(axis=(2, 4), dtype=np.float32)
    down = _cell_weights(height, side)
    across = _cell_weights(width, side)
    return np.einsum("ah,nhwc,bw->nabc", down, pixels.astype(np.float32), across, optimize=True)


def compare(small: np.ndarray, positions: np.ndarray) -> Likeness:
    """Compare pairs of images at their best alignment.

    Parameters
    ----------
    small : ndarray of shape (n, SIDE, SIDE, channels), float32
        Small images.
    positions : ndarray of shape (m, 2), int
        The pairs.
    """
    parts = []
    for start in range(0, len(positions), BLOCK):
        first, second = positions[start : start + BLOCK].T
        parts.append(_best_alignment(small[first], small[second]))
    if not parts:
        nothing = np.empty(0, np.float32)
        return Likeness(nothing, nothing, np.empty(0, bool))
    return Likeness(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.edges for part in parts]),
        np.concatenate([part.mirrored for part in parts]),
    )


# Candidates


def _candidates(small: SmallImages, neighbors: np.ndarray | None) -> np.ndarray:
    """Return the pairs to compare, int (m, 2), each once with the smaller position first."""
    candidates = [
        _same_digests(small.digests),
        _near_hashes(small.hashes, small.hashes),
        _near_hashes(small.hashes, small.mirrored_hashes),
    ]
    if neighbors is not None:
        image = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
        candidates.append(np.column_stack([image, neighbors.ravel()]))
    pairs = np.concatenate(candidates)
    different = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(np.sort(different, axis=1), axis=0)


def _same_digests(digests: list[bytes]) -> np.ndarray:
    """Return pairs, int (m, 2), of the first image with some pixels and each later one."""
    first: dict[bytes, int] = {}
    pairs = []
    for position, digest in enumerate(digests):
        earlier = first.setdefault(digest, position)
        if earlier != position:
            pairs.append((earlier, position))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _near_hashes(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return pairs, int (m, 2), of hashes that differ in at most `HASH_BITS` bits.

    Pairs below the diagonal of blocks are left out: mirrored or not, they are the same ones.
    """
    pairs = []
    for row in range(0, len(hashes), BLOCK):
        block = hashes[row : row + BLOCK, None]
        for column in range(row, len(others), BLOCK):
            different = np.bitwise_count(block ^ others[None, column : column + BLOCK])
            rows, columns = np.nonzero(different <= HASH_BITS)
            pairs.append(np.column_stack([rows + row, columns + column]))
    return np.concatenate(pairs)


# Small versions


def _digest(image: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


def _cell_weights(length: int, side: int) -> np.ndarray:
    """Return the matrix (side, length) that averages `length` pixels over `side` equal cells."""
    borders = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    overlap = np.minimum(borders[1:, None], pixel + 1) - np.maximum(borders[:-1, None], pixel)
    return np.maximum(overlap, 0).astype(np.float32) * side / length


# Comparison


def _bound(floor: float, correlations: np.ndarray, pairs: np.ndarray, n_images: int) -> float:
    """Return the least correlation of duplicates: more than `floor` if images are alike anyway."""
    best = np.zeros(n_images)
    for side in pairs.T:
        np.maximum.at(best, side, correlations)
    return max(floor, 1 - NEARER * (1 - float(np.quantile(best, 0.25))))


def _best_alignment(first: np.ndarray, second: np.ndarray) -> Likeness:
    """Compare images (m, SIDE, SIDE, channels) two by two over shifts by one pixel and mirroring.

    The best alignment is that of the largest smaller correlation, each relative to its bound.
    """
    inner = first[:, 1:-1, 1:-1]
    inner_edges = _edges(inner)
    best_score = np.full(len(first), -2.0, np.float32)
    pixels = np.zeros_like(best_score)
    edges = np.zeros_like(best_score)
    mirrored = np.zeros(len(first), bool)
    for is_mirrored, shifted in _alignments(second):
        pixel_correlation = _correlation(inner, shifted)
        edge_correlation = _correlation(inner_edges, _edges(shifted))
        score = np.minimum(pixel_correlation / PIXELS, edge_correlation / EDGES)
        # Note this alignment where it is the best one yet.
        is_better = score > best_score
        best_score = np.where(is_better, score, best_score)
        pixels = np.where(is_better, pixel_correlation, pixels)
        edges = np.where(is_better, edge_correlation, edges)
        mirrored = np.where(is_better, is_mirrored, mirrored)
    return Likeness(pixels, edges, mirrored)


def _alignments(images: np.ndarray) -> Iterator[tuple[bool, np.ndarray]]:
    """Yield whether images are mirrored, and the images without a border, for every alignment."""
    inner_side = SIDE - 2
    for is_mirrored in (False, True):
        turned = images[:, :, ::-1] if is_mirrored else images
        for down in range(3):
            for across in range(3):
                yield (
                    is_mirrored,
                    turned[:, down : down + inner_side, across : across + inner_side],
                )


def _edges(images: np.ndarray) -> np.ndarray:
    """Return the differences to the next pixels below and to the right.

    Shape (m, side - 1, side - 1, 2 x channels).
    """
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    across = images[:, :-1, 1:] - images[:, :-1, :-1]
    return np.concatenate([down, across], axis=3)


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the correlation of each image of (m, ...) with its partner; 0 for constant ones."""
    a = _centered(first)
    b = _centered(second)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return ((a * b).sum(axis=1) / np.maximum(norms, 1e-6)).astype(np.float32)


def _centered(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1)
    return rows - rows.mean(axis=1, keepdims=True)
