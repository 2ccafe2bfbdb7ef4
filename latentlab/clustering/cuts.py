"""Clusters that were joined by cutting the tree of a clustering: fewer clusters, and no new fit.

A cut is a clustering of its own, clusters/<name>-cut<k>. Its record says of which clustering it is
and which clusters went together; new images are assigned by that clustering and follow.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from latentlab.clustering.assigned import Assigned, canonical_order, grouped
from latentlab.clustering.tree import ClusterTree
from latentlab.config import ClusterOptions
from latentlab.data.images import TRAIN
from latentlab.errors import RunError
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import ASSIGNMENTS_NAME, RESULT_NAME, Clustering
from latentlab.storage.files import write_json

CUT_OF = "cut_of"  # the settings in the record of a cut
GROUPS = "groups"
OF = "cut_outputs"


def origin_of(clustering: Clustering) -> Clustering:
    """Return the clustering that a cut was made of; any other clustering itself.

    Parameters
    ----------
    clustering : Clustering
        A finished clustering.

    Raises
    ------
    RunError
        If that clustering was made again since, or is gone: its clusters have other numbers.
    """
    name = clustering.record.setting(CUT_OF)
    if name is None:
        return clustering
    run = clustering.run
    if name in run.clustering_names():
        origin = run.clustering(name)
        if origin.recorded_outputs() == clustering.record.setting(OF):
            return origin
    raise RunError(
        f"the clusters that {clustering.name} was cut from were made again or are gone, so the two"
        f" no longer fit. Repeat: `cut(k={clustering.k})`"
    )


def groups_of(clustering: Clustering) -> np.ndarray | None:
    """Return the cluster of a cut that each cluster of its origin went into.

    Parameters
    ----------
    clustering : Clustering
        A finished clustering.

    Returns
    -------
    ndarray of shape (k of the origin,), int, or None
        None if it is no cut.

    Raises
    ------
    RunError
        If the record is damaged.
    """
    if clustering.record.setting(CUT_OF) is None:
        return None
    groups = np.array(clustering.record.setting(GROUPS))
    k = clustering.k
    is_whole = groups.dtype.kind == "i" and groups.ndim == 1 and set(groups.tolist()) == {*range(k)}
    if not is_whole:
        raise RunError(f"the record of {clustering.name} is damaged. Repeat: `cut(k={k})`")
    return groups


def groups_at(tree: ClusterTree, k: int, assignments: Assignments, n_clusters: int) -> np.ndarray:
    """Return the new cluster of each cluster where a tree is cut; the largest gets number 0.

    Parameters
    ----------
    tree : ClusterTree
        Over the clusters.
    k : int
        Number of clusters to keep.
    assignments : Assignments
        Of the clustering; its training images count.
    n_clusters : int
        Number of its clusters.

    Returns
    -------
    ndarray of shape (n_clusters,), int
        Clusters without images go with the first.

    Raises
    ------
    ConfigError
        If the tree has fewer leaves than k.
    """
    groups = np.zeros(n_clusters, np.int64)
    groups[list(tree.leaves)] = tree.cut(k)
    fitted = groups[assignments.clusters[assignments.splits == TRAIN]]
    return np.argsort(canonical_order(fitted, k))[groups]


def cut_options(origin: Clustering, k: int) -> ClusterOptions:
    """Return the options of a cut: those of its origin, with its own k and name.

    Parameters
    ----------
    origin : Clustering
        The clustering to cut.
    k : int
        Number of clusters to keep.
    """
    return replace(origin.options, k=k, label=f"{origin.name}-cut{k}")


def grouped_assignments(
    assignments: Assignments, groups: np.ndarray, again: Assigned | None
) -> Assignments:
    """Return the assignments of a clustering after some of its clusters were joined.

    Parameters
    ----------
    assignments : Assignments
        Those of the clustering.
    groups : ndarray of shape (k,), int
        New cluster of each cluster.
    again : Assigned or None
        The images assigned to the joined clusters, for methods without probabilities: distances
        and margins are taken from it. An image that lies between two clusters, and gets the other
        one this time, has no margin.
    """
    clusters = groups[assignments.clusters].astype(np.int32)
    start = None if assignments.start is None else groups[assignments.start].astype(np.int32)
    changed = replace(assignments, clusters=clusters, start=start)
    if again is not None:
        margin = np.where(again.cluster == clusters, again.margin, 0)
        margin = margin.astype(again.margin.dtype)
        return replace(changed, distance=again.distance, margin=margin)
    if assignments.soft is None or assignments.distance is None or assignments.margin is None:
        return changed
    whole = Assigned(
        assignments.clusters, assignments.distance, assignments.margin, assignments.soft
    )
    joined = grouped(whole, groups)
    agreement = assignments.agreement
    if agreement is not None and joined.soft is not None:
        agreement = joined.soft[np.arange(len(clusters)), clusters]
    return replace(changed, margin=joined.margin, soft=joined.soft, agreement=agreement)


def write_cut(
    folder: Path, origin: Clustering, assignments: Assignments, options: ClusterOptions
) -> list[Path]:
    """Write assignments.parquet and result.json of a cut.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the cut.
    origin : Clustering
        The clustering that was cut.
    assignments : Assignments
        From `grouped_assignments`.
    options : ClusterOptions
        From `cut_options`.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    result = options.recorded() | {
        "algorithm": f"{origin.name}, with clusters joined by its tree",
        CUT_OF: origin.name,
        "sizes": assignments.sizes(options.k or 0),
    }
    write_json(folder / RESULT_NAME, result)
    return [assignments.write(folder / ASSIGNMENTS_NAME), folder / RESULT_NAME]
