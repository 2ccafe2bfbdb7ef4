"""Held-out labels: one file per source, of the source's name, and for scoring only.

A label file defines `read_labels(data: DataOptions) -> Labels | None`. A source without such a file
has no labels. It may also define `why_unlabelled(data) -> str`, a clause for where there are none,
and `labels_of_ids(data, ids) -> Labels | None` for data that is gone. Files of other people lie in
FOLDER/labels of a folder in LATENTLAB_PLUGINS, or are entry points of the group `latentlab.labels`.
"""

from latentlab.scoring.labels._encoding import Labels, encode_labels, first_labels
from latentlab.scoring.labels._kept import completed, labels_without_data
from latentlab.scoring.labels._reading import NO_LABELS, read_labels, why_unlabelled
from latentlab.scoring.labels._vector_file import read_vector_labels

__all__ = [
    "NO_LABELS",
    "Labels",
    "completed",
    "encode_labels",
    "first_labels",
    "labels_without_data",
    "read_labels",
    "read_vector_labels",
    "why_unlabelled",
]
