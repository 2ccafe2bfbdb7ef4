"""The thumbnails of the page that compares two clusterings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.reporting import atlas
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.comparison_data import NOWHERE, ComparedRows
from latentlab.reporting.packed import pack
from latentlab.reporting.page_data import AtlasData
from latentlab.reporting.page_pictures import BYTES_OF_PLACE
from latentlab.reporting.whole_pictures import WholePictures


@dataclass(frozen=True)
class ComparedPictures:
    """The thumbnails of a page.

    Attributes
    ----------
    atlas : AtlasData
        Where they are.
    sheets : list of str
        WebP in base64.
    note : str
        Which images have one, in a sentence.
    """

    atlas: AtlasData
    sheets: list[str]
    note: str


def compared_pictures(
    summaries: Sequence[ClusteringSummary], rows: ComparedRows, room: int
) -> ComparedPictures | None:
    """Return the thumbnails that a page has room for.

    Parameters
    ----------
    summaries : sequence of ClusteringSummary
        The two clusterings.
    rows : ComparedRows
        The images on the page.
    room : int
        Bytes of the page that they may take, in base64.

    Returns
    -------
    ComparedPictures or None
        None if no run has pictures.
    """
    side_of = _sides_of(summaries, rows)
    shown = np.flatnonzero(side_of != NOWHERE)
    if not len(shown):
        return None
    readers = [WholePictures.of(summary) for summary in summaries]

    def read(places: Sequence[int]) -> list[atlas.Rgb]:
        chosen = shown[np.asarray(places, np.int64)]
        pictures: dict[int, atlas.Rgb] = {}
        for side, reader in enumerate(readers):
            of_side = chosen[side_of[chosen] == side]
            if len(of_side):
                in_order = reader.read(rows.positions[side, of_side].tolist())
                pictures |= zip(of_side.tolist(), in_order, strict=True)
        return [pictures[row] for row in chosen.tolist()]

    room = room - len(rows.ids) * BYTES_OF_PLACE
    budget = max(0, min(atlas.BUDGET, room * 3 // 4))
    reads_files = any(reader.reads_files for reader in readers)
    order = _order(summaries, rows, side_of, shown)
    made = atlas.build_atlas(order, read, budget, atlas.MOST_FILES if reads_files else None)
    place = np.full(len(rows.ids), -1, np.int32)
    place[shown] = made.place
    return ComparedPictures(_atlas_data(made, place), made.sheets, made.note)


def _sides_of(summaries: Sequence[ClusteringSummary], rows: ComparedRows) -> np.ndarray:
    """Return the side that an image's picture is read from; -1 for none."""
    side_of = np.full(len(rows.ids), NOWHERE)
    for side in (1, 0):
        if summaries[side].has_pictures:
            side_of[rows.positions[side] != NOWHERE] = side
    return side_of


def _order(
    summaries: Sequence[ClusteringSummary],
    rows: ComparedRows,
    side_of: np.ndarray,
    shown: np.ndarray,
) -> atlas.MapOrder:
    """Return what decides which images get a thumbnail: their clusters on the side of each."""
    clusters = np.zeros(len(rows.ids), np.int64)
    distance = np.zeros(len(rows.ids))
    margin = np.zeros(len(rows.ids))
    first_number = 0
    for side, summary in enumerate(summaries):
        here = np.flatnonzero(side_of == side)
        positions = rows.positions[side, here]
        numbers = summary.clusters[positions]
        clusters[here] = np.where(numbers < 0, -1, numbers + first_number)
        distance[here] = summary.distance[positions]
        margin[here] = summary.margin[positions]
        first_number += summary.k
    return atlas.MapOrder(clusters[shown], distance[shown], margin[shown])


def _atlas_data(made: atlas.Atlas, place: np.ndarray) -> AtlasData:
    has_default_order = (place == np.arange(len(place))).all()
    return AtlasData(
        side=made.side,
        columns=made.columns,
        per_sheet=made.per_sheet,
        ratio=pack(made.shapes),
        place=None if has_default_order else pack(place),
        choice="all" if (place >= 0).all() else "sample",
        per_cluster=made.per_cluster,
    )
