"""Several clusterings of the same images as one: match their clusters, let every member vote, and say how far they agree.

The reference is the member that agrees best with the others (mean adjusted Rand index on the images that were fitted on).
The clusters of every member are matched with the reference's by their largest overlap (Hungarian method), and each image
goes to the cluster that most members name, the reference's where several are named as often: the voting of Dudoit and
Fridlyand 2003 (BagClust1), with seeds in the place of bootstrap samples. No label takes part.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from latentlab.clustering.base import Assigned, canonical_order


class Consensus(NamedTuple):
    """What several clusterings say together.

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


def unite(members: Sequence[np.ndarray], fitted: np.ndarray, k: int) -> Consensus:
    """Return the consensus of clusterings into k clusters, the largest cluster first.

    Parameters
    ----------
    members : sequence of ndarray of shape (n,), int
        Cluster of each image, one array a member, two or more.
    fitted : ndarray of shape (n,), bool
        The images that were fitted on: they alone decide on the matches and on the reference.
    """
    ari = _agreements([member[fitted] for member in members])
    reference = int((ari.sum(axis=1)).argmax())
    maps = np.stack([_match(members[reference][fitted], member[fitted], k) for member in members])
    voted = vote(members, maps)
    order = np.argsort(
        canonical_order(voted.argmax(axis=1)[fitted], k)
    )  # new number of each old one
    maps = order[maps]
    shares = vote(members, maps)
    cluster = choose(members, maps, reference, shares)
    return Consensus(
        cluster, shares[np.arange(len(cluster)), cluster], shares, maps, reference, ari
    )


def vote(members: Sequence[np.ndarray], maps: np.ndarray) -> np.ndarray:
    """Return the share of the members, float32 (n, k), that name each cluster, for clusters (n,) and maps (members, k)."""
    shares = np.zeros((len(members[0]), maps.shape[1]), np.float32)
    for member, to in zip(members, maps, strict=True):
        shares[np.arange(len(member)), to[member]] += 1
    return shares / len(members)


def choose(
    members: Sequence[np.ndarray], maps: np.ndarray, reference: int, shares: np.ndarray
) -> np.ndarray:
    """Return the cluster of the largest share, int32 (n,); of several, the reference's where it is among them."""
    rows, own = np.arange(len(shares)), maps[reference][members[reference]]
    return np.where(shares[rows, own] == shares.max(axis=1), own, shares.argmax(axis=1)).astype(
        np.int32
    )


def as_assigned(
    members: Sequence[Assigned], cluster: np.ndarray, shares: np.ndarray, maps: np.ndarray
) -> Assigned:
    """Return a consensus as any other assignment.

    The distance is the mean over the members that name the cluster, the margin is the largest share less the second
    largest, and the soft assignment is the shares.
    """
    own = np.stack(
        [to[member.cluster] == cluster for member, to in zip(members, maps, strict=True)]
    )
    distances = np.stack([member.distance for member in members])
    mean = np.where(own, distances, 0).sum(axis=0) / own.sum(axis=0)
    top = np.sort(np.pad(shares, ((0, 0), (1, 0))), axis=1)[:, -2:]
    return Assigned(cluster, mean.astype(np.float32), top[:, 1] - top[:, 0], shares)


def facts(ari: np.ndarray) -> dict[str, Any]:
    """Return mean, standard deviation, least and all of the adjusted Rand indices between every two members."""
    pairs = ari[np.triu_indices(len(ari), 1)]
    spread = float(pairs.std(ddof=1)) if len(pairs) > 1 else None
    return {
        "mean": float(pairs.mean()),
        "std": spread,
        "min": float(pairs.min()),
        "matrix": ari.tolist(),
    }


def _agreements(members: Sequence[np.ndarray]) -> np.ndarray:
    from sklearn.metrics import adjusted_rand_score

    ari = np.eye(len(members))
    for i, j in itertools.combinations(range(len(members)), 2):
        ari[i, j] = ari[j, i] = adjusted_rand_score(members[i], members[j])
    return ari


def _match(reference: np.ndarray, member: np.ndarray, k: int) -> np.ndarray:
    """Return the reference's cluster of each of the member's, int (k,), one to one."""
    from scipy.optimize import linear_sum_assignment

    overlap = np.bincount(member.astype(np.int64) * k + reference, minlength=k * k).reshape(k, k)
    return linear_sum_assignment(overlap, maximize=True)[1]
