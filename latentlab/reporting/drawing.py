"""Matplotlib's figures, whose texts are never read as markup: the one place that makes them.

Matplotlib reads "$...$" in any text as mathematics, leaves names that begin with "_" out of
legends, and lets a long name take the room of the axes. Names come from outside.
"""

import contextlib
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from latentlab.plain_text import printable_lines, shortened

PLAIN: Any = {
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
}
LONGEST_NAME = 28  # characters of a name in a figure
POINTS_PER_INCH = 72
GLYPH_WIDTH = 0.52  # of a character of the font in mean, as a share of its size; a little more
LONGEST_TITLE = 60  # characters of a name in a title
NAME_ROOM = 1.0  # pixels around a name on a map
MOST_RINGS = 40  # half heights of a name that it may be moved by
TITLE_SIZE = 12  # points
# A glyph that the font lacks is drawn as a box; room that a long text takes is no fault either.
_EXPECTED = (
    r"Glyph .* missing from font|constrained_layout not applied|Matplotlib currently does not"
)


@contextlib.contextmanager
def plain_texts() -> Iterator[None]:
    """Have matplotlib take every text that it makes as it stands."""
    with matplotlib.rc_context(PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_EXPECTED)
        yield


class _PlainFigure(Figure):
    """A figure that draws every text as it stands.

    This holds for texts that exist, and for those that matplotlib makes while it draws.
    """

    def add_subplot(self, *args: Any, **kwargs: Any) -> Axes:
        """Add axes, whose first ticks are texts already.

        Parameters
        ----------
        *args, **kwargs
            As matplotlib's own.
        """
        with plain_texts():
            return super().add_subplot(*args, **kwargs)

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure.

        Parameters
        ----------
        renderer : matplotlib.backend_bases.RendererBase
            What draws: one for each file format.
        """
        for text in self.findobj(Text):
            text.set_parse_math(False)
            text.set_usetex(False)
            text.set_text(printable_lines(text.get_text()))
        with plain_texts():
            super().draw(renderer)


class PlainLogFormatter(LogFormatter):
    """Labels the ticks of a logarithmic axis without mathematics, as "0.01"."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick, "" for one without.

        Parameters
        ----------
        x : float
            Where the tick stands.
        pos : int or None
            Number of the tick.
        """
        return f"{x:g}" if super().__call__(x, pos) else ""


def make_figure(width: float, height: float) -> Figure:
    """Return an empty figure that makes room for its texts.

    Parameters
    ----------
    width, height : float
        Its size in inches.
    """
    return _PlainFigure(figsize=(width, height), layout="constrained")


def figure_name(name: str, longest: int = LONGEST_NAME) -> str:
    r"""Return a name from outside as a figure shows it: one line that is not too long.

    Parameters
    ----------
    name : str
        Name of a class, of data or of a run.
    longest : int
        Characters, at most.

    Examples
    --------
    >>> figure_name("cats\nand a long story about them all")
    'cats\\nand a long story abou…'
    """
    return shortened(name, longest)


def wrapped(text: str, width: float, font_size: float) -> str:
    r"""Return a text in lines that are no wider than a part of a figure.

    Parameters
    ----------
    text : str
        Words; line breaks stay.
    width : float
        Inches.
    font_size : float
        Points.

    Examples
    --------
    >>> wrapped("a map of all images", width=0.5, font_size=8)
    'a map of\nall\nimages'
    """
    characters = max(1, int(POINTS_PER_INCH * width / (GLYPH_WIDTH * font_size)))
    lines = text.split("\n")
    return "\n".join(textwrap.fill(line, characters, break_on_hyphens=False) for line in lines)


def text_width(text: str, font_size: float) -> float:
    """Return about how many inches a line of text takes, a little more than it does.

    Parameters
    ----------
    text : str
        One line.
    font_size : float
        Points.
    """
    return len(text) * GLYPH_WIDTH * font_size / POINTS_PER_INCH


def separate(names: Sequence[Sequence[Text]], colour: str = "#888888") -> None:
    """Move names on a map apart, with a line from each that has moved to its place.

    The first keep their places; each further one takes the nearest that is free.

    Parameters
    ----------
    names : sequence of sequence of matplotlib.text.Text
        The texts of each name, which lie over each other; all are in one figure, in data units.
    colour : str
        Colour of the lines.
    """
    if not names:
        return
    axis = cast(Axes, names[0][0].axes)
    figure = cast(Figure, names[0][0].get_figure(root=True))
    figure.draw_without_rendering()  # the layout gives the axes their size
    taken = np.empty((0, 4))
    for texts in names:
        box = _box_of(texts[0])
        shift = _free_shift(box, taken, np.array(axis.bbox.extents))
        taken = np.vstack([taken, box + np.tile(shift, 2)])
        if shift.any():
            _move(texts, shift, axis, colour)


def _box_of(text: Text) -> np.ndarray:
    """Return left, bottom, right and top, in pixels, of a text with its frame and some room."""
    patch = text.get_bbox_patch()
    box = text.get_window_extent() if patch is None else patch.get_window_extent()
    return np.array(box.padded(NAME_ROOM).extents)


def _free_shift(box: np.ndarray, taken: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Return the shortest shift, in pixels, by which a box lies over no other; else none."""
    shifts = _shifts((box[3] - box[1]) / 2)
    moved = box + np.tile(shifts, 2)
    is_inside = (moved[:, :2] >= room[:2]).all(axis=1) & (moved[:, 2:] <= room[2:]).all(axis=1)
    is_inside[0] = True
    lies_over = (moved[:, None, :2] < taken[:, 2:]) & (taken[:, :2] < moved[:, None, 2:])
    is_free = is_inside & ~lies_over.all(axis=2).any(axis=1)
    return shifts[is_free.argmax()]  # the first of all, if none is free


def _shifts(step: float) -> np.ndarray:
    """Return shifts (n, 2) on rings around no shift, the nearest first."""
    shifts = [np.zeros((1, 2))]
    for ring in range(1, MOST_RINGS):
        angles = np.linspace(0, 2 * np.pi, 6 * ring, endpoint=False)
        shifts.append(ring * step * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return np.concatenate(shifts)


def _move(texts: Sequence[Text], shift: np.ndarray, axis: Axes, colour: str) -> None:
    """Move the texts of a name by pixels, and draw the line from where they were."""
    x, y = texts[0].get_position()
    transform = axis.transData
    new = transform.inverted().transform(transform.transform((x, y)) + shift)
    for text in texts:
        text.set_position((new[0], new[1]))
    axis.plot([x, new[0]], [y, new[1]], color=colour, linewidth=0.6, zorder=2.5)


def label_log_ticks(axis: Axis) -> None:
    """Label the ticks of a logarithmic axis without mathematics.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis.
    """
    axis.set_major_formatter(PlainLogFormatter())
    axis.set_minor_formatter(PlainLogFormatter(minor_thresholds=(1, 0.4)))


def legend_name(name: str, count: int | None = None, longest: int = LONGEST_NAME) -> str:
    """Return a name from outside as a legend shows it.

    Parameters
    ----------
    name : str
        Name of a class or run.
    count : int or None
        Number that stands behind it.
    longest : int
        Characters of the name, at most.

    Returns
    -------
    str
        It does not begin with "_", which matplotlib leaves out, and is not empty.

    Examples
    --------
    >>> legend_name("_hidden")
    ' _hidden'
    """
    shown = figure_name(name, longest) + ("" if count is None else f" ({count:,})")
    return f" {shown}" if not shown or shown.startswith("_") else shown
