"""Classes of CIFAR-10: the published ones, by the names in batches.meta(.txt) if that is there."""

import numpy as np

from latentlab.config import DataOptions
from latentlab.data.formats.cifar_batches import (
    batch_labels,
    batch_splits,
    class_names,
    read_cifar_files,
)
from latentlab.data.source import ImageIndex
from latentlab.data.sources.cifar10 import locate
from latentlab.data.splits import numbered_ids
from latentlab.scoring.labels import Labels, first_labels

CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def read_labels(data: DataOptions) -> Labels:
    """Return the class of every image of `data`, 0 to 9."""
    files = read_cifar_files(locate(data))
    parts = list(map(batch_labels, files.batches))
    splits = batch_splits(files, list(map(len, parts)))
    names = class_names(files.meta) if files.meta else CLASS_NAMES
    index = ImageIndex(numbered_ids(splits), splits)
    return first_labels(np.concatenate(parts), names, index, data)
