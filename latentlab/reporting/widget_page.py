"""What the widget of a notebook shows: the page's own scripts, styles, data and pictures.

The scripts of a page keep their state in one namespace. The module that is made here puts them into
a function, so that each view of each widget has a namespace of its own.
"""

import dataclasses
import json
import re
from dataclasses import dataclass

from latentlab.reporting import html
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.page_pictures import page_pictures
from latentlab.storage.json_form import to_json

FIRST_SCRIPT = "elements.js"  # makes the namespace
SCRIPTS = (
    "store.js",
    "thumbs.js",
    "map.js",
    "inks.js",
    "grid.js",
)  # those that need no page around
STYLES = ("report.css", "page/page.css", "widget.css")
_ROOT = re.compile(r":root((?:\[[^\]]*\]|:not\([^)]*\))*)")


@dataclass(frozen=True)
class WidgetPage:
    """Data and pictures of a widget.

    Attributes
    ----------
    data : str
        JSON of `latentlab.reporting.page_data.PageData`.
    sheets : list of str
        Sprite sheets of thumbnails, WebP in base64.
    note : str
        Which clusters and which images are shown, in a sentence or two.
    """

    data: str
    sheets: list[str]
    note: str


def widget_page(summary: ClusteringSummary, room: int) -> WidgetPage:
    """Return the data and the pictures of a widget.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    room : int
        Bytes that the pictures may take.

    Returns
    -------
    WidgetPage

    Raises
    ------
    RunError
        If the run has no map.
    """
    data = html.shared_data(summary)
    note = f"Clusters {summary.edit_note}."
    if not summary.has_pictures:
        return WidgetPage(_json(data), [], note)
    made = page_pictures(summary, room)
    data = dataclasses.replace(data, atlas=made.atlas, neighbours=made.neighbours)
    of_pictures = made.note[:1].upper() + made.note[1:]
    return WidgetPage(_json(data), made.sheets, f"{note} {of_pictures}.")


def _json(data: html.PageData) -> str:
    return json.dumps(to_json(data), separators=(",", ":"))


def widget_module() -> str:
    """Return the JavaScript of the widget as one module, as anywidget loads it.

    Returns
    -------
    str
        It exports {render}.
    """
    page = "\n".join(html.read_asset(f"page/{name}") for name in SCRIPTS)
    return "\n".join(
        [
            f"const STYLE = {json.dumps(widget_style())};",
            "function latentlabOf(given) {",
            html.read_asset(f"page/{FIRST_SCRIPT}"),
            "latentlab.given = given;",
            page,
            "return latentlab;",
            "}",
            html.read_asset("widget.js"),
            "export default {render};",
        ]
    )


def widget_style() -> str:
    """Return the styles of the widget, which count in its own tree of elements only.

    Returns
    -------
    str
    """
    return _ROOT.sub(_host, "\n".join(map(html.read_asset, STYLES)))


def _host(match: re.Match[str]) -> str:
    return f":host({match.group(1)})" if match.group(1) else ":host"
