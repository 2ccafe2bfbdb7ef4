"""Classes of pictures in tar archives: members beside them as WebDataset has, or their folders."""

from latentlab.config import DataOptions
from latentlab.scoring.labels._containers import read_container_labels
from latentlab.scoring.labels._encoding import Labels


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every picture of `data`, None if there are none."""
    return read_container_labels("tar", data)
