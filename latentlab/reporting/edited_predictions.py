"""Clusters of new images with the edits that people made by hand to the clusters of a run.

Names, merged and dropped clusters hold for new images too. Edits of single images (split, move,
mark, tag) are about images of the run, so they say nothing of new ones.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentlab.progress import log as messages
from latentlab.reporting.edits import Edit, EditedClusters, EditLog, Editor, edit_note, edits_text
from latentlab.storage import tables
from latentlab.storage.clustering import Clustering, NamedCluster

METADATA = b"latentlab.edits"  # key in the metadata of a file of predictions


def with_edits(table: pa.Table, clustering: Clustering, as_computed: bool = False) -> pa.Table:
    """Return predictions with the edits made by hand, and the name of each cluster.

    Parameters
    ----------
    table : pyarrow.Table
        Predictions: `cluster`, and `soft` if there is one; other columns stay as they are.
    clustering : Clustering
        The clusters that were predicted.
    as_computed : bool
        Leave the edits out; every cluster is then called "cluster N".

    Returns
    -------
    pyarrow.Table
        With a column cluster_name after cluster, null for cluster -1, which is that of images of
        dropped clusters. Merged clusters have the sum of their columns in `soft`. The metadata say
        whether edits are applied.

    Raises
    ------
    RunError
        If the edits are damaged or were made for other assignments, unless `as_computed`.
    """
    editor = Editor(clustering)
    log = EditLog(clustering.name, "") if as_computed else editor.read()
    edited = clusters_for_new_images(log, clustering.k)
    note = editor.note_as_computed() if as_computed else edit_note(len(log.edits))
    _tell_of_image_edits(log)
    clusters = edited.clusters[np.asarray(table["cluster"])]
    names = [edited.name(number) or None for number in clusters.tolist()]
    place = table.column_names.index("cluster")
    table = table.set_column(place, "cluster", pa.array(clusters, table["cluster"].type))
    table = table.add_column(place + 1, "cluster_name", pa.array(names, pa.string()))
    if "soft" in table.column_names:
        soft = _moved_columns(tables.matrix(table["soft"]), edited)
        table = table.set_column(table.column_names.index("soft"), "soft", tables.vectors(soft))
    metadata = table.schema.metadata or {}
    return table.replace_schema_metadata({**metadata, METADATA: note.encode()})


def clusters_for_new_images(log: EditLog, k: int) -> EditedClusters:
    """Return what the edits make of each computed cluster.

    Parameters
    ----------
    log : EditLog
        The edits.
    k : int
        Number of clusters as computed.

    Returns
    -------
    EditedClusters
        As of one image of each computed cluster: `clusters[c]` is what cluster c has become.

    Examples
    --------
    >>> from latentlab.reporting.edits import Merge, StampedEdit
    >>> log = EditLog("kmeans-k3", "", (StampedEdit(Merge([2, 0])),))
    >>> clusters_for_new_images(log, 3).clusters.tolist()
    [2, 1, 2]
    """
    numbers = np.arange(k, dtype=np.int32)
    edited = EditedClusters(numbers.astype(str), numbers, names=("",) * k)
    for stamped in log.edits:
        edited = stamped.edit.apply_to_clusters(edited)
    return edited


def note_of_file(path: str | Path) -> str:
    """Return whether the predictions in a file are as computed or edited; "" if it does not say.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `with_edits` was written to.
    """
    metadata = pq.read_schema(path).metadata or {}
    return bytes(metadata.get(METADATA, b"")).decode()


def clusters_of_file(path: str | Path) -> tuple[NamedCluster, ...]:
    """Return the clusters that a file of predictions names, with their numbers of images.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `with_edits` was written to.
    """
    table = tables.read(Path(path), ["cluster", "cluster_name"])
    rows = zip(table["cluster"].to_pylist(), table["cluster_name"].to_pylist(), strict=True)
    counts = Counter(rows)
    return tuple(
        NamedCluster(number, name, counts[number, name])
        for number, name in sorted(row for row in counts if row[0] >= 0)
    )


def _moved_columns(soft: np.ndarray, edited: EditedClusters) -> np.ndarray:
    """Return soft assignments, float32 (n, k after the edits): those of merged ones added."""
    moved = np.zeros((len(soft), len(edited.names)), np.float32)
    for before, after in enumerate(edited.clusters.tolist()):
        if after >= 0:
            moved[:, after] += soft[:, before]
    return moved


def _tell_of_image_edits(log: EditLog) -> None:
    """Say how many edits do not apply to new images."""
    count = sum(_is_of_images(stamped.edit) for stamped in log.edits)
    if count:
        messages.info(
            "predict: %s of single images of the run do not apply to others", edits_text(count)
        )


def _is_of_images(edit: Edit) -> bool:
    return "images" in edit.field_names()
