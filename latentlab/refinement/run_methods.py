"""The ways of clustering a run by name, and the one way to assign images to saved clusters."""

from collections.abc import Iterator, Sequence

import numpy as np

from latentlab import plugins
from latentlab.clustering import consensus_files
from latentlab.clustering.assigned import Assigned
from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.cuts import groups_of, origin_of
from latentlab.clustering.run_method import RunMethod
from latentlab.clustering.tree import DENSITY, ClusterTree, ward_tree
from latentlab.clustering.vector_clustering import VectorClustering
from latentlab.data.images import ImageSet
from latentlab.errors import ConfigError
from latentlab.refinement.deep_clustering import DeepClustering
from latentlab.storage.clustering import Clustering

METHOD_KINDS = ("clustering", "refinement")
SHARD = 2048


def run_method(name: str) -> RunMethod:
    """Return the way of clustering runs that a method's name stands for.

    Parameters
    ----------
    name : str
        Name of a clustering or refinement method.

    Raises
    ------
    ConfigError
        If there is none of that name.

    Examples
    --------
    >>> run_method("kmeans").traits.trains_network
    False
    """
    plugin = plugins.load_any(METHOD_KINDS, name)
    if isinstance(plugin, Clusterer):
        return VectorClustering(plugin)
    return DeepClustering(plugin)


def assign_images(
    clustering: Clustering, images: ImageSet, shards: list[np.ndarray] | None = None
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield (positions, where they belong) for images of any kind of clustering, shard by shard.

    Parameters
    ----------
    clustering : Clustering
        The saved clusters.
    images : ImageSet
        Images in the shape that the run's encoder takes.
    shards : list of ndarray, or None
        Positions of the images to assign; None is all images, 2,048 in a shard.

    Raises
    ------
    RunError
        If the clustering's files are missing or damaged.
    """
    positions = list(images.shards(SHARD)) if shards is None else shards
    members = origin_of(clustering).members
    if members:
        streams = [assign_images(member, images, positions) for member in members]
        yield from consensus_files.vote(clustering, streams)
    else:
        yield from run_method(clustering.options.method).assign(clustering, images, positions)


def assign_vectors(clustering: Clustering, parts: Sequence[np.ndarray]) -> Iterator[Assigned]:
    """Yield where vectors belong, part by part.

    Parameters
    ----------
    clustering : Clustering
        The saved clusters, of a method on vectors.
    parts : sequence of ndarray of shape (m, d), float32
        Vectors of the kind that the features start from, such as embeddings.

    Raises
    ------
    ConfigError
        If the clusters are of a method that trains the encoder.
    RunError
        If the clustering's files are missing or damaged.
    """
    method = run_method(clustering.options.method)
    if not isinstance(method, VectorClustering):
        raise ConfigError(f"{clustering.name} has an encoder of its own: give images, not vectors.")
    members = origin_of(clustering).members
    if members:
        streams = [_numbered(assign_vectors(member, parts)) for member in members]
        for _, assigned in consensus_files.vote(clustering, streams):
            yield assigned
    else:
        yield from method.assign_vectors(clustering, parts)


def tree_of_clusters(clustering: Clustering) -> tuple[ClusterTree, np.ndarray]:
    """Return the tree over the clusters of any kind of clustering, and their centers.

    Parameters
    ----------
    clustering : Clustering
        The saved clusters, as computed.

    Returns
    -------
    tree : ClusterTree
        By density if the method has such a tree, else by Ward's rule.
    centers : ndarray of shape (k, d), float32
        In the space of the features; of a consensus those of its reference member.

    Raises
    ------
    RunError
        If the clustering's files are missing or damaged.
    """
    sizes = np.bincount(clustering.assignments.clusters, minlength=clustering.k)
    groups = groups_of(clustering)
    if groups is not None:
        tree, centers = tree_of_clusters(origin_of(clustering))
        return tree.above(groups), _joined(centers, groups, origin_of(clustering))
    members = clustering.members
    if members:
        reference, new_numbers = consensus_files.reference_of(clustering, members)
        centers = _method_of(reference).centers(reference)
        centers = centers[np.argsort(new_numbers)]
        return ward_tree(centers, sizes), centers
    method = _method_of(clustering)
    centers = method.centers(clustering)
    merges = method.merges(clustering)
    if merges is None:
        return ward_tree(centers, sizes), centers
    tree = ClusterTree.of_merges(merges, range(clustering.k), DENSITY)
    return tree.with_sizes(sizes.tolist()), centers


def _joined(centers: np.ndarray, groups: np.ndarray, origin: Clustering) -> np.ndarray:
    """Return the centers of joined clusters: the means of their parts', weighted by images."""
    sizes = np.bincount(origin.assignments.clusters, minlength=len(groups))
    weights = np.zeros((int(groups.max()) + 1, len(groups)))
    weights[groups, np.arange(len(groups))] = sizes
    means = weights @ centers / np.maximum(weights.sum(axis=1), 1)[:, None]
    return means.astype(np.float32)


def _method_of(clustering: Clustering) -> RunMethod:
    return run_method(clustering.options.method)


def _numbered(stream: Iterator[Assigned]) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield each part with its number in place of positions."""
    for number, assigned in enumerate(stream):
        yield np.array([number]), assigned
