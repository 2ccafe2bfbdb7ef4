"""Assignments of a run's images to clusters, as assignments.parquet holds them."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentlab.errors import RunError
from latentlab.storage import tables

TEXT_COLUMNS = ("id", "split")
COLUMN_OF = {"ids": "id", "splits": "split", "clusters": "cluster"}  # field -> column


@dataclass(frozen=True)
class Assignments:
    """Which cluster each of n images belongs to, in the order of the images.

    Attributes
    ----------
    ids : ndarray of shape (n,), str
        Image ids.
    splits : ndarray of shape (n,), str
        "train" or "test".
    clusters : ndarray of shape (n,), int32
        Cluster numbers, from 0; the largest cluster comes first.
    distance, margin : ndarray of shape (n,), float32, or None
        Distance to the center, and how clear the choice is.
    soft : ndarray of shape (n, k), float32, or None
        Probability of each cluster, if the method has one.
    noise : ndarray of shape (n,), bool, or None
        Images that the method would rather leave out.
    agreement : ndarray of shape (n,), float, or None
        Share of the seeds that agree; only of a consensus.
    start : ndarray of shape (n,), int32, or None
        The cluster before refinement; only of deep methods.
    """

    ids: np.ndarray
    splits: np.ndarray
    clusters: np.ndarray
    distance: np.ndarray | None = None
    margin: np.ndarray | None = None
    noise: np.ndarray | None = None
    soft: np.ndarray | None = None
    agreement: np.ndarray | None = None
    start: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def sizes(self, k: int) -> dict[str, list[int]]:
        """Return the images of each cluster, split by split.

        Parameters
        ----------
        k : int
            Number of clusters; empty ones count 0.
        """
        of_split = {}
        for split in ("train", "test"):
            members = self.clusters[self.splits == split]
            of_split[split] = np.bincount(members, minlength=k).tolist()
        return of_split

    def at(self, positions: np.ndarray) -> "Assignments":
        """Return the assignments of some images.

        Parameters
        ----------
        positions : ndarray of int or bool
            Their positions, or which of all n images they are.
        """
        return Assignments(**{name: values[positions] for name, values in self._columns().items()})

    def followed_by(self, others: "Assignments") -> "Assignments":
        """Return these assignments and those of other images, with the columns that both have.

        Parameters
        ----------
        others : Assignments
            Of images that are not among these.
        """
        theirs = others._columns()
        joined = {}
        for name, values in self._columns().items():
            if name in theirs:
                joined[name] = np.concatenate([values, theirs[name]])
        return Assignments(**joined)

    def _columns(self) -> dict[str, np.ndarray]:
        """Return the columns that there are, by the names of their fields."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: column for name, column in values.items() if column is not None}

    def as_table(self) -> pa.Table:
        """Return the columns that there are, as a table."""
        columns = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None:
                columns[COLUMN_OF.get(field.name, field.name)] = _column(values)
        return pa.table(columns)

    def write(self, path: Path) -> Path:
        """Write the table to `path`, a parquet file, atomically, and return the path."""
        return tables.write(path, self.as_table())

    @classmethod
    def read(cls, path: Path) -> "Assignments":
        """Read a parquet file of assignments; other columns are ignored.

        Parameters
        ----------
        path : pathlib.Path
            The file, such as assignments.parquet of a clustering.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        table = tables.read(path)
        values = {}
        for field in fields(cls):
            column = COLUMN_OF.get(field.name, field.name)
            if column in table.column_names:
                values[field.name] = _array(column, table[column])
        if not {"ids", "splits", "clusters"} <= set(values):
            raise RunError(
                f"{path} has no id, split and cluster. Remove it and run its stage again."
            )
        return cls(**values)


def _column(values: np.ndarray) -> pa.Array:
    if values.ndim == 2:
        return tables.vectors(values)
    return pa.array(values.tolist() if values.dtype.kind in "UO" else values)


def _array(name: str, column: pa.ChunkedArray) -> np.ndarray:
    if name in TEXT_COLUMNS:
        return np.asarray(column.to_pylist(), dtype=str)
    return tables.matrix(column) if name == "soft" else np.asarray(column)
