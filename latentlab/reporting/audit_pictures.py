"""Pictures of an audit: the mosaic of duplicates, for the eye."""

from typing import TYPE_CHECKING

import numpy as np

from latentlab.clustering.duplicates import Pairs
from latentlab.data.images import ImageSet
from latentlab.reporting import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_ALIKE = 24
OTHERS = 24
COLUMNS = 6  # pairs in a row
GAP = 0.06  # of an image's width, between the images of a pair
WHITE = 255


def chosen_pairs(pairs: Pairs) -> np.ndarray:
    """Return which pairs are shown, int (m,): the least alike first, since mistakes are there.

    The rest is evenly spread over the others, in the order of their score.

    Parameters
    ----------
    pairs : Pairs
        All pairs.
    """
    order = np.argsort(pairs.score, kind="stable")
    least, rest = order[:LEAST_ALIKE], order[LEAST_ALIKE:]
    places = np.unique(np.linspace(0, len(rest) - 1, min(OTHERS, len(rest))).astype(int))
    return np.concatenate([least, rest[places]])


def pairs_figure(images: ImageSet, pairs: Pairs) -> "Figure":
    """Draw pairs of duplicates side by side, each with its score and what was changed.

    Parameters
    ----------
    images : ImageSet
        The images.
    pairs : Pairs
        All pairs; `chosen_pairs` are drawn.

    Returns
    -------
    matplotlib.figure.Figure
    """
    chosen = chosen_pairs(pairs)
    first = images.read(pairs.first[chosen])
    second = images.read(pairs.second[chosen])
    least = min(len(chosen), LEAST_ALIKE)
    title = f"Duplicates: the {least} least alike of {len(pairs.first):,} pairs"
    if len(chosen) > least:
        title += f", and {len(chosen) - least} of the others"
    captions = [
        f"{score:.2f} {text}"
        for score, text in zip(pairs.score[chosen], pairs.changes[chosen], strict=True)
    ]
    mosaic = [side_by_side(left, right) for left, right in zip(first, second, strict=True)]
    return mosaic_figure(mosaic, captions, title)


def side_by_side(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return two images as one, with a white gap between them.

    Parameters
    ----------
    first, second : ndarray of shape (height, width, channels), uint8
        The images.
    """
    height, width, channels = first.shape
    gap = np.full((height, max(1, round(width * GAP)), channels), WHITE, np.uint8)
    return np.concatenate([first, gap, second], axis=1)


def mosaic_figure(mosaic: list[np.ndarray], captions: list[str], title: str) -> "Figure":
    """Draw images of pairs in rows, each with a caption below.

    Parameters
    ----------
    mosaic : list of ndarray
        What `side_by_side` returned.
    captions : list of str
        A text each.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from latentlab.reporting.drawing import make_figure

    rows = -(-len(mosaic) // COLUMNS)
    figure = make_figure(COLUMNS * 2.0, rows * 1.25 + 0.4)
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, mosaic, captions, strict=False):
        axis.imshow(plots.as_rgb(image), interpolation="nearest")
        axis.set_title(caption, fontsize=6, y=-0.2)
    figure.suptitle(title, fontsize=10)
    return figure
