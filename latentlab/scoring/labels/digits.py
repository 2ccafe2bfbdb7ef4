"""Classes of scikit-learn's digits: the digit that was written."""

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.digits_table import read_digits
from latentlab.data.source import ImageIndex
from latentlab.data.splits import held_out_splits, numbered_ids
from latentlab.scoring.labels import Labels, first_labels

CLASS_COLUMN = 64  # behind the pixels


def read_labels(data: DataOptions) -> Labels:
    """Return the digit of every image of `data`."""
    digits = read_digits([CLASS_COLUMN])[:, 0].astype(np.int64)
    splits = held_out_splits(len(digits), data.held_out)
    index = ImageIndex(numbered_ids(splits), splits)
    return first_labels(digits, tuple("0123456789"), index, data)
