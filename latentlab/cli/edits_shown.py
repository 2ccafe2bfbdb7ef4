"""Whether commands show clusters as computed or as they were edited by hand."""

from typing import TYPE_CHECKING, Any

import click

from latentlab.cli._output import say

if TYPE_CHECKING:
    from latentlab.reporting.clustering_summary import ClusteringSummary
    from latentlab.storage.run import Run

as_computed_option = click.option(
    "--as-computed",
    is_flag=True,
    help="Leave edits made by hand (names, merged and dropped clusters) out.",
)


def shown_clusters(run: "Run", name: str | None, as_computed: bool) -> dict[str, Any]:
    """Return what JSON says of the clusters that a command shows; stderr names edits.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.
    as_computed : bool
        Whether edits are left out.

    Returns
    -------
    dict
        "name", "edits" and "clusters".
    """
    from latentlab import pipeline

    return facts_of(pipeline.look(run, name, as_computed))


def facts_of(summary: "ClusteringSummary") -> dict[str, Any]:
    """Return what JSON says of the clusters of a summary; stderr names edits.

    Parameters
    ----------
    summary : ClusteringSummary
        The clusters.
    """
    from latentlab.storage.json_form import to_json

    tell_edits(summary.name, summary.edit_remark)
    return {
        "name": summary.name,
        "edits": summary.edit_note,
        "clusters": to_json(summary.listed()),
    }


def tell_edits(name: str, remark: str) -> None:
    """Say on stderr which edits are shown or left out; nothing where there are none.

    Parameters
    ----------
    name : str
        Name of the clustering.
    remark : str
        Such as "with 3 edits by hand"; "" says nothing.
    """
    if remark:
        way = "" if "without" in remark else " (--as-computed leaves them out)"
        say(f"clusters {name} {remark}{way}", err=True)
