"""The map one can move in: a Bokeh scatter that the page colours, searches and selects in (templates/report.js)."""

import math
from typing import Any

import numpy as np

MOVING = 2500  # points drawn while a map moves that is drawn on a canvas


def scatter(xy: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Return the map as Bokeh's JSON item for `Bokeh.embed.embed_item`; its points are grey until the page colours them.

    The page finds the points as the model "points" (columns x, y, row, colour, alpha), their filter as "shown", the names
    drawn on the map as "names" and the frame as "frame". The points are in random order, since else those of the last
    cluster would lie on all others; "row" is the row of `xy`.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    """
    from bokeh.embed import json_item
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource

    order = np.random.default_rng([seed, 32]).permutation(len(xy)).astype(np.int32)
    points = ColumnDataSource(
        {
            "x": xy[order, 0].astype(np.float32),
            "y": xy[order, 1].astype(np.float32),
            "row": order,
            "colour": np.full(len(xy), 0x999999FF, np.uint32),
        },
        name="points",
    )
    plot = _frame()
    plot.lod_factor = max(1, len(xy) // MOVING)
    plot.lod_interval = (
        3000  # ms; a slow machine that takes longer for a frame would never get to the fewer points
    )
    size = float(np.clip(300 / math.sqrt(len(xy)), 3, 9))
    shown = CDSView(filter=BooleanFilter(booleans=None, name="shown"))
    dots = plot.scatter(
        "x",
        "y",
        source=points,
        view=shown,
        size=size,
        color="colour",
        alpha=0.8,
        line_color=None,
        name="dots",
    )
    dots.nonselection_glyph.fill_alpha = 0.12
    dots.nonselection_glyph.hatch_alpha = 0.12
    _add_tools(plot, dots)
    _add_names(plot)
    return json_item(plot)  # type: ignore[return-value]


def _frame() -> Any:
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    # Plain ranges, which the page sets so that both axes have one scale.
    plot = figure(
        sizing_mode="stretch_both",
        min_height=260,
        tools="",
        output_backend="webgl",
        name="frame",
        x_range=Range1d(),
        y_range=Range1d(),
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = False
    plot.axis.visible = False
    plot.grid.visible = False
    plot.outline_line_color = None
    plot.background_fill_color = None
    plot.border_fill_color = None
    plot.min_border = 4
    return plot


def _add_tools(plot: Any, dots: Any) -> None:
    from bokeh.models import (
        BoxZoomTool,
        HoverTool,
        LassoSelectTool,
        PanTool,
        ResetTool,
        SaveTool,
        TapTool,
        WheelZoomTool,
    )

    wheel, pan = WheelZoomTool(), PanTool()
    lasso = LassoSelectTool(continuous=False, renderers=[dots], name="lasso")
    plot.add_tools(
        pan, wheel, BoxZoomTool(), lasso, ResetTool(), SaveTool(), TapTool(renderers=[dots])
    )
    plot.add_tools(
        HoverTool(renderers=[dots], tooltips=None, visible=False)
    )  # the page draws what hovering tells
    plot.toolbar.active_drag = pan
    plot.toolbar.active_scroll = wheel


def _add_names(plot: Any) -> None:
    from bokeh.models import ColumnDataSource

    names = ColumnDataSource({"x": [], "y": [], "text": [], "colour": [], "ink": []}, name="names")
    plot.text(
        "x",
        "y",
        "text",
        source=names,
        text_align="center",
        text_baseline="middle",
        text_font_size="12px",
        text_font_style="bold",
        text_color="ink",
        background_fill_color="colour",
        background_fill_alpha=0.92,
        border_line_color="#ffffff",
        border_radius=4,
        padding=3,
    )


def scripts() -> list[str]:
    """Return Bokeh's own JavaScript, so that the page needs no network."""
    from bokeh.resources import Resources

    return Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw
