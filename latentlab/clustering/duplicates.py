"""Images that a collection holds more than once: exactly, or nearly.

Exact duplicates have the same pixels. Near ones are mirrored, recoloured, sharpened or blurred,
cropped and zoomed (to 70% of the area), re-encoded or resized.

1. Each image is read once and made a small grey one (`duplicate_pixels`).
2. Pairs are candidates if the low frequencies of a window of one are like those of the other or of
   its mirror image, or if the encoder holds them for near (`duplicate_candidates`).
3. One image is laid on the other, and fine structure is compared (`duplicate_alignment`). A pair is
   a near duplicate if its score reaches `SCORE` and the pixels correlate with at least `PIXELS`.
4. Duplicates are read once more, and what was changed is named (`duplicate_changes`).

In collections of images that are alike, as digits of a class are, the bound rises: a duplicate must
lie nearer than `NEARER` times the distance at which images usually have their twelfth best match.
`scripts/measure_duplicates.py` measures what this finds. No label takes part.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from latentlab.clustering import duplicate_alignment as alignment
from latentlab.clustering import duplicate_candidates as candidates
from latentlab.clustering.duplicate_alignment import Likeness
from latentlab.clustering.duplicate_candidates import Candidates
from latentlab.clustering.duplicate_changes import changes_of
from latentlab.clustering.duplicate_pixels import shard_size, shrink, small_colours
from latentlab.data.images import ImageSet

SCORE = 0.8
PIXELS = 0.9
NEARER = 0.25  # of the distance, 1 - score, of the usual twelfth best match
USUAL = 0.95  # the share of images whose twelfth best match is no better
ALIKE = 0.5  # score of the usual twelfth best match from which images are alike anyway
MATCHES = 12
ASKED = 200  # images whose best matches are looked at
NEAREST = 5  # neighbours of an image by the encoder that are candidates


def _ignore(n_images: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of duplicates, as arrays of shape (m,) if nothing else is said.

    Attributes
    ----------
    first, second : ndarray, int
        Positions of the images, the smaller one first.
    exact : ndarray, bool
        Whether they have the same pixels.
    pixels, edges, detail : ndarray, float32
        Correlations, see `latentlab.clustering.duplicate_alignment`; 1 if exact.
    mirrored : ndarray, bool
        Whether one is like the mirror image of the other.
    places : ndarray of shape (m, 4), float32
        The rectangle of the first image, or of its mirror image, that the second shows: top, left,
        height and width as shares of the sides; it leaves the image if the second shows more.
    changes : ndarray of str
        What was changed, such as "mirrored+cropped", see `latentlab.clustering.duplicate_changes`.
    """

    first: np.ndarray
    second: np.ndarray
    exact: np.ndarray
    pixels: np.ndarray
    edges: np.ndarray
    detail: np.ndarray
    mirrored: np.ndarray
    places: np.ndarray
    changes: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The mean of edges and detail, by which pairs are judged, float32 (m,)."""
        return (self.edges + self.detail) / 2


def find(
    images: ImageSet, neighbors: np.ndarray | None, step: Callable[[int], None] = _ignore
) -> Pairs:
    """Find the exact and the near duplicates among images.

    Parameters
    ----------
    images : ImageSet
        Of any size. They are read in blocks: all once, and duplicates a second time.
    neighbors : ndarray of shape (n, m), int, or None
        Positions of each image's nearest ones by their features; None: only pixels count.
    step : callable
        Called with the number of images that were read.

    Returns
    -------
    Pairs
    """
    small = shrink(images, step)
    near = _near_pairs(small.grey, neighbors)
    exact = _same_digests(small.digests)
    return _described(images, _with_exact(near, exact, small.digests))


def equal_vectors(vectors: np.ndarray) -> Pairs:
    """Find vectors that are exactly equal: the duplicates of a run without images.

    Parameters
    ----------
    vectors : ndarray of shape (n, d)
        A vector for each image.

    Returns
    -------
    Pairs
        All of them exact.
    """
    pairs = _same_digests([hashlib.sha256(row.tobytes()).digest() for row in vectors])
    count = len(pairs)
    ones = np.ones(count, np.float32)
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    nothing = np.full(count, "", dtype="U1")
    is_exact, is_mirrored = np.ones(count, bool), np.zeros(count, bool)
    first, second = pairs.T
    return Pairs(first, second, is_exact, ones, ones, ones, is_mirrored, whole, nothing)


def groups(pairs: Pairs, n_images: int) -> np.ndarray:
    """Join pairs that share an image.

    Parameters
    ----------
    pairs : Pairs
        Pairs of duplicates.
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


def _near_pairs(grey: np.ndarray, neighbors: np.ndarray | None) -> Pairs:
    """Return the pairs that are alike enough for this collection."""
    pairs = candidates.candidates(grey, neighbors)
    likeness = alignment.compare(grey, pairs)
    bound = _bound(grey)
    is_near = (likeness.score >= bound) & (likeness.pixels >= PIXELS)
    return _in_order(pairs, likeness, is_near)


def _bound(grey: np.ndarray) -> float:
    """Return the least score of duplicates: more than `SCORE` if images are alike anyway."""
    if len(grey) <= MATCHES:
        return SCORE
    asked = np.unique(np.linspace(0, len(grey) - 1, ASKED).astype(int))
    matches = candidates.nearest_looking(grey, asked, MATCHES)
    scores = alignment.compare(grey, matches).score.reshape(-1, MATCHES)
    usual = float(np.quantile(scores.min(axis=1), USUAL))
    return max(SCORE, 1 - NEARER * (1 - usual)) if usual >= ALIKE else SCORE


def _in_order(pairs: Candidates, likeness: Likeness, chosen: np.ndarray) -> Pairs:
    """Return some of the pairs, the smaller position first, without their changes."""
    source, target = pairs.source[chosen], pairs.target[chosen]
    mirrored = pairs.mirrored[chosen]
    places = likeness.places[chosen]
    is_turned = source > target
    places[is_turned] = _seen_from_target(places[is_turned], mirrored[is_turned])
    count = len(source)
    return Pairs(
        first=np.minimum(source, target),
        second=np.maximum(source, target),
        exact=np.zeros(count, bool),
        pixels=likeness.pixels[chosen],
        edges=likeness.edges[chosen],
        detail=likeness.detail[chosen],
        mirrored=mirrored,
        places=places,
        changes=np.full(count, "", dtype=object),
    )


def _seen_from_target(places: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Return the rectangles of the targets that the sources show, from those of the sources."""
    size = 1 / places[:, 2:]
    top = -places[:, 0] * size[:, 0]
    straight = -places[:, 1] * size[:, 1]
    turned = 1 - (1 - places[:, 1]) * size[:, 1]
    left = np.where(mirrored, turned, straight)
    return np.column_stack([top, left, size]).astype(np.float32)


def _same_digests(digests: list[bytes]) -> np.ndarray:
    """Return pairs, int (m, 2), of the first image with some pixels and each later one."""
    first: dict[bytes, int] = {}
    pairs = []
    for position, digest in enumerate(digests):
        earlier = first.setdefault(digest, position)
        if earlier != position:
            pairs.append((earlier, position))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _with_exact(near: Pairs, exact: np.ndarray, digests: list[bytes]) -> Pairs:
    """Return near and exact pairs, each once, in the order of their positions."""
    is_exact = [digests[i] == digests[j] for i, j in zip(near.first, near.second, strict=True)]
    near = _subset(near, ~np.array(is_exact, bool))
    count = len(exact)
    full = np.ones(count, np.float32)
    joined = _joined(
        near,
        Pairs(
            first=exact[:, 0],
            second=exact[:, 1],
            exact=np.ones(count, bool),
            pixels=full,
            edges=full,
            detail=full,
            mirrored=np.zeros(count, bool),
            places=np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1)),
            changes=np.full(count, "exact", dtype=object),
        ),
    )
    return _subset(joined, np.lexsort((joined.second, joined.first)))


def _subset(pairs: Pairs, chosen: np.ndarray) -> Pairs:
    arrays = {field.name: getattr(pairs, field.name)[chosen] for field in fields(Pairs)}
    return Pairs(**arrays)


def _joined(first: Pairs, second: Pairs) -> Pairs:
    names = [field.name for field in fields(Pairs)]
    arrays = [np.concatenate([getattr(first, name), getattr(second, name)]) for name in names]
    return Pairs(*arrays)


def _described(images: ImageSet, pairs: Pairs) -> Pairs:
    """Return the pairs with what was changed; their images are read again, block by block."""
    texts = pairs.changes.copy()
    near = np.flatnonzero(~pairs.exact)
    size = shard_size(images)
    for start in range(0, len(near), size):
        part = near[start : start + size]
        first = small_colours(images.read(pairs.first[part]))
        second = small_colours(images.read(pairs.second[part]))
        texts[part] = changes_of(first, second, pairs.places[part], pairs.mirrored[part])
    return replace(pairs, changes=texts)
