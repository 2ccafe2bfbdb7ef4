"""The pictures of a page that is one file: its thumbnails, and which of them are alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.errors import RunError
from latentlab.progress import log
from latentlab.reporting import alike, atlas
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.packed import pack
from latentlab.reporting.page_data import AtlasData, NeighbourData
from latentlab.reporting.whole_pictures import WholePictures
from latentlab.storage.run import Run

BYTES_OF_PLACE = 6  # of each image of the map, in base64: the number of its thumbnail


@dataclass(frozen=True)
class PagePictures:
    """The pictures of a page.

    Attributes
    ----------
    atlas : AtlasData
        Where the thumbnails are.
    neighbours : NeighbourData or None
        Which are alike; None if the run holds no vectors.
    sheets : list of str
        WebP in base64.
    note : str
        Which images have thumbnails, in a sentence.
    """

    atlas: AtlasData
    neighbours: NeighbourData | None
    sheets: list[str]
    note: str


def page_pictures(
    summary: ClusteringSummary, room: int, tick: Callable[[int], object] = int
) -> PagePictures:
    """Return the pictures that a page has room for.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map and images.
    room : int
        Bytes of the page that pictures and neighbours may take, in base64.
    tick : callable
        Called with the number of thumbnails that are done.
    """
    _, positions = summary.read_map()
    pictures = WholePictures.of(summary)

    def read(rows: Sequence[int]) -> list[atlas.Rgb]:
        return pictures.read(positions[np.asarray(rows, np.int64)].tolist())

    order = atlas.MapOrder(
        clusters=summary.clusters[positions],
        distance=summary.distance[positions],
        margin=summary.margin[positions],
    )
    # Base64 makes four thirds of the bytes.
    room = room - len(positions) * BYTES_OF_PLACE
    budget = max(0, min(atlas.BUDGET, room * 3 // 4))
    most = atlas.MOST_FILES if pictures.reads_files else None
    made = atlas.build_atlas(order, read, budget, most, tick=tick)
    with_thumbnail = np.argsort(made.place, kind="stable")[len(positions) - len(made.shapes) :]
    neighbours = _neighbours(summary.run, positions, with_thumbnail)
    return PagePictures(_atlas_data(made), neighbours, made.sheets, made.note)


def _atlas_data(made: atlas.Atlas) -> AtlasData:
    has_default_order = (made.place == np.arange(len(made.place))).all()
    return AtlasData(
        side=made.side,
        columns=made.columns,
        per_sheet=made.per_sheet,
        ratio=pack(made.shapes),
        place=None if has_default_order else pack(made.place),
        choice="all" if made.is_whole else "sample",
        per_cluster=made.per_cluster,
    )


def _neighbours(run: Run, positions: np.ndarray, rows: np.ndarray) -> NeighbourData | None:
    """Return the neighbours of the images of some rows of the map, among these."""
    try:
        nearest = alike.nearest_among(run, positions[rows])
    except RunError as error:
        log.info("the page cannot show images that are alike: %s", error)
        return None
    return NeighbourData(nearest.shape[1], pack(rows[nearest].astype(np.int32)))
