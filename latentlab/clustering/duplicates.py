"""Images that are in a collection more than once: exactly, or nearly (recompressed, resized, shifted, mirrored, recoloured).

Exact duplicates have the same pixels. For near ones candidates come from two sides, and every candidate is then compared:

- a perceptual hash: 64 signs of the lowest frequencies of the grey image (discrete cosine transform; Zauner 2010), also of
  the mirrored image; pairs that differ in at most `HASH_BITS` of them;
- the encoder: each image's nearest ones by the cosine of their feature vectors.

A pair is a near duplicate if small versions of both, of `SIDE` pixels a side, correlate with at least `PIXELS`, and their
edges with at least `EDGES`, at the best of the shifts by one small pixel and of mirroring. Edges are asked too since skies
and plain backgrounds correlate without being the same picture. Where images are alike anyway, as digits of one class are, both
bounds rise: a duplicate must lie nearer than `NEARER` times as far as an image's best match does in the less alike quarter of
the collection. `scripts/audit_record.py` measures what this finds.

No label takes part.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from latentlab.data.images import ImageSet

SIDE = 16
HASH_SIDE = 32
HASH_BITS = 14
PIXELS = 0.9
EDGES = 0.7
NEARER = 0.4  # of the distance, 1 - correlation, to the best match
NEAREST = 5
SHARD = 2048
BLOCK = 4096


class Pairs(NamedTuple):
    """Pairs of duplicates, arrays of shape (m,); the first of a pair comes before the second among the images.

    Attributes
    ----------
    first, second : ndarray, int
        Positions of the images.
    exact : ndarray, bool
        The same pixels.
    pixels, edges : ndarray, float32
        Correlations of the small images and of their edges, 1 where they are exact.
    mirrored : ndarray, bool
        One of them fits better when it is mirrored.
    """

    first: np.ndarray
    second: np.ndarray
    exact: np.ndarray
    pixels: np.ndarray
    edges: np.ndarray
    mirrored: np.ndarray


class Small(NamedTuple):
    """What is kept of every image: small versions (n, SIDE, SIDE, channels), hashes of it and of its mirror image, a digest of its pixels."""

    images: np.ndarray
    hashes: np.ndarray
    mirrored: np.ndarray
    digests: list[bytes]


def find(
    images: ImageSet, neighbors: np.ndarray | None, step: Callable[[int], None] = lambda done: None
) -> Pairs:
    """Return the exact and the near duplicates among images.

    Parameters
    ----------
    neighbors : ndarray of shape (n, m), int, or None
        Positions of each image's nearest ones by their features; None looks at hashes alone.
    step : callable
        Called with the number of images that were read.
    """
    small = shrink(images, step)
    exact = _same(small.digests)
    candidates = [
        exact,
        _near_hashes(small.hashes, small.hashes),
        _near_hashes(small.hashes, small.mirrored),
    ]
    if neighbors is not None:
        own = np.repeat(np.arange(len(neighbors)), neighbors.shape[1])
        candidates.append(np.column_stack([own, neighbors.ravel()]))
    pairs = _ordered(np.concatenate(candidates))
    pixels, edges, mirrored = _compare(small.images, pairs)
    is_exact = np.array([small.digests[i] == small.digests[j] for i, j in pairs.tolist()], bool)
    limits = [
        _bound(floor, values, pairs, len(images))
        for floor, values in ((PIXELS, pixels), (EDGES, edges))
    ]
    kept = is_exact | ((pixels >= limits[0]) & (edges >= limits[1]))
    first, second = pairs[kept].T
    ones = is_exact[kept]
    return Pairs(
        first,
        second,
        ones,
        np.where(ones, 1, pixels[kept]),
        np.where(ones, 1, edges[kept]),
        mirrored[kept] & ~ones,
    )


def _bound(floor: float, values: np.ndarray, pairs: np.ndarray, n_images: int) -> float:
    """Return the least correlation of duplicates: `floor`, or more where the images of a collection resemble each other."""
    best = np.zeros(n_images)
    for side in pairs.T:
        np.maximum.at(best, side, values)
    return max(floor, 1 - NEARER * (1 - float(np.quantile(best, 0.25))))


def groups(pairs: Pairs, n_images: int) -> np.ndarray:
    """Return the number of each image's group of duplicates, int (n_images,); -1 where it has none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array(
        (np.ones(len(pairs.first), bool), (pairs.first, pairs.second)), shape=(n_images, n_images)
    )
    part = connected_components(links, directed=False)[1]
    sizes = np.bincount(part, minlength=n_images)
    numbers = np.cumsum(sizes > 1) - 1
    return np.where(sizes[part] > 1, numbers[part], -1)


def shrink(images: ImageSet, step: Callable[[int], None] = lambda done: None) -> Small:
    """Read every image once and return what is compared."""
    small, hashes, mirrored, digests = [], [], [], []
    for indices in images.shards(SHARD):
        pixels = images.read(indices)
        grey = _resized(pixels.mean(axis=3, keepdims=True), HASH_SIDE)[..., 0]
        small.append(_resized(pixels, SIDE).astype(np.float32))
        hashes.append(perceptual_hash(grey))
        mirrored.append(perceptual_hash(grey[:, :, ::-1]))
        digests += [_digest(image) for image in pixels]
        step(int(indices[-1]) + 1)
    return Small(np.concatenate(small), np.concatenate(hashes), np.concatenate(mirrored), digests)


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """Return the hash, uint64 (n,), of grey images (n, HASH_SIDE, HASH_SIDE): which low frequencies lie above their median."""
    from scipy.fft import dctn

    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(grey), 64)
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)  # the first is the mean brightness
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def _digest(image: np.ndarray) -> bytes:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


def _resized(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return images (n, height, width, channels) brought to side x side: averages over equal cells, or an interpolation of them."""
    n, height, width, channels = pixels.shape
    if height % side == 0 and width % side == 0:
        cells = pixels.reshape(n, side, height // side, side, width // side, channels)
        return cells.mean(axis=(2, 4), dtype=np.float32)
    down = _weights(height, side)
    across = _weights(width, side)
    return np.einsum("ah,nhwc,bw->nabc", down, pixels.astype(np.float32), across, optimize=True)


def _weights(length: int, side: int) -> np.ndarray:
    """Return the matrix (side, length) that averages `length` pixels over `side` cells of equal width, parts of pixels included."""
    edges = np.linspace(0, length, side + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.maximum(overlap, 0).astype(np.float32) * side / length


def _same(digests: list[bytes]) -> np.ndarray:
    """Return pairs, int (m, 2), of the first image with given pixels and each later one."""
    first: dict[bytes, int] = {}
    found = [
        (first[digest], i) for i, digest in enumerate(digests) if first.setdefault(digest, i) != i
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _near_hashes(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return pairs, int (m, 2), whose hashes differ in at most `HASH_BITS` bits."""
    found = []
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK]
        for other in range(
            start, len(others), BLOCK
        ):  # the pairs below the diagonal are the same ones, mirrored or not
            rows, columns = np.nonzero(
                np.bitwise_count(block[:, None] ^ others[None, other : other + BLOCK]) <= HASH_BITS
            )
            found.append(np.column_stack([rows + start, columns + other]))
    return np.concatenate(found)


def _ordered(pairs: np.ndarray) -> np.ndarray:
    """Return each pair of different images once, the smaller position first."""
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0)


def _compare(small: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the correlations of pixels and of edges at the best alignment of each pair, and whether it is a mirrored one."""
    parts = [_best_alignment(small[part[:, 0]], small[part[:, 1]]) for part in _blocks(pairs)]
    if not parts:
        return np.empty(0, np.float32), np.empty(0, np.float32), np.empty(0, bool)
    pixels, edges, mirrored = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return pixels, edges, mirrored


def _blocks(pairs: np.ndarray) -> Iterable[np.ndarray]:
    return (pairs[start : start + BLOCK] for start in range(0, len(pairs), BLOCK))


def _best_alignment(
    one: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare images (m, side, side, channels) two by two, over shifts by one pixel and mirroring, by the smaller correlation."""
    best = np.full(len(one), -2.0, np.float32)
    pixels, edges, mirrored = np.zeros_like(best), np.zeros_like(best), np.zeros(len(one), bool)
    inner = one[:, 1:-1, 1:-1]
    inner_edges = _edges(inner)
    for flipped in (False, True):
        turned = other[:, :, ::-1] if flipped else other
        for down in range(3):
            for across in range(3):
                shifted = turned[:, down : down + SIDE - 2, across : across + SIDE - 2]
                p, e = _correlation(inner, shifted), _correlation(inner_edges, _edges(shifted))
                better = np.minimum(p / PIXELS, e / EDGES) > best
                best = np.where(better, np.minimum(p / PIXELS, e / EDGES), best)
                pixels, edges = np.where(better, p, pixels), np.where(better, e, edges)
                mirrored = np.where(better, flipped, mirrored)
    return pixels, edges, mirrored


def _edges(images: np.ndarray) -> np.ndarray:
    """Return the differences to the next pixel below and to the right, (m, side - 1, side - 1, 2 x channels)."""
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    across = images[:, :-1, 1:] - images[:, :-1, :-1]
    return np.concatenate([down, across], axis=3)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of (m, ...) with the same row of the other, 0 where one is constant."""
    a, b = (rows.reshape(len(rows), -1) for rows in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return ((a * b).sum(axis=1) / np.maximum(norms, 1e-6)).astype(np.float32)
