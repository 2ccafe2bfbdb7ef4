"""One clustering as rows of a table, one row per cluster: for the comparison and for notebooks."""

from dataclasses import dataclass, replace

from latentlab.reporting import thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.gallery import GalleryImage, gallery_images, thumbnail_sources
from latentlab.reporting.privacy import public_ids

MOST_LABELS = 2
ROW_SIDE = 72  # pixels of an image in a row, if the images are as large


@dataclass(frozen=True)
class ClusterRow:
    """One cluster.

    Attributes
    ----------
    number : int
        Number of the cluster.
    name : str
        Name that it was given, else "cluster N".
    size : int
        Number of its images.
    labels : list of (str, float)
        The two commonest labels with their shares; empty without labels.
    images : list of GalleryImage
        The images nearest to the center, as data URIs.
    """

    number: int
    name: str
    size: int
    labels: list[tuple[str, float]]
    images: list[GalleryImage]

    @property
    def numbered_name(self) -> str:
        """Its number, and its name if it was given one, such as "3 cats"."""
        is_named = self.name != f"cluster {self.number}"
        return f"{self.number} {self.name}" if is_named else str(self.number)


def cluster_rows(
    summary: ClusteringSummary, n_images: int, n_clusters: int | None = None
) -> list[ClusterRow]:
    """Return one row per cluster that is shown; those that edits have emptied have none.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.
    n_images : int
        Images per cluster, at most.
    n_clusters : int or None
        Return the first clusters only; None returns all.

    Returns
    -------
    list of ClusterRow
    """
    side = ROW_SIDE if summary.has_photos else thumbnails.THUMBNAIL_SIDE
    sources = thumbnail_sources(summary, side)
    ids = summary.images.ids.tolist()
    name_of = dict(zip(ids, public_ids(ids), strict=True))
    rows = []
    nearest = summary.gallery("nearest", n_images)
    for cluster in summary.shown[:n_clusters]:
        members = summary.members(cluster)
        images = gallery_images(summary, nearest[cluster], sources)
        rows.append(
            ClusterRow(
                number=cluster,
                name=summary.cluster_name(cluster),
                size=len(members),
                labels=summary.label_mix(members, MOST_LABELS),
                images=[replace(image, id=name_of[image.id]) for image in images],
            )
        )
    return rows
