"""Labels of MNIST and its kin."""

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.mnist_files import Collection, read_collection, splits_of
from latentlab.data.source import ImageIndex
from latentlab.data.splits import numbered_ids
from latentlab.errors import DataError
from latentlab.scoring.labels._encoding import Labels, first_labels


def labels_of(collection: Collection, class_names: tuple[str, ...], data: DataOptions) -> Labels:
    """Return the published labels.

    Parameters
    ----------
    collection : Collection
        The data set.
    class_names : tuple of str
        Ten names.
    data : DataOptions
        Where the files are.

    Raises
    ------
    DataError
        If the files are missing or damaged, or hold other labels than 0 to 9.
    """
    parts = read_collection(collection, data, "labels")
    labels = np.concatenate(list(parts.values()))
    if labels.max() >= len(class_names):
        raise DataError(
            f"{collection.title}: the label {labels.max()} is not one of 0 to 9. "
            "Fetch the files again."
        )
    splits = splits_of(parts)
    return first_labels(labels, class_names, ImageIndex(numbered_ids(splits), splits), data)
