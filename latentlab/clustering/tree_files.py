"""The tree over a clustering's clusters as files of its folder.

clusters/<name>/tree.json         merges, leaves and method, as `ClusterTree`
clusters/<name>/tree-centers.npz  the centers that were joined
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.clustering.tree import ClusterTree, ward_tree
from latentlab.storage import guard, json_form, npz
from latentlab.storage.files import atomic_path

TREE_NAME = "tree.json"
CENTERS_NAME = "tree-centers.npz"


@dataclass(frozen=True)
class StoredTree:
    """The tree over a clustering's clusters as they were computed.

    Attributes
    ----------
    tree : ClusterTree
        The tree.
    centers : ndarray of shape (k, d), float32
        Center of each cluster.
    """

    tree: ClusterTree
    centers: np.ndarray

    def write(self, folder: Path) -> list[Path]:
        """Write the files of the tree.

        Parameters
        ----------
        folder : pathlib.Path
            The folder of the clustering.

        Returns
        -------
        list of pathlib.Path
            The files.
        """
        with atomic_path(folder / CENTERS_NAME) as path, path.open("wb") as file:
            np.savez(file, centers=self.centers)
        return [json_form.write(folder / TREE_NAME, self.tree), folder / CENTERS_NAME]

    @classmethod
    def read(cls, folder: Path) -> "StoredTree | None":
        """Read the tree of a clustering.

        Parameters
        ----------
        folder : pathlib.Path
            The folder of the clustering.

        Returns
        -------
        StoredTree or None
            None if it has none.

        Raises
        ------
        RunError
            If a file is damaged.
        """
        if not guard.is_there(folder / TREE_NAME):
            return None
        tree = json_form.read(ClusterTree, folder / TREE_NAME)
        return cls(tree, npz.read_stored(folder / CENTERS_NAME)["centers"])

    def after_edits(self, computed: np.ndarray, edited: np.ndarray, k: int) -> ClusterTree:
        """Return the tree over clusters that were changed by hand, by Ward's rule.

        The center of a changed cluster is the mean over its images of the centers to which these
        belonged, so that the parts of a split cluster join at height 0.

        Parameters
        ----------
        computed : ndarray of shape (n,), int
            Cluster of each image as computed.
        edited : ndarray of shape (n,), int
            Its cluster now, -1 for none.
        k : int
            Number of clusters now.
        """
        if np.array_equal(computed, edited):
            return self.tree
        n_before = len(self.centers)
        is_inside = edited >= 0
        pairs = edited[is_inside].astype(np.int64) * n_before + computed[is_inside]
        counts = np.bincount(pairs, minlength=k * n_before).reshape(k, n_before)
        sizes = counts.sum(axis=1)
        shares = counts / np.maximum(sizes, 1)[:, None]
        return ward_tree(shares @ self.centers, sizes)
