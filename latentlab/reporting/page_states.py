"""The clusters with edits by hand and as computed, between which a page switches.

What belongs to images and clusters is in the page's data; sentences, scores and figures of both
stand in the page, and one of them is hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.reporting import text
from latentlab.reporting.cluster_tree import tree_of
from latentlab.reporting.clustering_summary import ClusteringSummary
from latentlab.reporting.packed import Pack, PackedArray, inside
from latentlab.reporting.page_clusters import clusters_of
from latentlab.reporting.page_data import StateData
from latentlab.reporting.summary_groups import edited_groups
from latentlab.scoring.scores import MethodScores

EDITED = "edited"
COMPUTED = "computed"
CONTINGENCY = {EDITED: "contingency", COMPUTED: "contingency-computed"}  # names of figures


@dataclass(frozen=True, kw_only=True)
class ShownState:
    """What a page says of the clusters in one of the two states.

    Attributes
    ----------
    key : {"edited", "computed"}
        The state; "edited" also where there are no edits.
    summary : list of str
        The result in sentences.
    beside : list of str
        What else affects the scores.
    scores : list of MethodScores
        The scores of every method.
    score_note : str
        How they were made.
    recalls : list of (str, float)
        Recall of each class.
    contingency : str
        Name of the figure of labels by clusters.
    clusters : str
        Name of the clustering, and which clusters are shown.
    """

    key: str
    summary: list[str]
    beside: list[str]
    scores: list[MethodScores]
    score_note: str
    recalls: list[tuple[str, float]]
    contingency: str
    clusters: str

    @classmethod
    def of(cls, key: str, summary: ClusteringSummary) -> "ShownState":
        """Return one state.

        Parameters
        ----------
        key : {"edited", "computed"}
            The state.
        summary : ClusteringSummary
            The clusters in it.
        """
        return cls(
            key=key,
            summary=text.summary_sentences(summary),
            beside=text.further_sentences(summary),
            scores=text.score_table(summary.scores),
            score_note=text.score_note(summary),
            recalls=text.recall_table(summary),
            contingency=CONTINGENCY[key],
            clusters=text.clustering_fact(summary),
        )


def shown_states(summary: ClusteringSummary) -> list[ShownState]:
    """Return the states of a page: the edited clusters, then those as computed.

    Parameters
    ----------
    summary : ClusteringSummary
        The clusters that the page shows first; without edits they are the only state.
    """
    states = [ShownState.of(EDITED, summary)]
    if summary.computed is not None:
        states.append(ShownState.of(COMPUTED, summary.computed))
    return states


def computed_state(
    computed: ClusteringSummary,
    positions: np.ndarray,
    suggested: Sequence[str | None] = (),
    keep: Pack = inside,
) -> StateData:
    """Return the data of the clusters as computed.

    Parameters
    ----------
    computed : ClusteringSummary
        The clustering as computed.
    positions : ndarray of int
        Positions of the images on the map.
    suggested : sequence of str or None
        A name that the images of each cluster suggest; empty for none.
    keep : callable
        Where the values go, see `Pack`.
    """

    def keep_apart(name: str, values: np.ndarray) -> PackedArray:
        return keep(f"computed {name}", values)

    return StateData(
        groups=edited_groups(computed, positions, keep_apart),
        clusters=clusters_of(computed, suggested),
        tree=tree_of(computed),
    )
