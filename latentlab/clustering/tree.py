"""A tree over clusters: which are joined first, and the clusters of any smaller number.

Centers are joined by Ward's rule, each weighted by the images of its cluster: the two go together
that add least to the squared distances of images from their centers. HDBSCAN has a tree of its
own, by density. No label takes part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.errors import ConfigError

WARD = "ward"
DENSITY = "density"
MERGE_COLUMNS = 4  # a, b, height and size


@dataclass(frozen=True)
class ClusterTree:
    """A tree whose leaves are clusters.

    Attributes
    ----------
    merges : tuple of (int, int, float, int)
        (a, b, height, size) of each junction, the lowest first, as the rows of SciPy's linkage: a
        and b below the number of leaves are leaves, and junction i is node len(leaves) + i. size is
        the number of images below it.
    leaves : tuple of int
        Number of the cluster at each leaf; clusters without images have none.
    method : {"ward", "density"}
        How it was made.

    Examples
    --------
    >>> tree = ClusterTree(((0, 1, 1.0, 5), (2, 3, 4.0, 9)), (0, 1, 2))
    >>> tree.cut(2).tolist()
    [0, 0, 1]
    """

    merges: tuple[tuple[int, int, float, int], ...]
    leaves: tuple[int, ...]
    method: str = WARD

    @classmethod
    def of_merges(
        cls, merges: np.ndarray, leaves: Sequence[int], method: str = WARD
    ) -> "ClusterTree":
        """Return the tree of merges as an array.

        Parameters
        ----------
        merges : ndarray of shape (m - 1, 4)
            As in `merges`.
        leaves : sequence of m int
            Number of the cluster at each leaf.
        method : {"ward", "density"}
            How it was made.
        """
        rows = [(int(a), int(b), float(height), int(size)) for a, b, height, size in merges]
        return cls(tuple(rows), tuple(map(int, leaves)), method)

    def with_sizes(self, sizes: Sequence[int]) -> "ClusterTree":
        """Return the tree with other numbers of images.

        Parameters
        ----------
        sizes : sequence of int
            Images of each leaf.
        """
        counts = list(map(int, sizes))
        merges = []
        for a, b, height, _ in self.merges:
            counts.append(counts[a] + counts[b])
            merges.append((a, b, height, counts[-1]))
        return replace(self, merges=tuple(merges))

    def above(self, groups: np.ndarray) -> "ClusterTree":
        """Return the rest of the tree after a cut.

        Parameters
        ----------
        groups : ndarray of int
            New number of the cluster of each number; those of a group lie below one junction.
        """
        node = [int(groups[cluster]) for cluster in self.leaves]
        n_groups = len(set(node))
        merges: list[tuple[int, int, float, int]] = []
        for a, b, height, size in self.merges:
            first, second = sorted((node[a], node[b]))
            if first == second:
                node.append(first)
                continue
            node.append(n_groups + len(merges))
            merges.append((first, second, height, size))
        return replace(self, merges=tuple(merges), leaves=tuple(range(n_groups)))

    def cut(self, k: int) -> np.ndarray:
        """Return the group of each leaf, int (leaves,), where k groups are left.

        Groups are numbered in the order of their first leaves.

        Parameters
        ----------
        k : int
            Number of groups, 1 to the number of leaves.

        Raises
        ------
        ConfigError
            If there are fewer leaves.
        """
        n_leaves = len(self.leaves)
        if not 1 <= k <= n_leaves:
            raise ConfigError(
                f"must be 1 to {n_leaves}, the clusters that the tree joins",
                field="k",
                value=k,
                limit=n_leaves,
                hint="For more, cluster anew with a larger `k`.",
            )
        group = list(range(n_leaves + len(self.merges)))
        # From the top down, so that each node has the group of the junction above it.
        joined = self.merges[: n_leaves - k]
        for place in reversed(range(len(joined))):
            a, b, _, _ = joined[place]
            group[a] = group[b] = group[n_leaves + place]
        return _in_order(np.array(group[:n_leaves]))


def ward_tree(centers: np.ndarray, sizes: np.ndarray) -> ClusterTree:
    """Return the tree of clusters by Ward's rule.

    Parameters
    ----------
    centers : ndarray of shape (k, d)
        Center of each cluster.
    sizes : ndarray of shape (k,), int
        Images of each cluster; clusters without images are left out.

    Returns
    -------
    ClusterTree
        With heights as those of SciPy's linkage "ward" of the images, if the images of a cluster
        were at its center.
    """
    leaves = np.flatnonzero(sizes)
    if len(leaves) < 2:
        return ClusterTree((), tuple(leaves.tolist()))
    points = centers[leaves].astype(np.float64)
    points -= points.mean(axis=0)  # differences of large numbers lose digits
    merges = _ward_merges(points, sizes[leaves].astype(np.float64))
    return ClusterTree.of_merges(merges, leaves.tolist())


def density_merges(linkage: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the merges of dense clusters, by a tree of single linkage over their images.

    Parameters
    ----------
    linkage : ndarray of n - 1 rows
        (left, right, distance, images) of each junction of n images, the lowest first.
    labels : ndarray of shape (n,), int
        Cluster of each image, -1 for noise. Images of a cluster join before they join another's.

    Returns
    -------
    ndarray of shape (k - 1, 4)
        As `ClusterTree.merges`.

    Examples
    --------
    >>> linkage = [(0, 1, 0.1, 2), (2, 3, 0.2, 2), (4, 5, 3.0, 4)]
    >>> density_merges(np.array(linkage), np.array([0, 0, 1, 1])).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    k = int(labels.max()) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=k).tolist()
    node = labels.tolist()  # of the clusters' tree, at each node of the images' tree
    merges = []
    for left, right, height, _ in linkage:
        a, b = node[int(left)], node[int(right)]
        if a < 0 or b < 0 or a == b:
            node.append(max(a, b))
            continue
        node.append(len(sizes))
        sizes.append(sizes[a] + sizes[b])
        merges.append((min(a, b), max(a, b), height, sizes[-1]))
    return np.array(merges, np.float64).reshape(-1, MERGE_COLUMNS)


def _ward_merges(centers: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the merges of centers (k, d) with weights (k,), as `ClusterTree.merges`."""
    steps = sorted(_ward_steps(centers.copy(), sizes.copy()), key=lambda step: step[2])
    node = np.arange(len(centers))  # that each center belongs to
    counts = sizes.tolist()
    merges = []
    for first, second, height in steps:
        a, b = sorted((int(node[first]), int(node[second])))
        node[(node == a) | (node == b)] = len(counts)
        counts.append(counts[a] + counts[b])
        merges.append((a, b, height, counts[-1]))
    return np.array(merges, np.float64).reshape(-1, MERGE_COLUMNS)


def _ward_steps(points: np.ndarray, weights: np.ndarray) -> list[tuple[int, int, float]]:
    """Return (center, center, height) of each junction, in any order; the arguments change.

    Nearest neighbours are followed until two are each other's (Murtagh 1983): these are joined in
    the tree whatever else there is.
    """
    steps: list[tuple[int, int, float]] = []
    is_free = np.ones(len(points), bool)
    chain: list[int] = []
    while len(steps) < len(points) - 1:
        chain = chain or [int(is_free.argmax())]
        last = chain[-1]
        costs = _ward_costs(points, weights, last)
        costs[~is_free] = np.inf
        costs[last] = np.inf
        closest = int(costs.argmin())
        if len(chain) == 1 or costs[chain[-2]] > costs[closest]:
            chain.append(closest)
            continue
        other = chain[-2]
        steps.append((other, last, float(np.sqrt(2 * costs[other]))))
        both = weights[other] + weights[last]
        points[other] = (weights[other] * points[other] + weights[last] * points[last]) / both
        weights[other] = both
        is_free[last] = False
        del chain[-2:]
    return steps


def _ward_costs(points: np.ndarray, weights: np.ndarray, place: int) -> np.ndarray:
    """Return what joining one group with each other adds to the squared distances, (k,)."""
    squares = np.einsum("ij,ij->i", points, points)
    squared = np.maximum(squares + squares[place] - 2 * points @ points[place], 0)
    return squared * weights * weights[place] / (weights + weights[place])


def _in_order(groups: np.ndarray) -> np.ndarray:
    """Return groups numbered by their first members."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
