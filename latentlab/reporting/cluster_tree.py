"""The tree over clusters, as pages show it."""

from latentlab.clustering.tree import ClusterTree
from latentlab.clustering.tree_files import StoredTree
from latentlab.reporting.clustering_summary import ClusteringSummary


def tree_of(summary: ClusteringSummary) -> ClusterTree | None:
    """Return the tree over the clusters that a summary shows, edits included.

    Parameters
    ----------
    summary : ClusteringSummary
        The clustering.

    Returns
    -------
    ClusterTree or None
        None if none was made, or there are fewer than two clusters with images.

    Raises
    ------
    RunError
        If its file is damaged.
    """
    stored = StoredTree.read(summary.folder)
    if stored is None:
        return None
    if summary.is_edited:
        computed = summary.clustering.assignments.clusters
        tree = stored.after_edits(computed, summary.clusters, summary.k)
    else:
        tree = stored.tree
    return tree if tree.merges else None
