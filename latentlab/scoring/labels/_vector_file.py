"""Labels that stand in a file of vectors, of which a run was made."""

from pathlib import Path

import numpy as np

from latentlab.errors import DataError
from latentlab.scoring.labels._encoding import Labels, encode_labels
from latentlab.scoring.labels._kept import kept_labels, tell_missing
from latentlab.storage import tables
from latentlab.storage.files import sha256
from latentlab.storage.run import Run
from latentlab.storage.vector_files import read_column

ROWS_NAME = "encoder/rows.parquet"  # id and row of the file, of every vector that the run has


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
        stored = kept_labels(run)
        if stored is None:
            tell_missing(str(path))
        return stored
    if sha256(path) != vectors.sha256:
        raise DataError(f"{path} has changed since it was imported into {run.path}: put it back.")
    values = read_column(path, vectors.label_column)
    numbers, class_names = encode_labels(values)
    rows = tables.read(run.path / ROWS_NAME, ["id", "row"])
    ids = np.asarray(rows["id"].to_pylist(), dtype=str)
    return Labels(ids, numbers[np.asarray(rows["row"])], class_names)
