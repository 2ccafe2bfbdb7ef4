"""Matplotlib's figures, whose texts are never read as markup: the one place that makes them.

Matplotlib reads "$...$" in any text as mathematics, leaves names that begin with "_" out of
legends, and lets a long name take the room of the axes. Names come from outside.
"""

import contextlib
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
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
