"""The clusters as a page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from latentlab.data.images import TEST, TRAIN
from latentlab.reporting import thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary, Moves
from latentlab.reporting.decoded_pictures import say_something
from latentlab.storage import guard, npz
from latentlab.storage.clustering import DECODED_NAME


@dataclass(frozen=True)
class ClusterData:
    """One cluster.

    Attributes
    ----------
    number : int
        Number of the cluster.
    name : str
        The name that it was given, else "cluster" and its number.
    suggested : str or None
        A name that its images suggest.
    status : {"", "accepted", "rejected"}
        What somebody has said of it.
    sizes : dict of str to int
        Images by split; none of an empty cluster, which is shown nowhere.
    labels : list of (str, float)
        The commonest labels with their shares.
    centroid : str or None
        Data URI of the decoded mean code, if there is one that says something.
    moves : Moves or None
        What refinement moved; None without refinement.
    """

    number: int
    name: str
    suggested: str | None
    status: str
    sizes: dict[str, int]
    labels: list[tuple[str, float]]
    centroid: str | None
    moves: Moves | None


def clusters_of(
    summary: ClusteringSummary, suggested: Sequence[str | None] = ()
) -> list[ClusterData]:
    """Return the page's data about each cluster.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    suggested : sequence of str or None
        A name that the images of each cluster suggest; empty for none.

    Returns
    -------
    list of ClusterData
    """
    centroids = _centroids(summary)
    suggested = suggested or [None] * summary.k
    clusters = []
    for cluster in range(summary.k):
        members = summary.members(cluster)
        splits = summary.images.splits[members]
        clusters.append(
            ClusterData(
                number=cluster,
                name=summary.cluster_name(cluster),
                suggested=suggested[cluster],
                status=summary.status[cluster],
                sizes={split: int((splits == split).sum()) for split in (TRAIN, TEST)},
                labels=summary.label_mix(members),
                centroid=centroids[cluster] if cluster < len(centroids) else None,
                moves=summary.moves(cluster),
            )
        )
    return clusters


def _centroids(summary: ClusteringSummary) -> list[str | None]:
    """Return the decoded mean codes as data URIs, None for one that says nothing."""
    path = summary.folder / DECODED_NAME
    if not guard.is_there(path):
        return []
    images = npz.read_stored(path)["centroids"]
    shown = say_something(images)
    pairs = zip(images, shown, strict=True)
    return [thumbnails.thumbnail(image) if is_shown else None for image, is_shown in pairs]
