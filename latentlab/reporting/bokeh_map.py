"""The interactive map: a Bokeh scatter that templates/report.js colours and searches."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import numpy as np

Plot: TypeAlias = Any  # bokeh.plotting.figure, whose type stubs lack arguments that it takes
Renderer: TypeAlias = Any  # bokeh.models.GlyphRenderer

POINTS_WHILE_MOVING = 2500  # drawn while a map on a canvas moves
PAUSE_MS = 3000  # a slower machine would never switch to fewer points with a shorter pause
UNCOLOURED = 0x999999FF  # RGBA, until the page colours the points
UNSELECTED_ALPHA = 0.12  # of dots while others are selected
FRAME_STYLE: Mapping[str, Any] = {
    "sizing_mode": "stretch_both",
    "min_height": 260,
    "tools": "",
    "output_backend": "webgl",
    "name": "frame",
}
DOT_STYLE: Mapping[str, Any] = {
    "color": "colour",
    "alpha": 0.8,
    "line_color": None,
    "name": "dots",
}
NAME_STYLE: Mapping[str, Any] = {
    "text_align": "center",
    "text_baseline": "middle",
    "text_font_size": "12px",
    "text_font_style": "bold",
    "text_color": "ink",
    "background_fill_color": "colour",
    "background_fill_alpha": 0.92,
    "border_line_color": "#ffffff",
    "border_radius": 4,
    "padding": 3,
}


def scatter_item(xy: np.ndarray, seed: int = 0) -> dict[str, object]:
    """Return the map as Bokeh's JSON item for `Bokeh.embed.embed_item`.

    All points are grey until the page colours them. They are in random order, since those of the
    last cluster would otherwise cover all others.

    The page finds these models by name: "points" (columns x, y, row, colour), their filter "shown",
    the cluster names on the map "names", and the plot "frame".

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
        Coordinates. The column "row" of the points is the row of `xy`.
    seed : int
        Seed of the random order.

    Returns
    -------
    dict
    """
    from bokeh.embed import json_item

    plot = _frame()
    plot.lod_factor = max(1, len(xy) // POINTS_WHILE_MOVING)
    plot.lod_interval = PAUSE_MS
    order = np.random.default_rng([seed, 32]).permutation(len(xy)).astype(np.int32)
    dots = _add_points(plot, xy, order)
    _add_tools(plot, dots)
    _add_names(plot)
    return cast(dict[str, object], json_item(plot))


def scripts() -> list[str]:
    """Return Bokeh's own JavaScript, so that the page needs no network.

    Returns
    -------
    list of str
        Contents of the script files, in the order in which they must run.
    """
    from bokeh.resources import Resources

    return Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw


def _frame() -> Plot:
    """Return an empty plot without axes and tools."""
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    # Plain ranges: the page sets them so that both axes have the same scale.
    plot = figure(**FRAME_STYLE, x_range=Range1d(), y_range=Range1d())
    plot.toolbar.logo = None
    plot.toolbar.autohide = False
    plot.axis.visible = False
    plot.grid.visible = False
    plot.outline_line_color = None
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.min_border = 4
    return plot


def _add_points(plot: Plot, xy: np.ndarray, order: np.ndarray) -> Renderer:
    """Add a dot for each image, in the order of drawing, and return them."""
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource

    columns = {
        "x": xy[order, 0].astype(np.float32),
        "y": xy[order, 1].astype(np.float32),
        "row": order,
        "colour": np.full(len(xy), UNCOLOURED, np.uint32),
    }
    dots = plot.scatter(
        "x",
        "y",
        source=ColumnDataSource(columns, name="points"),
        view=CDSView(filter=BooleanFilter(booleans=None, name="shown")),
        size=float(np.clip(300 / math.sqrt(len(xy)), 3, 9)),
        **DOT_STYLE,
    )
    dots.nonselection_glyph.fill_alpha = UNSELECTED_ALPHA
    dots.nonselection_glyph.hatch_alpha = UNSELECTED_ALPHA
    return dots


def _add_tools(plot: Plot, dots: Renderer) -> None:
    """Add the tools to move, zoom, select and hover."""
    from bokeh import models

    wheel = models.WheelZoomTool()
    pan = models.PanTool()
    plot.add_tools(
        pan,
        wheel,
        models.BoxZoomTool(),
        models.LassoSelectTool(continuous=False, renderers=[dots], name="lasso"),
        models.ResetTool(),
        models.SaveTool(),
        models.TapTool(renderers=[dots]),
        # Without a tooltip of Bokeh's: the page shows its own.
        models.HoverTool(renderers=[dots], tooltips=None, visible=False),
    )
    plot.toolbar.active_drag = pan
    plot.toolbar.active_scroll = wheel


def _add_names(plot: Plot) -> None:
    """Add the texts of the cluster names, which the page fills in."""
    from bokeh.models import ColumnDataSource

    columns: dict[str, list[object]] = {"x": [], "y": [], "text": [], "colour": [], "ink": []}
    plot.text("x", "y", "text", source=ColumnDataSource(columns, name="names"), **NAME_STYLE)
