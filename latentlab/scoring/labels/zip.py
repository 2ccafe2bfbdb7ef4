"""Classes of pictures in zip archives: their folders, or members beside them as in tar archives."""

from latentlab.config import DataOptions
from latentlab.scoring.labels._containers import read_container_labels
from latentlab.scoring.labels._encoding import Labels


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every picture of `data`, None if there are none."""
    return read_container_labels("zip", data)
