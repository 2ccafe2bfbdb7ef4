"""Several clusterings of the same images as one: match their clusters and let every member vote.

The reference is the member that agrees best with the others: by the mean adjusted Rand index on
the images that were fitted on. The clusters of every member are matched with the reference's by
their largest overlap (Hungarian method). Each image goes to the cluster that most members name,
and on a tie to the reference's. This is the voting of Dudoit and Fridlyand 2003 (BagClust1), with
seeds in the place of bootstrap samples. No label takes part.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.clustering.assigned import Assigned, canonical_order


@dataclass(frozen=True)
class Consensus:
    """The joint result of several clusterings.

    Attributes
    ----------
    cluster : ndarray of shape (n,), int32
    agreement : ndarray of shape (n,), float32
        Share of the members that name this cluster, in (0, 1].
    shares : ndarray of shape (n, k), float32
        Share of the members that name each cluster; rows sum to 1.
    maps : ndarray of shape (members, k), int
        The consensus' cluster of each member's cluster.
    reference : int
        Position of the reference among the members.
    ari : ndarray of shape (members, members)
        Adjusted Rand index between every two members on the fitted images.
    """

    cluster: np.ndarray
    agreement: np.ndarray
    shares: np.ndarray
    maps: np.ndarray
    reference: int
    ari: np.ndarray


@dataclass(frozen=True)
class SeedAgreement:
    """How far clusterings agree: their adjusted Rand indices in pairs.

    Attributes
    ----------
    mean, min : float
        Over all pairs.
    std : float or None
        Standard deviation over all pairs; None of a single pair.
    matrix : tuple of tuple of float
        The index of every two members.
    """

    mean: float
    std: float | None
    min: float
    matrix: tuple[tuple[float, ...], ...]


def unite(members: Sequence[np.ndarray], fitted: np.ndarray, k: int) -> Consensus:
    """Unite clusterings into k clusters, the largest first.

    Parameters
    ----------
    members : sequence of ndarray of shape (n,), int
        Cluster of each image, one array per member; at least two.
    fitted : ndarray of shape (n,), bool
        The images that were fitted on. They alone decide on the matches and on the reference.
    k : int
        Number of clusters of every member.

    Returns
    -------
    Consensus

    Examples
    --------
    >>> members = [np.array([0, 0, 1]), np.array([1, 1, 0])]
    >>> unite(members, np.ones(3, bool), 2).cluster.tolist()
    [0, 0, 1]
    """
    # Match the members with the one that agrees best.
    ari = _rand_indices([member[fitted] for member in members])
    reference = int(ari.sum(axis=1).argmax())
    reference_labels = members[reference][fitted]
    maps = np.stack([_match(reference_labels, member[fitted], k) for member in members])

    # Number the clusters by their size after the vote.
    voted = vote(members, maps).argmax(axis=1)
    new_numbers = np.argsort(canonical_order(voted[fitted], k))
    maps = new_numbers[maps]

    shares = vote(members, maps)
    cluster = choose(members, maps, reference, shares)
    agreement = shares[np.arange(len(cluster)), cluster]
    return Consensus(cluster, agreement, shares, maps, reference, ari)


def vote(members: Sequence[np.ndarray], maps: np.ndarray) -> np.ndarray:
    """Return the share of the members that name each cluster, float32 (n, k).

    Parameters
    ----------
    members : sequence of ndarray of shape (n,), int
        Cluster of each image, one array per member.
    maps : ndarray of shape (members, k), int
        The consensus' cluster of each member's cluster.
    """
    n_images = len(members[0])
    shares = np.zeros((n_images, maps.shape[1]), np.float32)
    for member, new_numbers in zip(members, maps, strict=True):
        shares[np.arange(n_images), new_numbers[member]] += 1
    return shares / len(members)


def choose(
    members: Sequence[np.ndarray], maps: np.ndarray, reference: int, shares: np.ndarray
) -> np.ndarray:
    """Return the cluster of the largest share, int32 (n,); on a tie the reference's if possible.

    Parameters
    ----------
    members, maps
        As for `vote`.
    reference : int
        Position of the reference among the members.
    shares : ndarray of shape (n, k)
        From `vote`.
    """
    reference_cluster = maps[reference][members[reference]]
    reference_share = shares[np.arange(len(shares)), reference_cluster]
    reference_wins = reference_share == shares.max(axis=1)
    return np.where(reference_wins, reference_cluster, shares.argmax(axis=1)).astype(np.int32)


def as_assigned(
    members: Sequence[Assigned], cluster: np.ndarray, shares: np.ndarray, maps: np.ndarray
) -> Assigned:
    """Return a consensus in the form of any other assignment.

    The distance is the mean over the members that name the cluster. The margin is the largest
    share less the second largest, and the soft assignment is the shares.

    Parameters
    ----------
    members : sequence of Assigned
        Assignments of the same n images.
    cluster : ndarray of shape (n,), int
        From `choose`.
    shares : ndarray of shape (n, k)
        From `vote`.
    maps : ndarray of shape (members, k), int
        The consensus' cluster of each member's cluster.
    """
    rows = []
    for member, new_numbers in zip(members, maps, strict=True):
        rows.append(new_numbers[member.cluster] == cluster)
    agrees = np.stack(rows)
    distances = np.stack([member.distance for member in members])
    sums = np.where(agrees, distances, 0).sum(axis=0)
    mean_distance = (sums / agrees.sum(axis=0)).astype(np.float32)
    top_two = np.sort(np.pad(shares, ((0, 0), (1, 0))), axis=1)[:, -2:]
    return Assigned(cluster, mean_distance, top_two[:, 1] - top_two[:, 0], shares)


def agreement_of_seeds(ari: np.ndarray) -> SeedAgreement:
    """Summarise adjusted Rand indices between every two members.

    Parameters
    ----------
    ari : ndarray of shape (members, members)
        Symmetric; `Consensus.ari`.
    """
    pairs = ari[np.triu_indices(len(ari), 1)]
    std = float(pairs.std(ddof=1)) if len(pairs) > 1 else None
    matrix = tuple(map(tuple, ari.tolist()))
    return SeedAgreement(float(pairs.mean()), std, float(pairs.min()), matrix)


def _rand_indices(members: Sequence[np.ndarray]) -> np.ndarray:
    """Return the adjusted Rand index between every two members."""
    from sklearn.metrics import adjusted_rand_score

    ari = np.eye(len(members))
    for first, second in itertools.combinations(range(len(members)), 2):
        index = adjusted_rand_score(members[first], members[second])
        ari[first, second] = index
        ari[second, first] = index
    return ari


def _match(reference: np.ndarray, member: np.ndarray, k: int) -> np.ndarray:
    """Return the reference's cluster of each cluster of the member, int (k,)."""
    from scipy.optimize import linear_sum_assignment

    overlap = np.bincount(member.astype(np.int64) * k + reference, minlength=k * k).reshape(k, k)
    return linear_sum_assignment(overlap, maximize=True)[1]
