"""Single images of a clustering as data URIs, for the comparison and for notebooks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.reporting import thumbnails
from latentlab.reporting.clustering_summary import ClusteringSummary

ImageSources = Callable[[np.ndarray], list[str]]
"""From positions of images to the `src` of an <img> for each."""


@dataclass(frozen=True)
class GalleryImage:
    """One image of a gallery.

    Attributes
    ----------
    id : str
        Id of the image.
    text : str
        Its label; "" if the data has no labels.
    source : str
        The `src` of its <img>.
    """

    id: str
    text: str
    source: str


def thumbnail_sources(
    summary: ClusteringSummary, side: int = thumbnails.THUMBNAIL_SIDE
) -> ImageSources:
    """Return a function that makes data URIs of images.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering of the images.
    side : int
        Pixels a side, at most.

    Returns
    -------
    callable
        From positions of images to a data URI for each; "" if the run has no images.
    """

    def sources(positions: np.ndarray) -> list[str]:
        if not len(positions) or not summary.has_pictures:
            return [""] * len(positions)
        return [thumbnails.thumbnail(image, side) for image in summary.images.read(positions)]

    return sources


def gallery_images(
    summary: ClusteringSummary, positions: np.ndarray, sources: ImageSources
) -> list[GalleryImage]:
    """Return images with their ids and labels.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering of the images.
    positions : ndarray of int
        Positions of the images.
    sources : callable
        Where the images come from, see `ImageSources`.

    Returns
    -------
    list of GalleryImage
    """
    texts = [""] * len(positions)
    if summary.classes is not None:
        names = (*summary.class_names, "no label")
        texts = [names[number] for number in summary.classes[positions]]
    ids = summary.images.ids[positions].tolist()
    return list(map(GalleryImage, ids, texts, sources(positions)))
