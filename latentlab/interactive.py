"""The map one can move in: a Bokeh scatter inside the page, with thumbnails from one sprite atlas.

Text from outside (ids, class names) is escaped before it reaches Bokeh, since its JSON stands inside a script element.
"""

import base64
import html
import io
import math

import numpy as np

ATLAS_SIDE = 32
THUMBNAIL_SIDE = 64


def scatter(xy: np.ndarray, ids: list[str], texts: list[str]) -> tuple[str, str]:
    """Return the map as HTML (script, div), its points grey until the page colours them.

    The page finds the points as the Bokeh model named "points", and the atlas as the CSS variable --atlas.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    ids, texts : list of str
        What hovering over each point tells; plain text.
    """
    from bokeh.embed import components
    from bokeh.models import ColumnDataSource, HoverTool
    from bokeh.plotting import figure

    columns = atlas_columns(len(xy))
    place = np.arange(len(xy))
    points = ColumnDataSource(
        {
            "x": xy[:, 0],
            "y": xy[:, 1],
            "id": [html.escape(text) for text in ids],
            "text": [html.escape(text) for text in texts],
            "left": -(place % columns) * ATLAS_SIDE,
            "top": -(place // columns) * ATLAS_SIDE,
            "colour": ["#999999"] * len(xy),
        },
        name="points",
    )
    plot = figure(
        sizing_mode="stretch_width", height=560, tools="pan,wheel_zoom,box_zoom,reset,save", active_scroll="wheel_zoom", output_backend="canvas"
    )
    plot.toolbar.logo = None
    plot.axis.visible = False
    plot.grid.visible = False
    plot.outline_line_color = None
    dots = plot.scatter("x", "y", source=points, size=float(np.clip(300 / math.sqrt(len(xy)), 3, 9)), color="colour", alpha=0.75, line_color=None)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=_TOOLTIP, limit=1))
    return components(plot)


_TOOLTIP = f"""<div style="width:{2 * ATLAS_SIDE}px;height:{2 * ATLAS_SIDE}px;overflow:hidden;margin:auto">
<div style="width:{ATLAS_SIDE}px;height:{ATLAS_SIDE}px;transform:scale(2);transform-origin:0 0;image-rendering:pixelated;
background-image:var(--atlas);background-position:@{{left}}px @{{top}}px"></div></div>
<div>@id{{safe}}</div><div>@text{{safe}}</div>"""


def scripts() -> str:
    """Return Bokeh's own code as script elements, so that the page needs no network."""
    from bokeh.resources import Resources

    return Resources(mode="inline", components=["bokeh"]).render_js()


def atlas(images: np.ndarray) -> str:
    """Return thumbnails of uint8 images (n, height, width, channels), 32 pixels a side in rows, as one WebP in base64."""
    columns = atlas_columns(len(images))
    sheet = np.full((math.ceil(len(images) / columns) * ATLAS_SIDE, columns * ATLAS_SIDE, 3), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = (place // columns) * ATLAS_SIDE, (place % columns) * ATLAS_SIDE
        sheet[top : top + ATLAS_SIDE, left : left + ATLAS_SIDE] = np.asarray(_shrink(image, ATLAS_SIDE, exact=True).convert("RGB"))
    return _webp(sheet, quality=70)


def atlas_columns(count: int) -> int:
    """Return how many thumbnails stand in a row of the atlas of `count` images."""
    return max(1, math.ceil(math.sqrt(count)))


def thumbnail(image: np.ndarray) -> str:
    """Return one uint8 image (height, width, channels), at most 64 pixels a side, as a data URI."""
    return "data:image/webp;base64," + _webp(np.asarray(_shrink(image, THUMBNAIL_SIDE, exact=False).convert("RGB")), quality=85)


def _shrink(image: np.ndarray, side: int, exact: bool):  # noqa: ANN202
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    scale = side / max(picture.size)
    if scale == 1 or (scale > 1 and not exact):
        return picture
    smooth = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    small = picture.resize([max(1, round(length * scale)) for length in picture.size], smooth)
    if not exact:
        return small
    square = Image.new(small.mode, (side, side))
    square.paste(small, ((side - small.width) // 2, (side - small.height) // 2))
    return square


def _webp(pixels: np.ndarray, quality: int) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="webp", quality=quality, method=2)
    return base64.b64encode(buffer.getvalue()).decode()
