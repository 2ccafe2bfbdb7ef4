"""Does a clustering method keep the contract? Checks for our tests and for authors of plugins."""

import inspect
import json
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.assigned import Assigned
from latentlab.clustering.clusterer import Clusterer, FittedClusters
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.encoders.conformance import check_declarations, require
from latentlab.storage import json_form

SIZES = (50, 30, 30, 30, 30)  # of the groups that a method has to find
N_DIMS = 6
N_PROTOTYPES = 20
SEED = 1
FIT_PARAMETERS = ["vectors", "options", "settings"]


def check_clusterer(plugin: Clusterer) -> None:
    """Check that a clustering method keeps the contract of `latentlab.clustering.clusterer`.

    The method is fitted, with its default settings, to five clear groups.

    Parameters
    ----------
    plugin : Clusterer
        From `Clusterer.named`.

    Raises
    ------
    AssertionError
        If it does not; the text tells the plugin's author what to mend.
    """
    # Declarations
    check_declarations(plugin, "latentlab cluster")
    parameters = list(inspect.signature(plugin.fit).parameters)
    require(
        parameters == FIT_PARAMETERS,
        f"`fit` must take {', '.join(FIT_PARAMETERS)} and nothing else: no argument carries a"
        " label.",
    )

    # Clusters of clear groups
    case = _Case(plugin)
    fitted = case.fit()
    require(isinstance(fitted, FittedClusters), "`fit` must return FittedClusters.")
    centers = fitted.centers
    require(
        centers.dtype == np.float32 and centers.shape[1:] == (N_DIMS,),
        f"`centers` must be float32 of shape (k, {N_DIMS}), not {centers.dtype} of shape"
        f" {centers.shape}.",
    )
    assigned = fitted.assign(case.matrix)
    case.check_number_of_clusters(fitted, assigned)
    _check_arrays(assigned, len(case.matrix))
    _check_soft(assigned)
    _check_facts(fitted)
    _check_order(assigned)

    # The same clusters from the same seed, and from files
    again = case.fit().assign(case.matrix)
    require(
        np.array_equal(again.cluster, assigned.cluster),
        "`fit` must give the same clusters for the same seed: make every random choice by it.",
    )
    loaded = plugin.load(_copies(fitted)).assign(case.matrix)
    require(
        np.array_equal(loaded.cluster, assigned.cluster),
        "`load` must give clusters that assign like those that `to_arrays` was called on.",
    )


def groups() -> np.ndarray:
    """Return vectors of five clear groups, float32 (170, 6); the first 50 are the largest group."""
    rng = np.random.default_rng(0)
    parts = []
    for size in SIZES:
        center = 4 * rng.normal(size=N_DIMS)
        parts.append(center + 0.05 * rng.normal(size=(size, N_DIMS)))
    return np.concatenate(parts).astype(np.float32)


def prototype_shares(matrix: np.ndarray) -> np.ndarray:
    """Return soft assignments to some of the vectors, as if those were prototypes.

    Parameters
    ----------
    matrix : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n, prototypes), float32
    """
    from scipy.special import softmax

    prototypes = matrix[:: max(1, len(matrix) // N_PROTOTYPES)]
    squared = np.square(matrix[:, None] - prototypes[None]).sum(axis=2)
    return softmax(-squared / np.median(squared), axis=1).astype(np.float32)


@dataclass
class _Case:
    """Groups to find, in parts, and the options to find them with."""

    plugin: Clusterer

    def __post_init__(self) -> None:
        finds_k = self.plugin.capabilities.finds_k
        self.k = None if finds_k else len(SIZES)
        self.matrix = groups()
        self.options = ClusterOptions(k=self.k, method=self.plugin.name, seed=SEED)

    def fit(self) -> FittedClusters:
        n_images, n_dims = self.matrix.shape
        vectors = Vectors(
            n_images,
            n_dims,
            parts=lambda: iter(np.array_split(self.matrix, 7)),
            prototype_shares=lambda: prototype_shares(self.matrix),
        )
        return self.plugin.fit(vectors, self.options, self.plugin.Options())

    def check_number_of_clusters(self, fitted: FittedClusters, assigned: Assigned) -> None:
        n_clusters = len(fitted.centers)
        if self.k is None:
            require(
                fitted.facts.get("k") == n_clusters,
                'A method that finds k must have it in `facts["k"]`, with as many centers.',
            )
        else:
            require(
                n_clusters == self.k,
                f"`options.k` is {self.k}, and there must be {self.k} centers.",
            )
        require(
            assigned.cluster.min() >= 0 and assigned.cluster.max() < n_clusters,
            "Clusters must have the numbers 0 to k - 1.",
        )


def _check_arrays(assigned: Assigned, n_images: int) -> None:
    arrays = {
        "cluster": (assigned.cluster, np.int32),
        "distance": (assigned.distance, np.float32),
        "margin": (assigned.margin, np.floating),
    }
    for name, (array, kind) in arrays.items():
        is_right = np.issubdtype(array.dtype, kind) and array.shape == (n_images,)
        require(
            is_right,
            f"`assign` must give {name} as {kind.__name__} of shape ({n_images},), not"
            f" {array.dtype} of shape {array.shape}.",
        )
    require(bool((assigned.distance >= 0).all()), "Distances must not be negative.")
    require(bool((assigned.margin >= 0).all()), "Margins must not be negative.")


def _check_soft(assigned: Assigned) -> None:
    soft = assigned.soft
    if soft is None:
        return
    require(soft.dtype == np.float32, "`soft` must be float32.")
    require(np.allclose(soft.sum(axis=1), 1, atol=1e-5), "Rows of `soft` must sum to 1.")
    require(
        np.array_equal(soft.argmax(axis=1), assigned.cluster),
        "`cluster` must be the most probable one of `soft`.",
    )


def _check_facts(fitted: FittedClusters) -> None:
    try:
        json.dumps(json_form.to_json(fitted.facts))
    except TypeError as error:
        raise AssertionError(f"`facts` must be JSON: {error}.") from error


def _check_order(assigned: Assigned) -> None:
    sizes = np.bincount(assigned.cluster).tolist()
    require(
        sizes == sorted(sizes, reverse=True),
        f"Number the clusters by size, the largest 0: see `canonical_order`. Sizes are {sizes}.",
    )


def _copies(fitted: FittedClusters) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in fitted.to_arrays().items()}
