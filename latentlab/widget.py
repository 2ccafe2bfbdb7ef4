"""The widget of a notebook: map and grid of a run, with the selection in Python.

It needs anywidget (`pip install 'latentlab[notebook]'`). `latentlab.RunView.widget` makes it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from latentlab.errors import ConfigError
from latentlab.reporting import export, text
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.privacy import Privacy
from latentlab.reporting.widget_page import widget_module, widget_page

if TYPE_CHECKING:
    import pandas as pd

MEGABYTE = 1_000_000


class RunWidget(anywidget.AnyWidget):
    """Map and grid of a run in a notebook; what is selected there is here, and the other way round.

    A lasso, a cluster's name on the map, a search and ticks in the grid select. All pictures are in
    the widget: the kernel is asked for nothing but to tell what is selected.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering, in a run that has a map.
    height : int
        Pixels.
    megabytes : float
        That the pictures may take. Of more images, the nearest, uncertain and random ones of each
        cluster have pictures; all are on the map.

    Attributes
    ----------
    selected : tuple of str
        Ids of the selected images, in the order of the map. Setting it selects them in the
        notebook; `observe(function, "selected")` calls a function after every change.

    Raises
    ------
    RunError
        If the run has no map yet; `latentlab report` makes one.
    """

    _esm = widget_module()
    _data = traitlets.Unicode().tag(sync=True)
    _sheets = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _title = traitlets.Unicode().tag(sync=True)
    _note = traitlets.Unicode().tag(sync=True)
    _rows = traitlets.List(traitlets.Int()).tag(sync=True)
    height = traitlets.Int(480, min=240, max=2000).tag(sync=True)
    selected = traitlets.Tuple()

    def __init__(self, summary: ClusteringSummary, height: int = 480, megabytes: float = 8) -> None:
        _, self._positions = summary.read_map()
        self._summary = summary
        ids = summary.images.ids[self._positions].tolist()
        self._ids: list[str] = ids
        self._row_of = {image_id: row for row, image_id in enumerate(ids)}
        page = widget_page(summary, round(megabytes * MEGABYTE))
        super().__init__(
            _data=page.data,
            _sheets=page.sheets,
            _title=_title(summary),
            _note=page.note,
            height=height,
        )

    def select(self, ids: Iterable[str]) -> None:
        """Select images, here and in the notebook.

        Parameters
        ----------
        ids : iterable of str
            Ids of images on the map; none selects nothing.

        Raises
        ------
        ConfigError
            If the map has no such image.
        """
        self.selected = tuple(ids)

    def selection(self) -> "pd.DataFrame":
        """Return what is known of the selected images.

        Returns
        -------
        pandas.DataFrame
            A row for each, with the columns of `latentlab export`: id, split, cluster,
            cluster_name, distance, margin and, if there are any, label, confidence, mark and so on.
            Images that were dropped by hand are in no cluster, and left out.
        """
        chosen = export.select(self._summary)
        wanted = self._positions[self._rows]
        row_of = np.full(len(self._summary.images), -1)
        row_of[chosen.positions] = np.arange(len(chosen.positions))
        rows = row_of[wanted]
        frame: pd.DataFrame = chosen.rows.take(rows[rows >= 0]).to_pandas()
        frame["id"] = self._summary.images.ids[wanted[rows >= 0]]
        return frame

    @traitlets.validate("_rows")
    def _checked_rows(self, proposal: Any) -> list[int]:
        rows: list[int] = proposal["value"]
        if not all(0 <= row < len(self._ids) for row in rows):
            raise traitlets.TraitError("rows that are not on the map")
        return sorted(set(rows))

    @traitlets.validate("selected")
    def _checked_ids(self, proposal: Any) -> tuple[str, ...]:
        return tuple(self._ids[row] for row in self._rows_of(proposal["value"]))

    @traitlets.observe("_rows")
    def _take_rows(self, change: Any) -> None:
        self.selected = tuple(self._ids[row] for row in change["new"])

    @traitlets.observe("selected")
    def _take_ids(self, change: Any) -> None:
        self._rows = self._rows_of(change["new"])

    def _rows_of(self, ids: Sequence[str]) -> list[int]:
        unknown = [image_id for image_id in ids if image_id not in self._row_of]
        if unknown:
            raise ConfigError("is no image on the map", field="ids", value=unknown[0])
        return sorted({self._row_of[image_id] for image_id in ids})


def _title(summary: ClusteringSummary) -> str:
    name = Privacy.of(summary.run).public(summary.images.name)
    return f"{name}: {text.clusters_text(len(summary.shown))}"
