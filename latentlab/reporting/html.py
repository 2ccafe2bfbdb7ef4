"""The page: data, pictures and code in one HTML file, for the report and for `latentlab view`.

Text from outside (ids, class names, paths) reaches the page as JSON inside a script element that no
browser runs, with "<" escaped, and as text nodes. The content security policy lets only the page's
own scripts run (docs/decisions/0065-page-security.md).
"""

import base64
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import latentlab
from latentlab.data.images import Unreadable
from latentlab.plain_text import printable_lines
from latentlab.reporting import deep_figures, text
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.image_facts import ImageFacts
from latentlab.reporting.intake_panel import IntakePanel
from latentlab.reporting.page_data import MapPoints, PageData, PageExtras, page_data
from latentlab.reporting.page_pictures import page_pictures
from latentlab.reporting.page_states import computed_state, shown_states
from latentlab.reporting.privacy import Privacy, public_ids
from latentlab.reporting.suggested_names import NameSource
from latentlab.scoring import tables
from latentlab.storage import guard
from latentlab.storage.clustering import DECODED_NAME
from latentlab.storage.json_form import to_json

if TYPE_CHECKING:
    import jinja2

LARGEST_PAGE = 14_500_000  # bytes; thumbnails are estimated, so this leaves some room below 15 MB
FIGURES = (
    "contingency",
    "contingency-computed",
    "by-k",
    "loss",
    "reconstructions",
    "original-images",
    *deep_figures.CAPTIONS,
)

EDITING = "edit.js"  # only where clusters can be edited
PAGE_SCRIPTS = (  # in latentlab/templates/page, in the order in which they must run
    *("elements.js", "frame.js", "store.js", "thumbs.js", "map.js", "inks.js", "grid.js"),
    *("picture.js", "find.js", "tree.js", "panels.js", "states.js", "keys.js", EDITING, "start.js"),
)
DATA_FIGURES = ("loss", "reconstructions", "centroids", "paths", "original-images")


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page of a report or of the viewer.

    Attributes
    ----------
    summary : ClusteringSummary
        The clustering.
    data : PageData
        The data that the scripts read.
    pictures : mapping of str to str
        Figure name -> data URI.
    scripts : sequence of str
        JavaScript, in the order in which it must run; see `page_scripts`.
    policy : str
        Content security policy; "" if the server sends it as a header.
    sheets : sequence of str
        Sprite sheets of thumbnails, WebP in base64.
    atlas_note : str
        Which images have thumbnails, in a sentence.
    """

    summary: ClusteringSummary
    data: PageData
    pictures: Mapping[str, str]
    scripts: Sequence[str]
    policy: str = ""
    sheets: Sequence[str] = ()
    atlas_note: str = ""

    def html(self) -> str:
        """Return the page as HTML."""
        summary = self.summary
        public = Privacy.of(summary.run).public
        states = shown_states(summary)
        return template("report.html.jinja2").render(
            title=f"{public(summary.images.name)}: {text.clusters_text(len(summary.shown))}",
            version=latentlab.__version__,
            style=read_asset("report.css") + read_asset("page/page.css"),
            policy=self.policy,
            photos=summary.has_photos,
            trust=summary.trust,
            states=states,
            map_note=summary.map_note(),
            atlas_note=self.atlas_note,
            scores=any(state.scores for state in states),
            pretraining=tables.pretraining_text(summary.encoder.pretraining),
            pictures=self.pictures,
            decoded=guard.is_there(summary.folder / DECODED_NAME),
            keeps=any(name in self.pictures for name in DATA_FIGURES),
            soft=summary.confidence is not None,
            refinement=deep_figures.refinement_sentences(summary.clustering),
            captions=deep_figures.CAPTIONS,
            facts=text.facts(summary),
            intake=IntakePanel.of(summary.run),
            unreadable=_left_out(summary, public),
            split=summary.split,
            data=to_json(self.data),
            sheets=self.sheets,
            scripts=self.scripts,
        )


def render_report(
    summary: ClusteringSummary,
    pictures: Mapping[str, str],
    tick: Callable[[int], object] = int,
) -> str:
    """Return the report as one HTML file that needs no network.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    pictures : mapping of str to str
        Figure name -> data URI.
    tick : callable
        Called with the number of thumbnails of the map that are done.

    Returns
    -------
    str
    """
    # The page without thumbnails: its size says how much room they have.
    scripts = page_scripts("report")
    page = Page(
        summary=summary,
        data=shared_data(summary),
        pictures=pictures,
        scripts=scripts,
        policy=report_policy(scripts),
    )
    if not summary.has_pictures:
        return page.html()
    room = max(0, LARGEST_PAGE - len(page.html().encode()))
    made = page_pictures(summary, room, tick)

    # The same page with thumbnails.
    data = dataclasses.replace(page.data, atlas=made.atlas, neighbours=made.neighbours)
    return dataclasses.replace(page, data=data, sheets=made.sheets, atlas_note=made.note).html()


def shared_data(summary: ClusteringSummary) -> PageData:
    """Return the data of a page that may be passed on, without an atlas.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    """
    points = MapPoints(*summary.read_map())
    facts = ImageFacts.of(summary).public(Privacy.of(summary.run))
    source = NameSource.of(summary, facts.texts, facts.shapes)
    computed = None
    if summary.computed is not None:
        names = source.names(summary.computed.clusters, summary.computed.k)
        computed = computed_state(summary.computed, points.positions, names)
    extras = PageExtras(
        groups=facts.groups(points.positions),
        suggested=source.names(summary.clusters, summary.k),
        computed=computed,
    )
    return page_data(summary, "report", extras, points)


@functools.cache
def template(name: str) -> "jinja2.Template":
    """Return a template that escapes text and keeps the order of keys in JSON.

    Parameters
    ----------
    name : str
        File in latentlab/templates.

    Returns
    -------
    jinja2.Template
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("latentlab"),
        autoescape=True,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The groups of the page come in the order in which they are offered.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment.get_template(name)


def _left_out(summary: ClusteringSummary, public: Callable[[str], str]) -> list[Unreadable]:
    """Return the images that were left out, as they may be told to anybody."""
    entries = summary.images.unreadable
    names = public_ids([entry.path for entry in entries])
    return [
        Unreadable(name, public(entry.reason), entry.status)
        for name, entry in zip(names, entries, strict=True)
    ]


def _shown(value: object) -> object:
    """Return what a template puts into the page: text with nothing in it that cannot be seen."""
    return printable_lines(value) if type(value) is str else value


def page_scripts(mode: str) -> list[str]:
    """Return the JavaScript of a page.

    None of it can end the script element that it is put into.

    Parameters
    ----------
    mode : {"report", "view"}
        A file, or the page of a server, whose clusters can be edited.

    Returns
    -------
    list of str
        In the order in which they must run.
    """
    names = [name for name in PAGE_SCRIPTS if name != EDITING or mode == "view"]
    return scripts_of([f"page/{name}" for name in names])


def scripts_of(names: Sequence[str]) -> list[str]:
    """Return JavaScript of latentlab, none of which can end the element that it is put into.

    Parameters
    ----------
    names : sequence of str
        Files in latentlab/templates, in the order in which they must run.
    """
    return [read_asset(name).replace("</script", r"<\/script") for name in names]


def read_asset(name: str) -> str:
    """Return the text of a file in latentlab/templates.

    Parameters
    ----------
    name : str
        Name of the file, such as "report.css".

    Returns
    -------
    str
    """
    return resources.files("latentlab").joinpath("templates", name).read_text(encoding="utf-8")


def report_policy(scripts: Sequence[str]) -> str:
    """Return the content security policy of a file: only these scripts run, and nothing is loaded.

    Parameters
    ----------
    scripts : sequence of str
        The JavaScript of the page.

    Returns
    -------
    str

    Examples
    --------
    >>> report_policy(["f()"])[:70]
    "default-src 'none'; script-src 'sha256-GcEEE0IkDzIP5EQ6DXZaDPORqT5RTBE"
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def viewer_policy(scripts: Sequence[str]) -> str:
    """Return the content security policy of the viewer: as a report, plus its own server.

    Parameters
    ----------
    scripts : sequence of str
        The JavaScript of the page.

    Returns
    -------
    str
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            "style-src 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _hashes(scripts: Sequence[str]) -> str:
    """Return the sources by which a policy names inline scripts."""
    sources = []
    for script in scripts:
        digest = hashlib.sha256(script.encode()).digest()
        sources.append(f"'sha256-{base64.b64encode(digest).decode()}'")
    return " ".join(sources)
