"""Figures as SVG that is read on a light and on a dark page.

The ground is transparent, and what is black turns light where the page is dark: browsers tell an
SVG inside an image which of the two its page is. Pictures inside keep their colours.
"""

import base64
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEBP_QUALITY = 88
DPI = 110  # of the pictures inside
# Axes and their texts are black, or seaborn's dark grey. Texts in black have no colour in the file.
STYLE = (
    "<style>:root { --ink: #000000; } text { fill: var(--ink); }"
    " @media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; } }</style>"
)
_BLACK = re.compile(r"(?<=: )#(?:000000|262626)(?=[;\"])")
_PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
_FIRST_TAG = re.compile(r"<svg\b[^>]*>")


def themed_svg(figure: "Figure") -> str:
    """Return a figure as SVG for light and dark pages.

    Text stays text. There is no date inside, so that the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Its marks are visible on white and on black, as the colours of `palettes` are.

    Returns
    -------
    str
    """
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "latentlab"}):
        figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, metadata={"Date": None})
    text = _BLACK.sub("var(--ink)", buffer.getvalue().decode())
    text = _PICTURE.sub(lambda found: _as_webp(found[1]), text)
    return _FIRST_TAG.sub(lambda found: found[0] + STYLE, text, count=1)


def _as_webp(png: str) -> str:
    """Return a PNG, in base64, as the data URI of a WebP: a third of its size, to the same look."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        picture.save(buffer, "webp", quality=WEBP_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
