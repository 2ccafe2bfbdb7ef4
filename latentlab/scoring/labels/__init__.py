"""Held-out labels: one file per source, of the source's name, and for scoring only.

A label file defines `read_labels(data: DataOptions) -> Labels | None`. A source without such a file
has no labels. Files of other people lie in FOLDER/labels of a folder in LATENTLAB_PLUGINS, or are
entry points of the group `latentlab.labels`.
"""

from latentlab.scoring.labels._encoding import Labels, encode_labels, first_labels
from latentlab.scoring.labels._reading import read_labels
from latentlab.scoring.labels._vector_file import kept_labels, read_vector_labels

__all__ = [
    "Labels",
    "encode_labels",
    "first_labels",
    "kept_labels",
    "read_labels",
    "read_vector_labels",
]
