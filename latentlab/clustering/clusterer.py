"""The contract of clustering methods on feature vectors: one file per method, found by its name.

A method file defines one subclass of `Clusterer`. Nothing else has to be touched, and
`latentlab.testing.check_clusterer` says whether it keeps the contract. No argument can carry a
label.
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from latentlab.clustering.assigned import Assigned, distances_to, grouped
from latentlab.clustering.means import cluster_means
from latentlab.clustering.vectors import Vectors
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError
from latentlab.plugins import Plugin


@dataclass(frozen=True)
class FittedClusters(abc.ABC):
    """Clusters that a method has fitted.

    Attributes
    ----------
    centers : ndarray of shape (k, d), float32
        Their centers, in the order of the cluster numbers.
    facts : mapping
        Facts for result.json: algorithm, inertia, n_iter and more. Empty for loaded clusters.
    """

    centers: np.ndarray
    facts: Mapping[str, object] = field(default_factory=dict, kw_only=True)

    @property
    def merges(self) -> np.ndarray | None:
        """The method's own tree of its clusters, as `ClusterTree.merges`; None if it has none."""
        return None

    @abc.abstractmethod
    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, feature vectors of shape (n, d)."""

    def grouped(self, groups: np.ndarray) -> "FittedClusters":
        """Return these clusters with some of them joined.

        Parameters
        ----------
        groups : ndarray of shape (k,), int
            New cluster of each cluster.
        """
        return Grouped(_mean_centers(self.centers, groups), self, groups)

    @abc.abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything that `Clusterer.load` needs as named arrays, for an .npz file."""


@dataclass(frozen=True)
class Centers(FittedClusters):
    """Clusters that are their centers: an image belongs to the nearest.

    Examples
    --------
    >>> clusters = Centers(np.array([[0.0], [4.0]], np.float32))
    >>> clusters.assign(np.array([[1.0], [3.5]], np.float32)).cluster.tolist()
    [0, 1]
    """

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, of shape (n, d), to the nearest centers."""
        return Assigned.from_distances(distances_to(self.centers, vectors))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the centers by name."""
        return {"centers": self.centers}

    def grouped(self, groups: np.ndarray) -> "FittedClusters":
        """Return clusters with several centers each; the nearest of them counts.

        Parameters
        ----------
        groups : ndarray of shape (k,), int
            New cluster of each center.
        """
        return GroupedCenters(_mean_centers(self.centers, groups), self, groups)


@dataclass(frozen=True)
class Grouped(FittedClusters):
    """Fitted clusters of which some were joined.

    Attributes
    ----------
    parts : FittedClusters
        The clusters before.
    groups : ndarray of shape (k,), int
        New cluster of each of them.
    """

    parts: FittedClusters
    groups: np.ndarray

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, of shape (n, d), to the parts; they follow these."""
        return grouped(self.parts.assign(vectors), self.groups)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the parts, and the groups, by name."""
        return {**self.parts.to_arrays(), "groups": self.groups}


@dataclass(frozen=True)
class GroupedCenters(Grouped):
    """Clusters with several centers each: an image belongs to that of the nearest.

    Examples
    --------
    >>> centers = Centers(np.array([[0.0], [1.0], [9.0]], np.float32))
    >>> joined = centers.grouped(np.array([0, 0, 1]))
    >>> joined.assign(np.array([[0.5]], np.float32)).margin.tolist()
    [8.0]
    """

    def assign(self, vectors: np.ndarray) -> Assigned:
        """Assign `vectors`, of shape (n, d); margins are those between the joined clusters."""
        to_parts = distances_to(self.parts.centers, vectors)
        nearest = np.full((len(vectors), len(self.centers)), np.inf, np.float32)
        np.minimum.at(nearest.T, self.groups, to_parts.T)
        return Assigned.from_distances(nearest)


@dataclass(frozen=True)
class ClustererCapabilities:
    """Facts about a method that the rest of the package needs.

    Attributes
    ----------
    default_features : str
        Feature steps of a clustering that names none; {k} stands for the number of clusters.
        Empty: whatever the encoder gives.
    required_step : str
        Feature step without which it would be another method; empty: none.
    pretrained_features : str
        Feature steps, such as "umap10", that follow the embedding of a pretrained encoder where
        `default_features` names none.
    finds_k : bool
        The method finds the number of clusters and takes none.
    needs_prototypes : bool
        The method reads `Vectors.prototype_shares`.
    can_start_refinement : bool
        Methods that train the encoder may start from its clusters.
    evens_sizes : bool
        The method tends to clusters of one size, so that `cluster` compares its sizes with those
        of k-means and says where the images seem to be of other sizes.
    """

    default_features: str = ""
    required_step: str = ""
    pretrained_features: str = ""
    finds_k: bool = False
    needs_prototypes: bool = False
    can_start_refinement: bool = True
    evens_sizes: bool = False


class Clusterer(Plugin, abc.ABC):
    """A clustering method.

    `vectors.matrix()` gives all training vectors in memory. `Centers` are clusters to return,
    `canonical_order` numbers them, and `check_enough_images` refuses too large a k.

    Attributes
    ----------
    name : str
        Name of its file, with dashes.
    Options : type
        Frozen dataclass of the method's settings, with a default for every field.
    capabilities : ClustererCapabilities
    """

    kind: ClassVar[str] = "clustering"
    capabilities: ClassVar[ClustererCapabilities] = ClustererCapabilities()

    @abc.abstractmethod
    def fit(self, vectors: Vectors, options: ClusterOptions, settings: Any) -> FittedClusters:
        """Find the clusters; the largest gets number 0.

        Parameters
        ----------
        vectors : Vectors
            Features of the training images.
        options : ClusterOptions
            Number of clusters, restarts and seed; the same seed gives the same clusters.
        settings : Options
            The method's own settings, already parsed.

        Raises
        ------
        DataError
            If the vectors cannot be clustered so.
        ConfigError
            If a setting does not fit the vectors.
        """

    @abc.abstractmethod
    def load(self, arrays: Mapping[str, np.ndarray]) -> FittedClusters:
        """Return fitted clusters from the `arrays` of `to_arrays`; other names are ignored."""


def _mean_centers(centers: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the mean center of each group, float32 (groups, d)."""
    return cluster_means(centers, groups, centers[: int(groups.max()) + 1])


def number_of_clusters(options: ClusterOptions) -> int:
    """Return the number of clusters of a method that does not find it by itself.

    Parameters
    ----------
    options : ClusterOptions

    Raises
    ------
    ConfigError
        If there is none.
    """
    if not options.k:
        raise ConfigError("is missing: this method needs a number of clusters", field="k")
    return options.k


def too_few_different(k: int, reason: object) -> DataError:
    """Return the error for fewer different training images than clusters.

    Parameters
    ----------
    k : int
        Number of clusters.
    reason : object
        What a library said, for the parentheses.
    """
    return DataError(
        f"is more than the different images there are ({' '.join(str(reason).split())})",
        field="k",
        value=k,
        hint="Choose a smaller `k`.",
    )


def check_enough_images(k: int, n_images: int, at_least: int = 1) -> None:
    """Raise DataError if there are fewer training images than clusters.

    Parameters
    ----------
    k : int
        Number of clusters.
    n_images : int
        Number of training images.
    at_least : int
        Images that the method needs anyway.
    """
    if n_images < max(k, at_least):
        raise DataError(
            f"is more than the {n_images} training images",
            field="k",
            value=k,
            limit=n_images,
            hint="Choose a smaller `k`.",
        )
