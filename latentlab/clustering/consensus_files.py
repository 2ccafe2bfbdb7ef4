"""The consensus of several clusterings as files of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from latentlab.clustering import consensus
from latentlab.clustering.assigned import Assigned, grouped
from latentlab.clustering.cuts import groups_of, origin_of
from latentlab.clustering.vector_clustering import as_assignments
from latentlab.config import ClusterOptions
from latentlab.data.images import TRAIN
from latentlab.errors import RunError
from latentlab.storage import json_form
from latentlab.storage.assignments import Assignments
from latentlab.storage.clustering import ASSIGNMENTS_NAME, RESULT_NAME, Clustering
from latentlab.storage.files import write_json


def write_consensus(
    folder: Path, members: Sequence[Clustering], options: ClusterOptions, seeds: Sequence[int]
) -> list[Path]:
    """Unite clusterings of the same images and write assignments.parquet and result.json.

    Parameters
    ----------
    folder : pathlib.Path
        The clustering's folder.
    members : sequence of Clustering
        One for each seed.
    options : ClusterOptions
        Those of the first member.
    seeds : sequence of int
        Seeds of the members.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    tables = [member.assignments for member in members]
    ids, splits = tables[0].ids, tables[0].splits
    k = options.k or 0
    united = consensus.unite([table.clusters for table in tables], splits == TRAIN, k)
    assigned = [_assigned(table) for table in tables]
    whole = consensus.as_assigned(assigned, united.cluster, united.shares, united.maps)
    assignments = as_assignments(ids, splits, [whole])
    assignments = replace(assignments, agreement=united.agreement)
    result = options.recorded() | {
        "algorithm": f"consensus of {len(seeds)} seeds",
        "seeds": list(seeds),
        "ari_between_seeds": json_form.to_json(consensus.agreement_of_seeds(united.ari)),
        "agreement": float(united.agreement.mean()),
        "reference": united.reference,
        "maps": united.maps.tolist(),
        "sizes": assignments.sizes(k),
    }
    write_json(folder / RESULT_NAME, result)
    return [assignments.write(folder / ASSIGNMENTS_NAME), folder / RESULT_NAME]


def reference_of(
    clustering: Clustering, members: Sequence[Clustering]
) -> tuple[Clustering, np.ndarray]:
    """Return the member of a consensus that agrees best with the others.

    Parameters
    ----------
    clustering : Clustering
        The consensus.
    members : sequence of Clustering
        Its members.

    Returns
    -------
    member : Clustering
        The reference.
    new_numbers : ndarray of shape (k,), int
        The consensus' cluster of each of its clusters.

    Raises
    ------
    RunError
        If result.json does not say so.
    """
    maps, reference = _matches(clustering, len(members))
    return members[reference], maps[reference]


def _matches(clustering: Clustering, count: int) -> tuple[np.ndarray, int]:
    """Return the maps of `count` members and the place of the reference, from result.json."""
    result = clustering.result
    maps = np.array(result.fact("maps", ()))
    reference = result.fact("reference")
    if len(maps) != count or not isinstance(reference, int) or not 0 <= reference < count:
        raise RunError(f"{clustering.folder / RESULT_NAME} is damaged. Cluster again.")
    return maps, reference


def _assigned(table: Assignments) -> Assigned:
    if table.distance is None or table.margin is None:
        raise RunError("a clustering to unite has no distances. Cluster again.")
    return Assigned(table.clusters, table.distance, table.margin)


def vote(
    clustering: Clustering, streams: Sequence[Iterator[tuple[np.ndarray, Assigned]]]
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield the joint vote of the members of a consensus on new images.

    Parameters
    ----------
    clustering : Clustering
        The consensus, or one of which clusters were joined.
    streams : sequence of iterator
        What each member says: (positions, where they belong), shard by shard.

    Raises
    ------
    RunError
        If result.json does not say how the members' clusters match.
    """
    groups = groups_of(clustering)
    maps, reference = _matches(origin_of(clustering), len(streams))
    for parts in zip(*streams, strict=True):
        assigned = [part for _, part in parts]
        clusters = [part.cluster for part in assigned]
        shares = consensus.vote(clusters, maps)
        clusters_by_vote = consensus.choose(clusters, maps, reference, shares)
        indices = parts[0][0]
        whole = consensus.as_assigned(assigned, clusters_by_vote, shares, maps)
        yield indices, whole if groups is None else grouped(whole, groups)
