"""Clusters joined to larger ones: the tree over them, and fewer clusters without a new fit."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.storage.clustering import Clustering
from latentlab.storage.run import CLUSTER_STAGE, Run

if TYPE_CHECKING:
    from latentlab.clustering.assigned import Assigned
    from latentlab.clustering.tree import ClusterTree

TREE_FORMAT = 1


def tree(run: Run, name: str | None = None) -> "ClusterTree":
    """Join clusters to larger ones step by step, without a new fit.

    Parameters
    ----------
    run : Run
        A clustered run.
    name : str or None
        Its clusters; None is the newest.

    Returns
    -------
    ClusterTree
        As in clusters/<name>/tree.json: by density for hdbscan, else by Ward's rule.

    Raises
    ------
    RunError
        If a file of the clustering is missing or damaged.
    """
    from latentlab.clustering.tree import ClusterTree
    from latentlab.clustering.tree_files import TREE_NAME, StoredTree
    from latentlab.refinement.run_methods import tree_of_clusters
    from latentlab.storage import json_form

    clustering = run.clustering(name)
    config = {"clusters": clustering.recorded_outputs(), "format": TREE_FORMAT}

    def make() -> list[Path]:
        return StoredTree(*tree_of_clusters(clustering)).write(clustering.folder)

    run.do_stage(f"tree/{clustering.name}", config, make)
    return json_form.read(ClusterTree, clustering.folder / TREE_NAME)


def cut(run: Run, k: int, name: str | None = None) -> Clustering:
    """Make fewer clusters of those of a run, by its tree and without a new fit.

    Parameters
    ----------
    run : Run
        A clustered run.
    k : int
        Number of clusters to keep.
    name : str or None
        The clusters to join; None is the newest. Of a cut, the clusters that it was made of are
        cut again, so that k may also rise.

    Returns
    -------
    Clustering
        A new one, NAME-cutK. It is of the clusters as computed: edits made by hand stay with the
        clusters that were cut, see `cut_note`.

    Raises
    ------
    ConfigError
        If k is not 1 to the number of clusters.
    RunError
        If a file of the clustering is missing or damaged.
    """
    from latentlab.clustering import cuts
    from latentlab.clustering.run_method import start_over

    origin = cuts.origin_of(run.clustering(name))
    assignments = origin.assignments
    groups = cuts.groups_at(tree(run, origin.name), k, assignments, origin.k)
    options = cuts.cut_options(origin, k)
    config = {
        "options": options.recorded(),
        cuts.CUT_OF: origin.name,
        cuts.OF: origin.recorded_outputs(),
        cuts.GROUPS: groups.tolist(),
    }

    def make() -> list[Path]:
        start_over(run, options.name)
        again = None if assignments.soft is not None else _assigned_again(origin, groups)
        joined = cuts.grouped_assignments(assignments, groups, again)
        return cuts.write_cut(run.path / "clusters" / options.name, origin, joined, options)

    run.do_stage(f"{CLUSTER_STAGE}{options.name}", config, make)
    return run.clustering(options.name)


def cut_note(clustering: Clustering) -> str:
    """Return which clusters were cut, such as "kmeans-k9, as computed, without 2 edits by hand".

    Parameters
    ----------
    clustering : Clustering
        From `cut`.

    Raises
    ------
    RunError
        If the clusters that were cut are gone, or were made again.
    """
    from latentlab.clustering import cuts
    from latentlab.reporting.edits import Editor

    origin = cuts.origin_of(clustering)
    return f"{origin.name}, {Editor(origin).note_as_computed()}"


def _assigned_again(origin: Clustering, groups: np.ndarray) -> "Assigned | None":
    """Return where the images belong after clusters were joined; None for methods with networks.

    Distances to a second cluster are not stored, and the second may have become the same one.
    """
    from latentlab.clustering.assigned import joined
    from latentlab.clustering.vector_clustering import VectorClustering
    from latentlab.encoders.embedding import Embeddings
    from latentlab.refinement.run_methods import run_method

    method = run_method(origin.options.method)
    if not isinstance(method, VectorClustering) or origin.members:
        return None
    vectors = Embeddings(origin.run.path).parts(column=origin.features.start)
    return joined(list(method.assign_grouped(origin, groups, vectors)))
