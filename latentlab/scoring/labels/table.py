"""Classes of pictures that a table names: a column named label, class, ... or `label_column`.

Without such a column the folder of each picture is its class.
"""

from latentlab.config import DataOptions
from latentlab.data.formats.path_tables import open_table
from latentlab.data.source import Source
from latentlab.scoring.labels._encoding import Labels
from latentlab.scoring.labels._listed import labels_of_rows


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every picture of `data`, None if there are none."""
    path = Source.named("table").path(data)
    return labels_of_rows(open_table(path, data.max_bytes), data)
