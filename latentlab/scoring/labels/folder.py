"""Classes of a folder of pictures: those that a table beside them says, or else its folders.

A picture has the class of the folder in which it lies, without folders of splits and containers
such as `images`; see `latentlab.data.layouts.layout`. Folders that cannot be classes are none: a
single one, names of splits, a folder for each picture.
"""

from collections.abc import Sequence

from latentlab.config import DataOptions
from latentlab.data.source import Source
from latentlab.scoring.labels import Labels
from latentlab.scoring.labels._policy import arranged_labels_of_ids, read_arranged


def read_labels(data: DataOptions) -> Labels | None:
    """Return the class of every picture of `data`, None without classes."""
    return read_arranged(Source.named("folder"), data)[0]


def why_unlabelled(data: DataOptions) -> str:
    """Return why `read_labels` gives none of `data`."""
    return read_arranged(Source.named("folder"), data)[1]


def labels_of_ids(data: DataOptions, ids: Sequence[str]) -> Labels | None:
    """Return the classes that folders or names in ids tell, for pictures that are gone.

    Parameters
    ----------
    data : DataOptions
        What was opened once.
    ids : sequence of str
        Ids of the images.
    """
    return arranged_labels_of_ids(data, ids)
