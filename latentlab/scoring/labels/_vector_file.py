"""Labels that stand in a file of vectors, of which a run was made."""

import json
from pathlib import Path

import numpy as np

from latentlab.errors import DataError
from latentlab.progress import log
from latentlab.scoring.labels._encoding import Labels, encode_labels
from latentlab.storage import tables
from latentlab.storage.files import sha256
from latentlab.storage.run import Run
from latentlab.storage.vector_files import read_column

ROWS_NAME = "encoder/rows.parquet"  # id and row of the file, of every vector that the run has
KEPT_NAME = "labels.parquet"  # what scoring has read before


def read_vector_labels(run: Run) -> Labels | None:
    """Read the labels of the vectors that a run was made of.

    Parameters
    ----------
    run : Run
        A run. If its file of vectors is gone, the labels that scoring has read before are taken.

    Returns
    -------
    Labels or None
        None if the run was not made of vectors, or their file has no column of labels.

    Raises
    ------
    DataError
        If the file has changed, or its labels are neither all numbers nor all text.
    """
    vectors = run.config.vectors
    if vectors is None or not vectors.label_column:
        return None
    path = Path(vectors.path)
    if not path.is_file():
        return kept_labels(run, str(path))
    if sha256(path) != vectors.sha256:
        raise DataError(f"{path} has changed since it was imported into {run.path}: put it back.")
    values = read_column(path, vectors.label_column)
    numbers, class_names = encode_labels(values)
    rows = tables.read(run.path / ROWS_NAME)
    ids = np.asarray(rows["id"].to_pylist(), dtype=str)
    return Labels(ids, numbers[np.asarray(rows["row"])], class_names)


def kept_labels(run: Run, origin: str) -> Labels | None:
    """Return the labels in the run's own folder; None if scoring has read none yet.

    Parameters
    ----------
    run : Run
        The run.
    origin : str
        Where its labels came from, which is gone.
    """
    if not (run.path / KEPT_NAME).exists():
        log.warning("%s is not there any more, and with it the labels", origin)
        return None
    table = tables.read(run.path / KEPT_NAME)
    class_names = json.loads((table.schema.metadata or {})[b"class_names"])
    ids = np.asarray(table["id"].to_pylist(), dtype=str)
    return Labels(ids, np.asarray(table["label"]), tuple(class_names))
