"""Classes of MNIST: the digit that was written."""

from latentlab.config import DataOptions
from latentlab.data.sources.mnist import Mnist
from latentlab.scoring.labels import Labels
from latentlab.scoring.labels._mnist_files import labels_of

CLASS_NAMES = tuple("0123456789")


def read_labels(data: DataOptions) -> Labels:
    """Return the digit of every image of `data`."""
    return labels_of(Mnist.collection, CLASS_NAMES, data)
