"""Classes of scikit-learn's digits: the digit that was written."""

from latentlab.config import DataOptions
from latentlab.data.source import ImageIndex
from latentlab.data.splits import held_out_splits, numbered_ids
from latentlab.scoring.labels import Labels, first_labels


def read_labels(data: DataOptions) -> Labels:
    """Return the digit of every image of `data`."""
    from sklearn.datasets import load_digits

    digits = load_digits().target
    splits = held_out_splits(len(digits), data.held_out)
    index = ImageIndex(numbered_ids(splits), splits)
    return first_labels(digits, tuple("0123456789"), index, data)
