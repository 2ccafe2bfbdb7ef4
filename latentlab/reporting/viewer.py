"""What `latentlab view` shows: the page of a report with full-size images and clusters to edit."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentlab.clustering.tree import ClusterTree
from latentlab.config import DataOptions
from latentlab.encoders.stored_pictures import StoredPictures
from latentlab.encoders.word_search import WordMatches, WordSearch
from latentlab.errors import ConfigError
from latentlab.reporting import edits, html, plots
from latentlab.reporting.alike import Neighbours, Search
from latentlab.reporting.cluster_tree import tree_of
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.image_facts import ImageFacts
from latentlab.reporting.packed import PackedArray, PointStore, inside
from latentlab.reporting.page_clusters import ClusterData, clusters_of
from latentlab.reporting.page_data import (
    MOST_INSIDE,
    EditedData,
    MapPoints,
    PageExtras,
    StateData,
    page_data,
    typical_of,
)
from latentlab.reporting.page_groups import Groups
from latentlab.reporting.page_states import computed_state
from latentlab.reporting.suggested_names import NameSource
from latentlab.reporting.summary_groups import edited_groups
from latentlab.reporting.viewer_pictures import PictureReader
from latentlab.storage.run import RunInUseError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEIGHBOURS = 48  # images that are shown as alike
FOUND = 500  # images that are shown for words
ACTIONS = ("edit", "undo", "redo")
PATIENCE = 3.0  # seconds; another viewer holds the run for a moment, a fit for longer
PAUSE = 0.05  # seconds


@dataclass(frozen=True)
class ViewState:
    """The clusters as they were edited, as templates/page/edit.js reads them.

    Attributes
    ----------
    groups : dict of str to Categories
        "cluster" and, if images have them, "mark" and "tag": new colours of the map.
    clusters : list of ClusterData
        Every cluster.
    tree : ClusterTree or None
        The hierarchy of the clusters.
    edited : EditedData
        What is shown.
    typical : PackedArray or None
        As in `PageData`.
    edits, undone : int
        Edits that can be undone, and that can be redone.
    last : str
        The last edit in words; "" without edits.
    version : str
        What a change of these clusters must name, so that none is made on an older state.
    """

    groups: Groups
    clusters: list[ClusterData]
    tree: ClusterTree | None
    edited: EditedData
    typical: PackedArray | None
    edits: int
    undone: int
    last: str
    version: str


class Viewer:
    """The contents of the viewer for one clustering.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
        As computed: the viewer applies the edits itself, as they come.
    figures : mapping of str to matplotlib.figure.Figure
        Figures of the page.
    as_computed : bool
        Leave the edits out, and take none.
    words : WordSearch or None
        The search by words; None without an image-text encoder.

    Raises
    ------
    RunError
        If the edits are damaged, or were made for other assignments, unless `as_computed`.
    """

    def __init__(
        self,
        summary: ClusteringSummary,
        figures: "Mapping[str, Figure]",
        as_computed: bool = False,
        words: WordSearch | None = None,
    ) -> None:
        self.summary = summary
        self.as_computed = as_computed
        self.editor = edits.Editor(summary.clustering)
        self._changing = threading.Lock()
        self._read_edits()  # damaged ones are reported before the server starts
        data = summary.run.config.data or DataOptions()
        stored = StoredPictures(summary.run.path)
        thumbnails = stored.thumbnails() if stored.are_there else None
        self.pictures = PictureReader(summary.images, data, thumbnails)
        self.search = Search(summary.run)
        self.words = words
        facts = ImageFacts.of(summary)
        self._names = NameSource.of(summary, facts.texts, facts.shapes)
        self._scripts = html.page_scripts("view")
        self._figures = {name: plots.svg_uri(figure) for name, figure in figures.items()}
        self._points = MapPoints(*summary.read_map())
        is_large = len(self._points.positions) > MOST_INSIDE
        self._store = PointStore() if is_large else None
        # Edits change none of it.
        self._further = facts.groups(self._points.positions, self._store)
        self._computed = None if as_computed else self._computed_state()

    def html(self) -> str:
        """Return the page."""
        summary = self._edited(self._read_edits(), is_rescored=True)
        note = "images are shown in the size that the run has"
        if not self.summary.has_pictures:
            note = ""
        elif self.summary.images.source:
            note = "one image opens in the size that its file has"
        extras = PageExtras(
            groups=self._further,
            suggested=self._suggested(summary),
            words=self.words is not None,
            computed=self._computed,
        )
        page = html.Page(
            summary=summary,
            data=page_data(summary, "view", extras, self._points, self._store),
            pictures=self._figures,
            scripts=self._scripts,
            atlas_note=note,
        )
        return page.html()

    def _computed_state(self) -> StateData:
        keep = inside if self._store is None else self._store.keep
        names = self._suggested(self.summary)
        return computed_state(self.summary, self._points.positions, names, keep)

    def _suggested(self, summary: ClusteringSummary) -> tuple[str | None, ...]:
        return self._names.names(summary.clusters, summary.k)

    def policy(self) -> str:
        """Return the content security policy of the page, which the server sends."""
        return html.viewer_policy(self._scripts)

    def neighbours(self, position: int) -> Neighbours | None:
        """Return the images that are most like one, among all images of the run.

        Parameters
        ----------
        position : int
            Position of the image in the run.

        Returns
        -------
        Neighbours or None
            None if there is no image at this position.

        Raises
        ------
        RunError
            If the run holds no vectors.
        """
        if not 0 <= position < len(self.summary.images):
            return None
        return self.search.nearest_to(position, NEIGHBOURS)

    def matches(self, text: str) -> WordMatches | None:
        """Return the images that fit words best, among all images of the run.

        Parameters
        ----------
        text : str
            Words, such as "a red car".

        Returns
        -------
        WordMatches or None
            None without an image-text encoder.

        Raises
        ------
        ConfigError
            If there are no words, or too many.
        DataError
            If the network fails.
        """
        return None if self.words is None else self.words.search(text, FOUND)

    def content(self, key: str) -> bytes | None:
        """Return what a large page leaves to its server.

        Parameters
        ----------
        key : str
            The address, see `PointStore`.

        Returns
        -------
        bytes or None
            None if there is nothing.
        """
        return None if self._store is None else self._store.content(key)

    def state(self) -> ViewState:
        """Return the page's data about the edited clusters."""
        log = self._read_edits()  # once, since another viewer may change it in between
        summary = self._edited(log)
        return ViewState(
            groups=edited_groups(summary, self._points.positions),
            clusters=clusters_of(summary, self._suggested(summary)),
            tree=tree_of(summary),
            edited=EditedData(summary.edit_note, summary.edit_count),
            typical=typical_of(summary, self._points.positions),
            edits=len(log.edits),
            undone=len(log.undone),
            last=log.edits[-1].edit.describe() if log.edits else "",
            version=log.version(),
        )

    def _read_edits(self) -> edits.EditLog:
        """Return the edits that are shown."""
        if self.as_computed:
            return edits.EditLog(self.summary.name, "")
        return self.editor.read()

    def _edited(self, log: edits.EditLog, is_rescored: bool = False) -> ClusteringSummary:
        """Return the clusters after some edits, with their scores if they are asked for."""
        if self.as_computed:
            return self.summary
        edited = self.editor.state_after(log)
        return self.summary.with_edits(edited, len(log.edits), is_rescored)

    def change(self, action: str, wanted: object) -> ViewState:
        """Change the clusters as a request asks.

        Parameters
        ----------
        action : {"edit", "undo", "redo"}
            What to do.
        wanted : object
            JSON of the request: `{"made_on": version, "edit": ...}`. The version is that of the
            state that was seen. The edit, see `latentlab.reporting.edits`, is for "edit" only.

        Returns
        -------
        ViewState
            The new state.

        Raises
        ------
        ConfigError
            If the edit cannot be applied.
        StaleEditError
            If the clusters have changed since they were seen.
        RunError
            If another process holds the run.
        """
        made_on = wanted.get("made_on") if isinstance(wanted, dict) else None
        if not isinstance(wanted, dict) or not isinstance(made_on, str):
            raise ConfigError("a change is an object that says by made_on what it was made on.")
        if self.as_computed:
            raise ConfigError("clusters are shown as computed here, so none is changed.")
        with self._changing:
            self._keep(action, wanted.get("edit"), made_on)
            return self.state()

    def _keep(self, action: str, edit: object, made_on: str) -> None:
        """Write a change; wait a little for another viewer that is at it."""
        patient_until = time.monotonic() + PATIENCE
        while True:
            try:
                self._write(action, edit, made_on)
                return
            except RunInUseError:
                if time.monotonic() > patient_until:
                    raise
                time.sleep(PAUSE)

    def _write(self, action: str, edit: object, made_on: str) -> None:
        if action == "edit":
            self.editor.add(edits.parse_edit(edit), made_on)
        elif action == "undo":
            self.editor.undo(made_on)
        else:
            self.editor.redo(made_on)
